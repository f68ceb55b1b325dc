/* Specs hold a password, so that they end wiped. */
#include "model/spec.h"

#include <string.h>

void spec_done(struct spec *spec)
{
	record_done(&spec->record);
	explicit_bzero(spec, sizeof(*spec));
}
