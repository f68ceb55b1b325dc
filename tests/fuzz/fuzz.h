/*
 * Shared parts of the harnesses. Every other file here but replay.c is one: LLVMFuzzerTestOneInput()
 * gets one input after the other, from libFuzzer (make fuzz) or, of its corpus, from replay.c
 * (the tests). A function of a harness stands in for pgberthd's of the same name.
 */
#ifndef PGBERTH_FUZZ_H
#define PGBERTH_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/http.h"
#include "model/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run, as a sanitizer's finding does, when what must be so is not. */
#define must(condition)                                                                  \
	do {                                                                             \
		if (!(condition)) {                                                      \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,       \
				#condition);                                             \
			abort();                                                         \
		}                                                                        \
	} while (0)

/* An input is read from its front. */
struct input {
	const char *data;
	size_t left;
};

/* The next byte, 0 when nothing is left. */
static inline unsigned char input_byte(struct input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return (unsigned char)*input->data++;
}

/* The text before the next `end`, or the rest; the caller frees it. */
static inline char *input_text(struct input *input, const char *end)
{
	size_t size = strlen(end);
	const char *found = memmem(input->data, input->left, end, size);
	size_t length = found ? (size_t)(found - input->data) : input->left;
	char *text = strndup(input->data, length);

	must(text);
	input->data += length + (found ? size : 0);
	input->left -= length + (found ? size : 0);
	return text;
}

/* Checks that a refusal has a message, and becomes an answer with an error. */
static inline void must_be_an_error(const struct error *err)
{
	const struct request req = { .id = "fuzz-0001" };
	struct response res = { 0 };

	must(err->message[0]);
	response_fail(&res, &req, err);
	must(res.status >= 400 && json_is_object(json_object_get(res.json, "error")));
	response_done(&res);
}

/* A configuration like the default one. */
static inline const struct config *fuzz_config(void)
{
	static struct config cfg = {
		.root = "/var/lib/pgberth",
		.publish_address = "127.0.0.1",
		.admin_user = "pythonanywhere_helper",
		.versions = "17 15 18",
		.network = "pgberth0",
		.egress = "none",
		.port_min = 6000,
		.port_max = 9999,
		.stop_timeout_s = 120,
		.version = { 15, 17 },
		.host_memory_mb = 16384,
		.host_cpus = 8,
		.host_disk_mb = 100000,
	};

	return &cfg;
}

#endif
