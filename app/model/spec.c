/* A spec owns its secrets and wipes them. */
#include "model/spec.h"

#include <string.h>

void spec_done(struct spec *spec)
{
	record_done(&spec->record);
	explicit_bzero(spec, sizeof(*spec));
}
