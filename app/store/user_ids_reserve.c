/* The new file is made in memory, line by line, and takes the place of the old one. */
#include "store/user_ids_reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/scope.h"
#include "model/config.h"
#include "store/name_service.h"
#include "store/record_file.h"
#include "store/tree.h"
#include "store/user_id_claims.h"

#define FILE_MAX (16 << 20)

/* The range of version 0.2. */
#define OLD_MIN 300000
#define OLD_MAX 365535

/* A range, and what a file says of it. */
struct range {
	int first, last;
	bool is_reserved;
	int taken_line; /* which gives somebody a part of it; 0: none */
};

struct reservation {
	const char *file;
	struct range ranges[2];
	int count, line;
	bool is_changed;
	bool has_user; /* somebody has the name that owned reservations before */
	struct buf text;
	struct buf *said, *taken;
};

struct search {
	int parent;
	bool found;
};

static void old_uid_look(const char *name, void *user)
{
	struct search *search = user;
	int owner = store_owner(search->parent, name);

	search->found |= (owner >= OLD_MIN && owner <= OLD_MAX) ||
			 store_record_has_uid(search->parent, name, OLD_MIN, OLD_MAX);
}

/* True when a server, or one in the trash, has an id of the old range. */
static bool has_old_servers(void)
{
	static const char *const places[] = { "instances", "trash" };
	AUTO_CLOSE int root = open(config()->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct error ignored;
	bool found = false;

	for (size_t i = 0; root >= 0 && i < COUNT_OF(places); i++) {
		AUTO_CLOSE int place = files_open_dir(root, places[i]);
		struct search search = { .parent = place };

		if (place >= 0)
			store_names_walk(place, old_uid_look, &search, &ignored);
		found |= search.found;
	}
	return found;
}

/* A line of before is pgberth's own where it is a range of ours, and where no user has
 * its name. */
static bool is_of_before(const struct reservation *of, const struct user_id_claim *claim)
{
	bool is_ours = !of->has_user;

	if (strcmp(claim->owner, USER_IDS_OWNER_WAS) != 0)
		return false;
	for (int i = 0; i < of->count; i++)
		is_ours |= claim->first == (unsigned long long)of->ranges[i].first &&
			   claim->last == (unsigned long long)of->ranges[i].last;
	return is_ours;
}

static void range_note(struct range *range, const struct user_id_claim *claim,
		       bool is_ours, int line)
{
	if (is_ours)
		range->is_reserved |=
			user_id_claim_covers(claim, range->first, range->last);
	else if (!range->taken_line &&
		 user_id_claim_is_about(claim, range->first, range->last))
		range->taken_line = line;
}

static bool line_has(const char *text, const char *line)
{
	size_t length = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && (at[length] == '\n' || !at[length]))
			return true;
	return false;
}

static bool line_say(struct reservation *of, const char *line)
{
	of->is_changed = true;
	return buf_printf(&of->text, "%s\n", line) &&
	       buf_printf(of->said, "reserved %s in %s\n", line, of->file);
}

/* Gives a line of before the owner of now, or leaves it out where there is such a line. */
static bool line_renew(struct reservation *of, const char *line, const char *rest)
{
	AUTO_BUF renewed = { 0 };
	const char *text;

	if (!buf_printf(&renewed, USER_IDS_OWNER "%s", line + strlen(USER_IDS_OWNER_WAS)))
		return false;
	text = buf_text(&renewed);
	of->is_changed = true;
	return line_has(buf_text(&of->text), text) || line_has(rest, text) ||
	       line_say(of, text);
}

static bool line_copy(struct reservation *of, const char *line, const char *rest)
{
	struct user_id_claim claim = { 0 };
	bool is_claim = user_id_claim_parse(line, &claim);
	bool is_before = is_claim && is_of_before(of, &claim);
	bool is_ours = is_before || strcmp(claim.owner, USER_IDS_OWNER) == 0;

	of->line++;
	for (int i = 0; is_claim && i < of->count; i++)
		range_note(&of->ranges[i], &claim, is_ours, of->line);
	return is_before ? line_renew(of, line, rest)
			 : buf_printf(&of->text, "%s\n", line);
}

static bool range_add(struct reservation *of, const struct range *range)
{
	char line[64];

	if (range->is_reserved)
		return true;
	if (range->taken_line)
		return buf_printf(of->taken,
				  "user ids %d to %d are taken already, see %s line %d\n",
				  range->first, range->last, of->file, range->taken_line);
	snprintf(line, sizeof(line), USER_IDS_OWNER ":%d:%d", range->first,
		 range->last - range->first + 1);
	return line_has(buf_text(&of->text), line) || line_say(of, line);
}

static bool text_make(struct reservation *of, const struct buf *before)
{
	AUTO_FREE char *copy = strdup(buf_text(before));
	char *rest = copy, *line;
	bool ok = copy != NULL;

	while (ok && rest && *rest) {
		line = strsep(&rest, "\n");
		ok = line_copy(of, line, rest ? rest : "");
	}
	for (int i = 0; ok && i < of->count; i++)
		ok = range_add(of, &of->ranges[i]);
	return ok;
}

/* The directory and the name of a file, whose symbolic links are followed. */
static int place_open(const char *file, char ret_path[PATH_MAX], char **ret_name,
		      struct error *err)
{
	int dir;

	if (!realpath(file, ret_path)) {
		if (errno == ENOENT)
			snprintf(ret_path, PATH_MAX, "%s", file);
		else
			ret_path[0] = '\0';
	}
	*ret_name = strrchr(ret_path, '/');
	if (*ret_name)
		*(*ret_name)++ = '\0';
	dir = *ret_name ? open(ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir < 0)
		fail_errno(err, "cannot open %s", file);
	return dir;
}

static bool file_write(struct reservation *of, struct error *err)
{
	char path[PATH_MAX], *name;
	AUTO_CLOSE int dir = place_open(of->file, path, &name, err);
	struct stat status = { .st_mode = 0644 };
	AUTO_BUF before = { 0 };

	if (dir < 0)
		return false;
	if (fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT)
		return fail_errno(err, "cannot look at %s", of->file);
	if (status.st_nlink && !files_read(dir, name, FILE_MAX, &before, err))
		return false;
	if (strlen(buf_text(&before)) != before.length)
		return fail(err, ERR_INVALID, "%s has a zero byte in it", of->file);
	if (!text_make(of, &before))
		return fail(err, ERR_INTERNAL, "out of memory");
	return !of->is_changed ||
	       files_replace(dir, name, buf_text(&of->text), of->text.length,
			     (int)status.st_uid, (int)status.st_gid,
			     status.st_mode & 07777, err);
}

bool user_ids_reserve(struct buf *ret_said, struct buf *ret_taken, struct error *err)
{
	const struct reservation blank = {
		.ranges = { { config()->uid_min, config()->uid_max, false, 0 },
			    { OLD_MIN, OLD_MAX, false, 0 } },
		.count = has_old_servers() ? 2 : 1,
		.has_user = name_service_knows_user(USER_IDS_OWNER_WAS),
		.said = ret_said,
		.taken = ret_taken,
	};
	bool ok = true;

	if (lckpwdf() != 0)
		return fail_errno(err, "cannot lock the files of users");
	for (size_t i = 0; ok && user_id_range_files[i]; i++) {
		struct reservation of = blank;

		of.file = user_id_range_files[i];
		ok = file_write(&of, err);
		buf_done(&of.text);
	}
	ulckpwdf();
	return ok;
}
