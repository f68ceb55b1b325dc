/* The engine has the output of a start, the server's directory the log of its runs. */
#include "instance/diagnose.h"

#include "base/scope.h"
#include "engine/engine.h"
#include "engine/find.h"
#include "store/auto_conf.h"
#include "store/disk.h"
#include "store/server_log.h"

#define TROUBLE_LINES 60

/* A container that the engine has started again knows its last exit code no more. */
static int exit_code_of(const struct container *container)
{
	return container->is_running ? EXIT_UNKNOWN : container->exit_code;
}

/* Output from before the container's last start is about other ends. */
static void logs_read(const struct container *container, const struct record *record,
		      struct buf *said, struct buf *own)
{
	struct error ignored;

	engine_logs(container->id, container->started_at, TROUBLE_LINES, said, &ignored);
	store_log_tail(record, TROUBLE_LINES, own, &ignored);
}

static void trouble_tell(char ret[DIAGNOSIS_SIZE], const struct container *container,
			 struct ending *ending)
{
	AUTO_BUF said = { 0 };
	AUTO_BUF own = { 0 };

	logs_read(container, ending->record, &said, &own);
	ending->out_of_memory = container->oom_killed;
	ending->full = store_disk_fullness(ending->record);
	ending->said = buf_text(&said);
	ending->own = buf_text(&own);
	diagnosis_tell(ret, ending);
}

void diagnose_start(char ret[DIAGNOSIS_SIZE], const struct container *container,
		    const struct record *record, bool is_safe)
{
	struct ending ending = {
		.record = record,
		.at_start = true,
		.is_safe = is_safe,
		.has_settings = store_has_auto_conf(record),
		.exit_code = exit_code_of(container),
	};

	trouble_tell(ret, container, &ending);
}

void diagnose_crash(char ret[DIAGNOSIS_SIZE], const struct container *container,
		    const struct record *record, int exit_code)
{
	struct ending ending = { .record = record };

	ending.exit_code =
		exit_code == EXIT_UNKNOWN ? exit_code_of(container) : exit_code;
	trouble_tell(ret, container, &ending);
}

void diagnose_failure(const struct record *record, bool is_safe, struct error *err)
{
	struct ending ending = { .record = record, .at_start = true, .is_safe = is_safe };
	char why[DIAGNOSIS_SIZE];
	struct container container;
	AUTO_BUF said = { 0 };
	AUTO_BUF own = { 0 };
	struct error ignored;

	if (err->code != ERR_STARTING ||
	    !engine_inspect(record->storage_dir, &container, &ignored))
		return;
	logs_read(&container, record, &said, &own);
	ending.said = buf_text(&said);
	ending.own = buf_text(&own);
	if (diagnosis_find(why, &ending))
		fail(err, ERR_SERVER, "the server does not come up: %s", why);
}
