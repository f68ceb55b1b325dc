/* Lines are read as those programs read them that give ids by them: in subuid(5) numbers
 * may be hexadecimal or octal, in passwd(5) and group(5) they are decimal. */
#include "store/user_id_claims.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include "store/name_service.h"

const char *const user_id_range_files[] = { "/etc/subuid", "/etc/subgid", NULL };

static const char *const owners[] = { USER_IDS_OWNER, USER_IDS_OWNER_WAS };

/* The name service's answers at start. */
static atomic_bool has_owner[COUNT_OF(owners)];

void user_id_claims_init(void)
{
	for (size_t i = 0; i < COUNT_OF(owners); i++)
		atomic_store(&has_owner[i], name_service_knows_user(owners[i]));
}

/* True for *ret_number; the text must be a number and nothing else. */
static bool number_read(const char *text, int base, unsigned long long *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, base);
	return *text && !*end && (!errno || errno == ERANGE);
}

static bool is_comment(const char *line)
{
	line += strspn(line, " \t");
	return !*line || *line == '#';
}

static bool is_empty(const struct user_id_claim *claim)
{
	return claim->last + 1 == claim->first;
}

/* Cuts the line up. A count that leads past the last number ends there. */
static bool range_cut(char *line, struct user_id_claim *claim)
{
	char *rest = line;
	const char *owner = strsep(&rest, ":");
	const char *start = strsep(&rest, ":");
	const char *length = strsep(&rest, ":");
	unsigned long long count;

	if (!*owner || !start || !length || rest ||
	    !number_read(start, 0, &claim->first) || !number_read(length, 0, &count))
		return false;
	snprintf(claim->owner, sizeof(claim->owner), "%s", owner);
	claim->last =
		count > ULLONG_MAX - claim->first ? ULLONG_MAX : claim->first + count - 1;
	return true;
}

bool user_id_claim_parse(const char *line, struct user_id_claim *ret)
{
	AUTO_FREE char *copy = is_comment(line) ? NULL : strdup(line);

	return copy && range_cut(copy, ret) && !is_empty(ret);
}

static void claim_add(struct user_id_claims *claims, const struct user_id_claim *claim)
{
	size_t wanted = claims->allocated ? 2 * claims->allocated : 16;

	if (claims->count == claims->allocated) {
		struct user_id_claim *grown =
			realloc(claims->list, wanted * sizeof(*grown));

		if (!grown)
			return;
		claims->list = grown;
		claims->allocated = wanted;
	}
	claims->list[claims->count++] = *claim;
}

/* A reservation gives the ids to a user of that name, if there is one. */
static bool is_reservation(const struct user_id_claims *claims,
			   const struct user_id_claim *claim)
{
	for (size_t i = 0; i < COUNT_OF(owners); i++)
		if (strcmp(claim->owner, owners[i]) == 0)
			return !claims->has_owner[i];
	return false;
}

bool user_id_claim_covers(const struct user_id_claim *claim, int first, int last)
{
	return claim->first <= (unsigned long long)first &&
	       claim->last >= (unsigned long long)last;
}

static bool range_line(char *line, struct user_id_claim *claim,
		       struct user_id_claims *ret)
{
	if (!range_cut(line, claim))
		return false;
	if (is_empty(claim))
		return true;
	if (!is_reservation(ret, claim))
		claim_add(ret, claim);
	else if (ret->without == claim->file &&
		 user_id_claim_covers(claim, config()->uid_min, config()->uid_max))
		ret->without = NULL;
	return true;
}

/* An id of a user or a group. Those that no server may have are left out. */
static void id_add(const char *text, struct user_id_claim *claim,
		   struct user_id_claims *ret)
{
	if (!text || !number_read(text, 10, &claim->first) || claim->first < UID_LEAST ||
	    claim->first > UID_MOST)
		return;
	claim->last = claim->first;
	claim_add(ret, claim);
}

/* name:password:uid:gid:…; a group without a line of its own gives its files, too. */
static bool user_line(char *line, struct user_id_claim *claim, struct user_id_claims *ret)
{
	char *rest = line;
	const char *name = strsep(&rest, ":");

	for (size_t i = 0; i < COUNT_OF(owners); i++)
		ret->has_owner[i] |= strcmp(name, owners[i]) == 0;
	snprintf(claim->owner, sizeof(claim->owner), "%s", name);
	strsep(&rest, ":");
	id_add(strsep(&rest, ":"), claim, ret);
	id_add(strsep(&rest, ":"), claim, ret);
	return true;
}

/* name:password:gid:members */
static bool group_line(char *line, struct user_id_claim *claim,
		       struct user_id_claims *ret)
{
	char *rest = line;

	snprintf(claim->owner, sizeof(claim->owner), "%s", strsep(&rest, ":"));
	strsep(&rest, ":");
	id_add(strsep(&rest, ":"), claim, ret);
	return true;
}

/* Users come first, since a reservation depends on them. */
static const struct source {
	const char *file, *whom;
	bool is_range;
	bool (*line)(char *line, struct user_id_claim *claim, struct user_id_claims *ret);
} sources[] = {
	{ "/etc/passwd", "a user", false, user_line },
	{ "/etc/group", "a group", false, group_line },
	{ "/etc/subuid", "a user", true, range_line },
	{ "/etc/subgid", "a user", true, range_line },
};

static void lines_read(FILE *stream, const struct source *source, bool warns,
		       struct user_id_claims *ret)
{
	struct user_id_claim claim = { .file = source->file,
				       .whom = source->whom,
				       .is_range = source->is_range };
	AUTO_FREE char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stream) >= 0) {
		claim.line++;
		line[strcspn(line, "\n")] = '\0';
		if (!is_comment(line) && !source->line(line, &claim, ret) && warns)
			log_warn("line ignored file=%s line=%d", source->file,
				 claim.line);
	}
}

/* Whoever cannot read the file either, such as newuidmap(1), gives nobody an id. */
static void source_read(const struct source *source, bool warns,
			struct user_id_claims *ret)
{
	AUTO_CLOSE int fd = open(source->file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat status;
	FILE *stream;

	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		if (warns)
			log_warn("file not read file=%s error=%s", source->file,
				 fd < 0 ? LOG_TEXT(strerror(errno)) : "\"no file\"");
		return;
	}
	stream = fdopen(fd, "r");
	if (!stream)
		return;
	take_fd(&fd);
	lines_read(stream, source, warns, ret);
	fclose(stream);
}

struct user_id_claims user_id_claims_read(bool warns)
{
	struct user_id_claims claims = { 0 };

	for (size_t i = 0; i < COUNT_OF(owners); i++)
		claims.has_owner[i] = atomic_load(&has_owner[i]);
	for (size_t i = 0; i < COUNT_OF(sources); i++) {
		if (sources[i].is_range && !claims.without)
			claims.without = sources[i].file;
		source_read(&sources[i], warns, &claims);
	}
	return claims;
}

void user_id_claims_done(struct user_id_claims *claims)
{
	free(claims->list);
	*claims = (struct user_id_claims){ 0 };
}

/* More ids than there are. */
static bool is_all(const struct user_id_claim *claim)
{
	return claim->last - claim->first >= UINT32_MAX;
}

/* The kernel cuts numbers off at 32 bits where it maps ids (user_namespaces(7)). */
bool user_id_claim_is_about(const struct user_id_claim *claim, int first, int last)
{
	uint32_t from = (uint32_t)claim->first, to = (uint32_t)claim->last;
	uint32_t least = (uint32_t)first, most = (uint32_t)last;

	if (is_all(claim))
		return true;
	return from <= to ? from <= most && to >= least : from <= most || to >= least;
}

int user_id_claim_end(const struct user_id_claim *claim, int uid, int most)
{
	uint32_t to = (uint32_t)claim->last;

	/* One that ends below uid leads past the last number there is. */
	return is_all(claim) || to < (uint32_t)uid || to > (uint32_t)most ? most
									  : (int)to;
}

static const struct user_id_claim *claims_find(const struct user_id_claims *claims,
					       int first, int last, bool ranges_only)
{
	for (size_t i = 0; i < claims->count; i++) {
		const struct user_id_claim *claim = &claims->list[i];

		if ((claim->is_range || !ranges_only) &&
		    user_id_claim_is_about(claim, first, last))
			return claim;
	}
	return NULL;
}

const struct user_id_claim *user_id_claims_find(const struct user_id_claims *claims,
						int first, int last)
{
	return claims_find(claims, first, last, false);
}

const struct user_id_claim *user_id_claims_find_range(const struct user_id_claims *claims,
						      int first, int last)
{
	return claims_find(claims, first, last, true);
}
