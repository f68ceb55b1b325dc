/* Lines are read as shadow(5)'s programs read them: numbers may be hexadecimal or octal. */
#include "store/user_ids.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scope.h"
#include "model/config.h"

#define ANSWER_MAX (1 << 20) /* a group may have many members */

static const char *const files[] = { "/etc/subuid", "/etc/subgid" };

/* A user has the name of the reservation; asked for at start, since that may wait. */
static atomic_bool has_owner;

/* Ranges that other programs take ids from without a line in any file: see
 * https://systemd.io/UIDS-GIDS. */
static const struct {
	int first, last;
	const char *user;
} others[] = {
	{ 60001, 60513, "systemd-homed" },
	{ 60578, 60705, "the systemd of test beds" },
	{ 61184, 65519, "units with DynamicUser" },
	{ 524288, 1879048191, "systemd-nspawn" },
};

/* True for *ret_number; the text must be a number and nothing else. */
static bool number_read(const char *text, unsigned long long *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, 0);
	return *text && !*end && (!errno || errno == ERANGE);
}

/* Cuts the line up. A count that leads past the last number ends there. */
static bool line_parse(char *line, struct user_id_claim *claim)
{
	char *rest = line;
	const char *owner = strsep(&rest, ":");
	const char *start = strsep(&rest, ":");
	const char *length = strsep(&rest, ":");
	unsigned long long count;

	if (!*owner || !start || !length || rest || !number_read(start, &claim->first) ||
	    !number_read(length, &count))
		return false;
	snprintf(claim->owner, sizeof(claim->owner), "%s", owner);
	claim->last =
		count > ULLONG_MAX - claim->first ? ULLONG_MAX : claim->first + count - 1;
	return true;
}

static bool is_empty(const struct user_id_claim *claim)
{
	return claim->last + 1 == claim->first;
}

static void claim_add(struct user_id_claims *claims, const struct user_id_claim *claim)
{
	struct user_id_claim *grown =
		realloc(claims->list, (claims->count + 1) * sizeof(*grown));

	if (!grown)
		return;
	claims->list = grown;
	grown[claims->count++] = *claim;
}

/* A reservation gives the ids to a user of that name, if there is one. */
static bool is_reservation(const struct user_id_claim *claim)
{
	return strcmp(claim->owner, USER_IDS_OWNER) == 0 && !atomic_load(&has_owner);
}

static bool is_comment(const char *line)
{
	line += strspn(line, " \t");
	return !*line || *line == '#';
}

static void lines_read(FILE *stream, const char *file, bool warns,
		       struct user_id_claims *ret)
{
	struct user_id_claim claim = { .file = file };
	AUTO_FREE char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stream) >= 0) {
		claim.line++;
		line[strcspn(line, "\n")] = '\0';
		if (is_comment(line))
			continue;
		if (!line_parse(line, &claim)) {
			if (warns)
				log_warn("line ignored file=%s line=%d", file,
					 claim.line);
		} else if (!is_empty(&claim) && !is_reservation(&claim)) {
			claim_add(ret, &claim);
		}
	}
}

/* Whoever cannot read the file either, such as newuidmap(1), gives nobody an id. */
static void file_read(const char *file, bool warns, struct user_id_claims *ret)
{
	AUTO_CLOSE int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat status;
	FILE *stream;

	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		if (warns)
			log_warn("file not read file=%s error=%s", file,
				 fd < 0 ? LOG_TEXT(strerror(errno)) : "\"no file\"");
		return;
	}
	stream = fdopen(fd, "r");
	if (!stream)
		return;
	take_fd(&fd);
	lines_read(stream, file, warns, ret);
	fclose(stream);
}

static struct user_id_claims claims_read(bool warns)
{
	struct user_id_claims claims = { 0 };

	for (size_t i = 0; i < COUNT_OF(files); i++)
		file_read(files[i], warns, &claims);
	return claims;
}

struct user_id_claims user_id_claims_read(void)
{
	return claims_read(false);
}

void user_id_claims_done(struct user_id_claims *claims)
{
	free(claims->list);
	*claims = (struct user_id_claims){ 0 };
}

/* Calls fn, one of the getXXid_r(3), with enough room; false where it knows nobody. */
static bool is_answered(bool (*fn)(int id, char *room, size_t size, int *ret_problem),
			int id)
{
	for (size_t size = 4096; size <= ANSWER_MAX; size *= 4) {
		AUTO_FREE char *room = malloc(size);
		int problem = 0;

		if (!room)
			return false;
		if (fn(id, room, size, &problem))
			return true;
		if (problem != ERANGE)
			return false;
	}
	return true; /* too long an answer is one */
}

static bool user_ask(int id, char *room, size_t size, int *ret_problem)
{
	struct passwd user, *found = NULL;

	*ret_problem = getpwuid_r((uid_t)id, &user, room, size, &found);
	return found != NULL;
}

static bool group_ask(int id, char *room, size_t size, int *ret_problem)
{
	struct group group, *found = NULL;

	*ret_problem = getgrgid_r((gid_t)id, &group, room, size, &found);
	return found != NULL;
}

static bool owner_ask(int id, char *room, size_t size, int *ret_problem)
{
	struct passwd user, *found = NULL;

	(void)id;
	*ret_problem = getpwnam_r(USER_IDS_OWNER, &user, room, size, &found);
	return found != NULL;
}

bool user_id_is_known(int uid)
{
	return is_answered(user_ask, uid) || is_answered(group_ask, uid);
}

/* The kernel cuts numbers off at 32 bits where it maps ids (user_namespaces(7)). */
static bool is_about(const struct user_id_claim *claim, uint32_t first, uint32_t last)
{
	uint32_t from = (uint32_t)claim->first, to = (uint32_t)claim->last;

	if (claim->last - claim->first >= UINT32_MAX)
		return true;
	return from <= to ? from <= last && to >= first : from <= last || to >= first;
}

const struct user_id_claim *user_id_claims_find(const struct user_id_claims *claims,
						int first, int last)
{
	for (size_t i = 0; i < claims->count; i++) {
		const struct user_id_claim *claim = &claims->list[i];

		if (is_about(claim, (uint32_t)first, (uint32_t)last))
			return claim;
	}
	return NULL;
}

static void others_tell(void)
{
	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (config()->uid_min <= others[i].last &&
		    config()->uid_max >= others[i].first)
			log_warn("user ids shared first=%d last=%d with=%s",
				 others[i].first, others[i].last,
				 LOG_TEXT(others[i].user));
}

bool user_ids_check(struct error *err)
{
	AUTO_CLAIMS claims = { 0 };
	const struct user_id_claim *claim;

	atomic_store(&has_owner, is_answered(owner_ask, 0));
	claims = claims_read(true);
	claim = user_id_claims_find(&claims, config()->uid_min, config()->uid_max);
	others_tell();
	return !claim ||
	       fail(err, ERR_INVALID,
		    "%s line %d gives the user ids %llu to %llu to %s, who could become a "
		    "server's: set uid_min and uid_max (%d to %d) to a range that "
		    "nobody has, or change that line",
		    claim->file, claim->line, claim->first, claim->last, claim->owner,
		    config()->uid_min, config()->uid_max);
}
