/* A line of the engine's event stream. */
#include "engine/engine.h"
#include "engine/read.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[NAME_SIZE];
	bool out_of_memory;

	engine_read_init(fuzz_config());
	engine_event_read((const char *)data, size, name, &out_of_memory);
	must(*name == '\0' || name_is_valid(name));
	return 0;
}
