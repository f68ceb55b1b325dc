/*
 * The engine's replies: a letter for the call that is made, then for each reply a line with
 * its status and the body, up to a line of two percent signs. After the last the engine is
 * away.
 */
#include <time.h>

#include "base/log.h"
#include "base/scope.h"
#include "engine/container_spec.h"
#include "engine/engine.h"
#include "engine/find.h"
#include "engine/http.h"
#include "engine/network.h"
#include "engine/read.h"
#include "fuzz.h"

static struct input replies;

bool engine_http(const char *method, const char *path, const json_t *body,
		 long timeout_ms, struct engine_reply *ret_reply, struct error *err)
{
	AUTO_FREE char *status = input_text(&replies, "\n");
	const char *end = memmem(replies.data, replies.left, "\n%%\n", 4);
	size_t length = end ? (size_t)(end - replies.data) : replies.left;

	must(method && path[0] == '/' && timeout_ms > 0);
	must(!body || json_is_object(body));
	if (!*status)
		return fail(err, ERR_ENGINE, "away");
	ret_reply->status = atoi(status);
	snprintf(ret_reply->api_version, sizeof(ret_reply->api_version), "%.15s",
		 replies.data ? status : "");
	must(buf_append(&ret_reply->body, replies.data, length));
	length += end ? 4 : 0;
	replies.data += length;
	replies.left -= length;
	return true;
}

/* No pause between two tries. */
int nanosleep(const struct timespec *pause, struct timespec *left)
{
	(void)pause;
	(void)left;
	return 0;
}

static void must_be_a_container(const struct container *container)
{
	if (!container->exists)
		return;
	must(strlen(container->id) == CONTAINER_ID_SIZE - 1);
	must(strnlen(container->storage_dir, NAME_SIZE) < NAME_SIZE);
	must(container->port >= 0 && container->port <= 65535);
	must(container->memory_mb >= 0);
}

static bool list_all(struct error *err)
{
	AUTO_FREE struct container *list = NULL;
	size_t count = 0;

	if (!engine_list(&list, &count, err))
		return false;
	for (size_t i = 0; i < count; i++)
		must_be_a_container(&list[i]);
	return true;
}

static bool inspect(struct error *err)
{
	struct container container;

	if (!engine_inspect("demo", &container, err))
		return false;
	must_be_a_container(&container);
	return true;
}

static bool create(struct error *err)
{
	struct record record = { .storage_dir = "demo",
				 .version = 15,
				 .uid = 300000,
				 .memory_mb = 512,
				 .cpus = 1,
				 .port = 6123 };
	static const char *const argv[] = { "postgres", NULL };
	struct container_spec spec = { &record, "sha256:0", "/pg", "/conf", argv, NULL };
	char id[CONTAINER_ID_SIZE];

	if (!engine_create(&spec, id, err))
		return false;
	must(strlen(id) == CONTAINER_ID_SIZE - 1);
	return true;
}

static bool logs(struct error *err)
{
	AUTO_BUF log = { 0 };

	return engine_logs("demo", 0, 100, &log, err);
}

static bool wait_for_end(struct error *err)
{
	int exit_code;

	return engine_wait("demo", 1000, &exit_code, err);
}

static bool call(unsigned char which, struct error *err)
{
	bool knows;

	switch (which) {
	case 'i':
		return inspect(err);
	case 'c':
		return create(err);
	case 's':
		return engine_start("demo", err);
	case 'p':
		return engine_stop("demo", err);
	case 'r':
		return engine_remove("demo", err);
	case 'o':
		return engine_remove_others("demo", "", err);
	case 'k':
		return engine_knows("demo", &knows, err);
	case 'l':
		return logs(err);
	case 'w':
		return wait_for_end(err);
	case 'n':
		return engine_connect(err);
	default:
		return list_all(err);
	}
}

/* Its seccomp profile is of no use here, nor is what it logs. */
static void init(void)
{
	static struct config cfg;
	struct error err;

	cfg = *fuzz_config();
	config_use(&cfg);
	cfg.engine_socket = "/nonexistent";
	cfg.seccomp_profile = "/dev/null";
	log_open("/dev/null");
	must(!engine_init(&err) && strstr(err.message, "seccomp_profile"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_ready;
	struct error err = { 0 };
	unsigned char which;

	if (!is_ready)
		init();
	is_ready = true;
	replies = (struct input){ (const char *)data, size };
	which = input_byte(&replies);
	if (!call(which, &err))
		must_be_an_error(&err);
	return 0;
}
