/* A line of the engine's event stream. */
#include "engine/read.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct container_event event;

	config_use(fuzz_config());
	if (event_from_line(&event, (const char *)data, size))
		must(name_is_valid(event.storage_dir));
	return 0;
}
