/*
 * Each worker waits for a connection by itself (EPOLLEXCLUSIVE: one connection wakes one
 * worker), serves it, and waits again. Changing calls have fewer places than there are
 * workers, so that a GET always finds a worker.
 */
#include "daemon/workers.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/scope.h"
#include "daemon/auth.h"
#include "daemon/call_audit.h"
#include "daemon/change_slots.h"
#include "daemon/http.h"
#include "daemon/look_queue.h"
#include "daemon/router.h"
#include "instance/instance.h"
#include "model/config.h"
#include "model/field.h"

#define BACKLOG 1024
#define SYSTEMD_FD 3 /* SD_LISTEN_FDS_START */

static struct {
	int listen_fd, stop_fd;
	pthread_t *threads;
	int started;
} pool;

/* The engine failed during the change, so it may have failed to undo it: look soon. */
static void change_look_again(const struct call *call)
{
	const char *name =
		*call->storage_dir ? call->storage_dir : call->spec.record.storage_dir;

	if (*name)
		look_queue_poke(name, NULL);
}

static bool route_serve(const struct route *route, struct call *call, struct error *err)
{
	int place;
	bool ok = request_read_body(call->req, err) && route_read(route, call, err);

	if (!instance_is_loaded() && !(route->flags & ALWAYS))
		return fail(err, ERR_STARTING, "pgberthd is reading its records");
	if (!ok)
		return false;
	if (!(route->flags & SLOW))
		return route->handler(call, err);
	if (!change_slots_take(call->caller.id, &place, err))
		return false;
	if (route->action)
		call_audit_begin(call, NULL);
	ok = route->handler(call, err);
	if (!ok && err->code == ERR_ENGINE)
		change_look_again(call);
	change_slots_give(place);
	return ok;
}

/* Access is decided before the body is read. */
static bool call_is_allowed(const struct route *route, struct call *call,
			    struct error *err)
{
	if (!auth_check(call->req, &call->caller, err) &&
	    !(route && (route->flags & OPEN) && err->code != ERR_FORBIDDEN))
		return false;
	return !route || route_allows(route, call, err);
}

/* The log tells what was refused; the body of a stranger is not waited for. */
static void refused_read(struct call *call)
{
	struct error ignored;

	if (!call->route)
		return;
	if (call->caller.is_known)
		request_read_body(call->req, &ignored);
	route_read(call->route, call, &ignored);
}

static void request_serve(struct request *req, struct response *res)
{
	struct call call = { .req = req, .res = res };
	struct error err, no_route = { 0 };
	const struct route *route =
		route_find(&call, res->allow, sizeof(res->allow), &no_route);
	bool ok;

	call.route = route;
	caller_set(&call.caller);
	ok = call_is_allowed(route, &call, &err);
	if (!ok)
		refused_read(&call);
	if (ok && !route)
		err = no_route;
	ok = ok && route && route_serve(route, &call, &err);
	if (ok || err.code != ERR_METHOD)
		res->allow[0] = '\0';
	if (!ok)
		response_fail(res, req, &err);
	if (route && route->action)
		call_audit(&call, ok ? NULL : &err);
	caller_set(NULL);
	spec_done(&call.query);
	spec_done(&call.spec);
}

static void request_log(const struct request *req, const struct response *res,
			long long began_ms)
{
	const json_t *error = json_object_get(res->json, "error");
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *field = json_string_value(json_object_get(error, "field"));

	/* The name of an unknown field may be the rest of a password with a '&' in it. */
	if (field && !field_exists(field))
		message = "a field is unknown";
	log_info("request method=%.16s path=%s status=%d ms=%lld%s%s%s%s",
		 LOG_WORD(req->method), LOG_WORD(req->path), res->status,
		 now_ms() - began_ms, code ? " code=" : "", code ? code : "",
		 message ? " error=" : "", message ? LOG_TEXT(message) : "");
}

static void connection_serve(FCGX_Request *fcgi)
{
	struct response res = { 0 };
	struct request req;
	struct error err;
	long long began_ms = now_ms();

	request_begin(&req, fcgi);
	log_set_request(req.id);
	request_serve(&req, &res);
	request_log(&req, &res, began_ms);
	if (!response_send(&res, fcgi, &err))
		log_warn("answer given up error=%s", LOG_TEXT(err.message));
	log_set_request(NULL);
	request_done(&req);
	response_done(&res);
}

/* Blocks until a connection comes in (true) or pgberthd stops (false). */
static bool connection_wait(int epoll)
{
	struct epoll_event event;
	int count;

	do
		count = epoll_wait(epoll, &event, 1, -1);
	while (count < 0 && errno == EINTR);
	return count == 1 && event.data.fd == pool.listen_fd;
}

static int worker_epoll(void)
{
	struct epoll_event listening = { .events = EPOLLIN | EPOLLEXCLUSIVE,
					 .data.fd = pool.listen_fd };
	struct epoll_event stopping = { .events = EPOLLIN, .data.fd = pool.stop_fd };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll >= 0 &&
	    (epoll_ctl(epoll, EPOLL_CTL_ADD, pool.listen_fd, &listening) != 0 ||
	     epoll_ctl(epoll, EPOLL_CTL_ADD, pool.stop_fd, &stopping) != 0)) {
		close(epoll);
		return -1;
	}
	return epoll;
}

/* -EAGAIN is a lost race for a connection; other errors, such as EMFILE, pass with time. */
static void worker_loop(FCGX_Request *fcgi, int epoll)
{
	while (connection_wait(epoll)) {
		int rc = FCGX_Accept_r(fcgi);

		if (rc == 0) {
			connection_serve(fcgi);
			FCGX_Finish_r(fcgi);
		} else if (rc != -EAGAIN && rc != -ECONNABORTED) {
			log_warn("connection not accepted error=%s",
				 LOG_TEXT(strerrordesc_np(-rc)));
			sleep_ms(100);
		}
	}
}

static void *worker_run(void *user)
{
	AUTO_CLOSE int epoll = worker_epoll();
	FCGX_Request fcgi;

	(void)user;
	if (epoll >= 0 &&
	    FCGX_InitRequest(&fcgi, pool.listen_fd, FCGI_FAIL_ACCEPT_ON_INTR) == 0) {
		worker_loop(&fcgi, epoll);
		FCGX_Free(&fcgi, 1);
	} else {
		log_error("worker not started");
	}
	return NULL;
}

static bool socket_give(struct error *err)
{
	const struct config *cfg = config();
	const struct group *group = getgrnam(cfg->socket_group);

	if (!group)
		return fail(err, ERR_INVALID, "socket_group %s does not exist",
			    cfg->socket_group);
	if (chown(cfg->socket, (uid_t)-1, group->gr_gid) != 0 ||
	    chmod(cfg->socket, 0660) != 0)
		return fail_errno(err, "cannot set the owner of %s", cfg->socket);
	return true;
}

/* pgberthd holds the lock of its root, so an existing socket belongs to a dead one. */
static bool socket_bind(struct error *err)
{
	const struct config *cfg = config();
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int rc;

	if (strlen(cfg->socket) >= sizeof(address.sun_path))
		return fail(err, ERR_INVALID, "the path of socket %s is too long",
			    cfg->socket);
	memcpy(address.sun_path, cfg->socket, strlen(cfg->socket));
	pool.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(cfg->socket);
	mask = umask(0177);
	rc = bind(pool.listen_fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (rc != 0)
		return fail_errno(err, "cannot bind %s", cfg->socket);
	if (!socket_give(err))
		return false;
	return listen(pool.listen_fd, BACKLOG) == 0 ||
	       fail_errno(err, "cannot listen on %s", cfg->socket);
}

/* sd_listen_fds(3), without libsystemd. */
static bool socket_inherit(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");

	if (!pid || !fds || atol(pid) != getpid() || atoi(fds) != 1)
		return false;
	pool.listen_fd = SYSTEMD_FD;
	fcntl(SYSTEMD_FD, F_SETFD, FD_CLOEXEC);
	fcntl(SYSTEMD_FD, F_SETFL, O_NONBLOCK);
	return true;
}

bool workers_open(bool *ret_inherited, struct error *err)
{
	bool inherited = socket_inherit();

	if (FCGX_Init() != 0)
		return fail(err, ERR_INTERNAL, "libfcgi cannot be initialised");
	if (!inherited && !socket_bind(err))
		return false;
	*ret_inherited = inherited;
	return true;
}

bool workers_start(struct error *err)
{
	int workers = config()->workers;

	pool.stop_fd = eventfd(0, EFD_CLOEXEC);
	pool.threads = calloc((size_t)workers, sizeof(*pool.threads));
	if (pool.stop_fd < 0 || !pool.threads)
		return fail(err, ERR_INTERNAL, "out of memory");
	if (!change_slots_init(config()->changes, err))
		return false;
	for (int i = 0; i < workers; i++) {
		if (pthread_create(&pool.threads[i], NULL, worker_run, NULL) != 0)
			return fail(err, ERR_INTERNAL, "cannot start worker %d", i);
		pool.started++;
	}
	return true;
}

void workers_stop(void)
{
	const unsigned long long one = 1;

	if (write(pool.stop_fd, &one, sizeof(one)) != sizeof(one))
		return;
	for (int i = 0; i < pool.started; i++)
		pthread_join(pool.threads[i], NULL);
}
