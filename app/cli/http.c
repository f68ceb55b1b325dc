/* Calls the API by libcurl, and keeps token and password out of freed memory. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/scope.h"
#include "cli/cli.h"
#include "model/token.h"

#define OWN_CA "/etc/pgberth/tls/nginx.crt"
#define ANSWER_MAX (64 * 1024 * 1024)
#define TIMEOUT_S 500L /* longer than nginx waits for pgberthd (nginx_patience) */

int cli_fail(const struct error *err)
{
	fprintf(stderr, "pgberth: %s\n", err->message);
	return 1;
}

/* ---- options ---- */

enum { OPTION_URL = 0x100, OPTION_TOKEN_FILE, OPTION_CA };

static const struct argp_option target_options[] = {
	{ "url", OPTION_URL, "URL", 0, "address of the API (default https://localhost)",
	  0 },
	{ "token-file", OPTION_TOKEN_FILE, "FILE", 0,
	  "file with the token (default $PGBERTH_TOKEN_FILE)", 0 },
	{ "cacert", OPTION_CA, "FILE", 0,
	  "certificates to trust (default " OWN_CA ", else the system's)", 0 },
	{ 0 },
};

static error_t target_option(int key, char *value, struct argp_state *state)
{
	struct target *target = state->input;

	if (key == OPTION_URL)
		target->url = value;
	else if (key == OPTION_TOKEN_FILE)
		target->token_file = value;
	else if (key == OPTION_CA)
		target->ca_file = value;
	else if (key == ARGP_KEY_INIT)
		*target = (struct target){ .url = "https://localhost",
					   .token_file = getenv("PGBERTH_TOKEN_FILE") };
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

const struct argp target_argp = { .options = target_options, .parser = target_option };

/* ---- secrets ---- */

static bool secret_read(char *ret, size_t max, int fd, struct error *err)
{
	size_t length = 0;
	const char *end = NULL;
	ssize_t got = 1;

	while (got > 0 && length <= max && !end) {
		got = read(fd, ret + length, max + 1 - length);
		if (got < 0)
			return fail_errno(err, "cannot read the secret");
		length += (size_t)got;
		end = memchr(ret, '\n', length);
	}
	if (end)
		length = (size_t)(end - ret);
	if (length == 0 || length > max)
		return fail(err, ERR_INVALID, "the secret must have 1 to %zu bytes", max);
	if (memchr(ret, '\0', length))
		return fail(err, ERR_INVALID, "the secret must not hold a NUL");
	ret[length] = '\0';
	return true;
}

/* Reads a line from the terminal without echo. */
static bool secret_ask(char *ret, size_t max, const char *prompt, struct error *err)
{
	AUTO_CLOSE int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
	struct termios before, silent;
	bool ok;

	if (terminal < 0 || tcgetattr(terminal, &before) != 0)
		return fail_errno(err, "cannot ask on a terminal");
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(terminal, TCSAFLUSH, &silent);
	dprintf(terminal, "%s: ", prompt);
	ok = secret_read(ret, max, terminal, err);
	tcsetattr(terminal, TCSAFLUSH, &before);
	dprintf(terminal, "\n");
	return ok;
}

bool cli_secret(char *ret, size_t max, const char *path, const char *prompt,
		struct error *err)
{
	AUTO_CLOSE int fd = -1;

	if (!path && isatty(STDIN_FILENO))
		return secret_ask(ret, max, prompt, err);
	if (!path || strcmp(path, "-") == 0)
		return secret_read(ret, max, STDIN_FILENO, err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(err, "cannot open %s", path);
	return secret_read(ret, max, fd, err);
}

/* ---- calls ---- */

struct exchange {
	CURL *curl;
	struct curl_slist *headers;
	struct buf request, answer;
	char why[CURL_ERROR_SIZE];
};

static void exchange_done(struct exchange *exchange)
{
	curl_easy_cleanup(exchange->curl);
	if (exchange->headers) /* the token is in the first one */
		explicit_bzero(exchange->headers->data, strlen(exchange->headers->data));
	curl_slist_free_all(exchange->headers);
	buf_done(&exchange->request);
	buf_done(&exchange->answer);
}

#define AUTO_EXCHANGE __attribute__((cleanup(exchange_done))) struct exchange

static size_t on_answer(char *data, size_t size, size_t count, void *user)
{
	struct buf *answer = user;

	return buf_append(answer, data, size * count) ? size * count : 0;
}

static bool header_add(struct exchange *exchange, const char *header, struct error *err)
{
	struct curl_slist *list = curl_slist_append(exchange->headers, header);

	if (!list)
		return fail(err, ERR_INTERNAL, "out of memory");
	exchange->headers = list;
	return true;
}

static bool token_put(struct exchange *exchange, const struct target *target,
		      struct error *err)
{
	static const char scheme[] = "Authorization: Bearer ";
	char header[sizeof(scheme) + 256];
	bool ok;

	if (!target->token_file)
		return true;
	memcpy(header, scheme, sizeof(scheme));
	ok = cli_secret(header + strlen(scheme), 254, target->token_file, "Token", err) &&
	     header_add(exchange, header, err);
	explicit_bzero(header, sizeof(header));
	return ok;
}

static const char *ca_of(const struct target *target)
{
	if (target->ca_file)
		return target->ca_file;
	return strcmp(target->url, "https://localhost") == 0 && access(OWN_CA, R_OK) == 0
		       ? OWN_CA
		       : NULL;
}

static bool exchange_begin(struct exchange *exchange, const struct target *target,
			   const char *method, const char *path, const json_t *body,
			   struct error *err)
{
	AUTO_BUF url = { 0 };
	CURL *curl = exchange->curl = curl_easy_init();

	exchange->answer.max = ANSWER_MAX;
	if (!curl || !buf_printf(&url, "%s/api/%s", target->url, path) ||
	    (body && !buf_json(&exchange->request, body, JSON_COMPACT)))
		return fail(err, ERR_INTERNAL, "out of memory");
	if (!token_put(exchange, target, err) ||
	    (body && !header_add(exchange, "Content-Type: application/json", err)))
		return false;
	curl_easy_setopt(curl, CURLOPT_URL, buf_text(&url));
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, exchange->why);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange->answer);
	if (ca_of(target))
		curl_easy_setopt(curl, CURLOPT_CAINFO, ca_of(target));
	if (body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, buf_text(&exchange->request));
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE,
				 (long)exchange->request.length);
	}
	return true;
}

/* Reads the API's answer; an answer of another form is an error. */
static bool answer_read(const struct exchange *exchange, json_t **ret, struct error *err)
{
	json_t *json =
		json_loadb(buf_text(&exchange->answer), exchange->answer.length, 0, NULL);
	const json_t *error = json_object_get(json, "error");
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *code = json_string_value(json_object_get(error, "code"));
	long status = 0;
	bool ok;

	curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
	ok = status == 200 && json;
	if (ok)
		*ret = json_incref(json);
	else if (message)
		fail(err, ERR_INTERNAL, "%s (%s)", message, code ? code : "");
	else
		fail(err, ERR_INTERNAL, "the answer with status %ld is not pgberth's",
		     status);
	json_decref(json);
	return ok;
}

bool cli_call(const struct target *target, const char *method, const char *path,
	      const json_t *body, json_t **ret, struct error *err)
{
	AUTO_EXCHANGE exchange = { 0 };
	CURLcode code;

	*ret = NULL;
	if (!exchange_begin(&exchange, target, method, path, body, err))
		return false;
	code = curl_easy_perform(exchange.curl);
	if (code != CURLE_OK)
		return fail(err, ERR_INTERNAL, "%s: %s", target->url,
			    *exchange.why ? exchange.why : curl_easy_strerror(code));
	return answer_read(&exchange, ret, err);
}
