/* pgberthd starts its parts in order, waits for signals, and stops them in order. */
#include <execinfo.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/audit_begun.h"
#include "base/buf.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/supervisor.h"
#include "base/version.h"
#include "daemon/api.h"
#include "daemon/auth.h"
#include "daemon/housekeeping.h"
#include "daemon/look_queue.h"
#include "daemon/workers.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "instance/bring_up.h"
#include "instance/by_hand.h"
#include "instance/instance.h"
#include "instance/port_claim.h"
#include "instance/ports.h"
#include "model/config.h"
#include "model/field.h"
#include "pg/certificate_host.h"
#include "pg/pg.h"
#include "pg/role.h"
#include "pg/verifier.h"
#include "store/space_guard.h"
#include "store/spares.h"
#include "store/store.h"
#include "store/user_ids.h"
#include "store/user_ids_reserve.h"

#define STOP_TIMEOUT_MS 28000
#define FRAMES_MAX 64
#define FREED_BYTE 0x5a

static const char *config_path = "/etc/pgberth/pgberth.conf";
static bool is_test, is_reservation;

/* A crash leaves a backtrace in the log and no core, since memory holds secrets. */
static void on_crash(int number)
{
	static const char title[] =
		"crash: pgberthd received a fatal signal, backtrace:\n";
	void *frames[FRAMES_MAX];

	if (write(log_fd(), title, sizeof(title) - 1) > 0)
		backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), log_fd());
	signal(number, SIG_DFL);
	raise(number);
}

static void crash_prepare(void)
{
#ifndef PGBERTH_SANITIZED /* the sanitizers' runtime has handlers of its own */
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct rlimit none = { 0, 0 };
	void *frame;

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	backtrace(&frame, 1); /* loads libgcc, which the handler must not load */
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		signal(fatal[i], on_crash);
#else
	(void)on_crash;
#endif
}

/* jansson's memory is wiped before it is freed: bodies hold passwords. */
static void wipe_and_free(void *memory)
{
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

/* libfcgi frees its buffers as they are. M_PERTURB has glibc overwrite what is freed, but
 * not what is small enough for a thread's cache: small copies are wiped where they are
 * made. */
static void memory_prepare(void)
{
	mallopt(M_PERTURB, FREED_BYTE);
	json_set_alloc_funcs(malloc, wipe_and_free);
	json_object_seed(0);
}

/* Of those that the process before was in the middle of. */
static void changes_tell(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/changes.begun", config()->root);
	audit_begun_open(path);
}

static bool parts_init(struct config *cfg, struct error *err)
{
	if (!config_load(cfg, config_path, err))
		return false;
	config_use(cfg);
	if (!log_open(cfg->log))
		return fail_errno(err, "cannot open the log %s", cfg->log);
	if (!user_ids_check(err))
		return fail_because(err, "%s", config_path);
	user_ids_reservation_look();
	if (!auth_init(err) || !certificate_host_init(err))
		return false;
	pg_verifier_init();
	if (!store_open(err))
		return false;
	changes_tell();
	auth_watch();
	return ports_init(err) && pg_init(err) && engine_init(err);
}

static void on_engine_event(const struct container_event *event)
{
	look_queue_poke(event->storage_dir, event);
}

static const struct engine_listener engine_listener = { on_engine_event,
							look_queue_poke_all };

/*
 * Health is served from the start, other calls once the records are read. A socket that a
 * supervisor holds outlives pgberthd, and requests wait in it during a restart: then no
 * call is served, and so none refused, before the records are read.
 */
static bool parts_start(struct error *err)
{
	bool inherited;

	return workers_open(&inherited, err) && (inherited || workers_start(err)) &&
	       instance_load(err) && (!inherited || workers_start(err)) &&
	       look_queue_start(err) && engine_events_start(&engine_listener, err) &&
	       spares_start(err) && housekeeping_start(err);
}

static void signals_block(sigset_t *ret_signals)
{
	sigemptyset(ret_signals);
	sigaddset(ret_signals, SIGTERM);
	sigaddset(ret_signals, SIGINT);
	sigaddset(ret_signals, SIGHUP);
	sigaddset(ret_signals, SIGPIPE);
	sigaddset(ret_signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, ret_signals, NULL);
}

/* The next signal, or -1 after timeout_ms (0: never). */
static int signal_next(const sigset_t *signals, int timeout_ms)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	return sigtimedwait(signals, NULL, timeout_ms ? &timeout : NULL);
}

static void signals_wait(const sigset_t *signals)
{
	int interval_ms = supervisor_interval_ms();
	int number = -1;

	while (number != SIGTERM && number != SIGINT) {
		if (interval_ms)
			supervisor_feed(config()->socket, interval_ms);
		number = signal_next(signals, interval_ms);
		if (number == SIGHUP)
			log_reopen();
	}
}

/* Work that is cut off here is undone or finished at the next start. */
static void *stop_enforce(void *user)
{
	(void)user;
	sleep_ms(STOP_TIMEOUT_MS);
	log_warn("stopped with work under way");
	_exit(0);
}

static int parts_stop(void)
{
	pthread_t enforcer;

	log_info("stopping");
	if (pthread_create(&enforcer, NULL, stop_enforce, NULL) != 0)
		alarm(STOP_TIMEOUT_MS / 1000); /* SIGALRM ends the process */
	workers_stop();
	housekeeping_stop();
	spares_stop();
	engine_events_stop();
	look_queue_stop();
	log_info("stopped");
	return 0;
}

static int usage(FILE *to, int status)
{
	fprintf(to, "usage: pgberthd [-c FILE] [-r | -t] [-V]\n"
		    "  -c FILE  configuration (default /etc/pgberth/pgberth.conf)\n"
		    "  -r       reserve the user ids of servers, and start nothing\n"
		    "  -t       test the configuration, and start nothing\n"
		    "  -V       print the version\n");
	return status;
}

static int options_read(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:hrtV")) != -1) {
		if (option == 'c')
			config_path = optarg;
		else if (option == 'r')
			is_reservation = true;
		else if (option == 't')
			is_test = true;
		else if (option == 'V')
			return puts("pgberthd " PGBERTH_VERSION) < 0;
		else
			return option == 'h' ? usage(stdout, 0) : usage(stderr, 2);
	}
	return optind < argc ? usage(stderr, 2) : -1;
}

static bool reserve(struct error *err)
{
	AUTO_BUF said = { 0 }, taken = { 0 };
	bool ok = user_ids_reserve(&said, &taken, err);

	fputs(buf_text(&said), stdout);
	fputs(buf_text(&taken), stderr);
	return ok;
}

static bool test(struct error *err)
{
	if (!user_ids_check(err))
		return fail_because(err, "%s", config_path);
	printf("%s is fine\n", config_path);
	return true;
}

/* Does this with the configuration, and ends. */
static int once(struct config *cfg, bool (*work)(struct error *err))
{
	struct error err;
	bool ok = config_load(cfg, config_path, &err);

	if (ok) {
		config_use(cfg);
		ok = work(&err);
	}
	if (!ok)
		fprintf(stderr, "pgberthd: %s\n", err.message);
	return !ok || fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
	static struct config cfg; /* static: its strings live as long as the process */
	sigset_t signals;
	struct error err;
	int status = options_read(argc, argv);

	if (status >= 0)
		return status;
	if (is_reservation || is_test)
		return once(&cfg, is_reservation ? reserve : test);
	umask(0077);
	signals_block(&signals);
	memory_prepare();
	crash_prepare();
	if (!parts_init(&cfg, &err) || !parts_start(&err)) {
		log_error("start failed error=%s", LOG_TEXT(err.message));
		fprintf(stderr, "pgberthd: %s\n", err.message);
		return 1;
	}
	log_info("started version=" PGBERTH_VERSION " root=%s workers=%d", cfg.root,
		 cfg.workers);
	supervisor_tell("READY=1");
	signals_wait(&signals);
	supervisor_tell("STOPPING=1");
	return parts_stop();
}
