/*
 * What a server says to pgberthd: a byte for the way in (its socket, its port, the probe of
 * its port), then all that it sends. TLS is left out: what is in it is the server's as well.
 */
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "base/deadline.h"
#include "fuzz.h"
#include "pg/pg.h"
#include "pg/wire.h"

#define DEADLINE_MS 2000

static struct input server;
static int server_end; /* of the connection */

/* A nonce that a server of the corpus can know. */
int RAND_bytes(unsigned char *bytes, int count)
{
	memset(bytes, 0, (size_t)count);
	return 1;
}

/* A connection at whose other end all has been said. */
static enum pg_outcome connected(struct pg_wire *ret, long long deadline_ms)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	must(write(pair[1], server.data, server.left) == (ssize_t)server.left);
	must(shutdown(pair[1], SHUT_WR) == 0);
	*ret = (struct pg_wire){ .fd = pair[0], .deadline_ms = deadline_ms };
	server_end = pair[1];
	return PG_OK;
}

enum pg_outcome pg_wire_to_socket(struct pg_wire *ret, int run_dir, int uid,
				  long long deadline_ms, struct error *err)
{
	(void)run_dir, (void)uid, (void)err;
	return connected(ret, deadline_ms);
}

enum pg_outcome pg_wire_to_port(struct pg_wire *ret, const char *address, int port,
				long long deadline_ms, struct error *err)
{
	(void)address, (void)port, (void)err;
	return connected(ret, deadline_ms);
}

bool pg_wire_binding(const struct pg_wire *wire, unsigned char ret[WIRE_BINDING_MAX],
		     size_t *ret_length, struct error *err)
{
	(void)wire, (void)err;
	memset(ret, 'b', 32);
	*ret_length = 32;
	return true;
}

static enum pg_outcome session(long long deadline_ms, struct error *err)
{
	const struct pg_door door = {
		.uid = 300000, .version = 17, .user = "postgres", .database = "postgres"
	};
	struct pg_session *opened;
	char value[64];
	enum pg_outcome outcome = pg_open(&opened, &door, deadline_ms, err);

	if (outcome != PG_OK)
		return outcome;
	outcome = pg_run(opened, "SHOW cluster_name", value, sizeof(value), err);
	must(strnlen(value, sizeof(value)) < sizeof(value));
	pg_close(opened);
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_ready;
	struct error err = { 0 };
	struct pg_login login = {
		.port = 6123, .version = 17, .password = "canary", .cluster_name = "demo"
	};
	enum pg_outcome outcome;
	long long deadline_ms = deadline_in_ms(DEADLINE_MS);

	if (!is_ready) {
		config_use(fuzz_config());
		must(pg_init(&err));
	}
	is_ready = true;
	server = (struct input){ (const char *)data, size };
	switch (input_byte(&server) % 3) {
	case 0:
		outcome = session(deadline_ms, &err);
		break;
	case 1:
		outcome = pg_login(&login, deadline_ms, &err);
		must(outcome != PG_OK); /* nobody here knows the password */
		break;
	default:
		outcome = pg_asks_for_scram(6123, deadline_ms, &err);
	}
	close(server_end);
	if (outcome != PG_OK)
		must_be_an_error(&err);
	must(!strstr(err.message, "canary") || memmem(data, size, "canary", 6));
	return 0;
}
