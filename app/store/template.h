/* <root>/templates: for each major an initialised PGDATA, and the image that it belongs
 * to. */
#ifndef PGBERTH_STORE_TEMPLATE_H
#define PGBERTH_STORE_TEMPLATE_H

#include <stdbool.h>

#include "base/error.h"

struct template
{
	char image_id[80];
	char directory[64]; /* below templates/<major>/ */
	char libc[16], icu[16];
};

/* Errors: ERR_IMAGE_MISSING when the major has no template. */
bool store_template(int version, struct template *ret, struct error *err);

/* For store/ alone: opens its PGDATA; -1 with err. */
int store_template_open(int version, const struct template *template, struct error *err);

#endif
