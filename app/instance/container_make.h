/* The making of an instance's container. With the instance's lock held; any thread. */
#ifndef PGBERTH_INSTANCE_CONTAINER_MAKE_H
#define PGBERTH_INSTANCE_CONTAINER_MAKE_H

#include "base/error.h"
#include "instance/attempt.h"
#include "store/template.h"

/*
 * Makes the container of the attempt, not started, and meanwhile fills a data directory
 * that is empty still. On failure there may be a container; the view names it. Errors:
 * ERR_ENGINE, ERR_FOREIGN_DATA, ERR_IMAGE_MISSING, ERR_NO_SPACE.
 */
bool container_make(struct attempt *attempt, const struct template *template,
		    struct error *err);

#endif
