/* libFuzzer's place in the tests: gives a harness the files that are named, one by one. */
#include "fuzz.h"

static void replay(const char *path)
{
	static uint8_t whole[1 << 20];
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	size_t size;

	must(file);
	size = fread(whole, 1, sizeof(whole), file);
	fclose(file);
	data = malloc(size ? size
			   : 1); /* of that size, so that a read past its end is seen */
	must(data);
	memcpy(data, whole, size);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	return 0;
}
