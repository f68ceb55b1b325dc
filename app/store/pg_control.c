/*
 * Formats: struct ControlFileData begins with the identifier and ends with a CRC-32C of
 * all bytes before it (src/include/catalog/pg_control.h). Its length differs between
 * majors, so the CRC is found by its value. In WAL, XLogLongPageHeaderData has the
 * identifier at offset 24, under no checksum (src/include/access/xlog_internal.h). The
 * settings stand before floatFormat, whose value is known, at the same distance in all
 * majors from 12 to 18.
 */
#include "store/pg_control.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/scope.h"

#define CONTROL_BYTES 512 /* PG_CONTROL_MAX_SAFE_SIZE */
#define WAL_SYSID_OFFSET 24
#define FORMAT_OFFSET 8 /* pg_control_version and catalog_version_no, 4 bytes each */
#define FORMAT_BYTES 8
#define STATE_OFFSET 16 /* enum DBState */
#define STATE_SHUT_DOWN 1
#define STATE_SHUT_DOWN_IN_RECOVERY 2
#define WAL_LEVEL_LOGICAL 2
#define FLOAT_FORMAT 0x4132d68700000000 /* the double 1234567 */

static uint32_t crc32c(const unsigned char *data, size_t length)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < length; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc ^ 0xffffffff;
}

/* Offset of the CRC, 0 when there is none. */
static size_t crc_offset(const unsigned char *control)
{
	for (size_t at = 64; at + 4 <= CONTROL_BYTES; at += 4) {
		uint32_t crc = crc32c(control, at);

		if (memcmp(control + at, &crc, sizeof(crc)) == 0)
			return at;
	}
	return 0;
}

static bool control_read(int data, unsigned char control[CONTROL_BYTES])
{
	AUTO_CLOSE int fd =
		files_open(data, "global/pg_control", O_RDONLY | O_NONBLOCK, 0);
	struct stat status;

	return fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	       pread(fd, control, CONTROL_BYTES, 0) == CONTROL_BYTES &&
	       crc_offset(control) != 0;
}

bool pg_control_check(int data, int template, struct error *err)
{
	unsigned char have[CONTROL_BYTES], want[CONTROL_BYTES];

	if (!control_read(data, have))
		return fail(err, ERR_FOREIGN_DATA,
			    "its global/pg_control is missing or damaged");
	if (!control_read(template, want))
		return fail(err, ERR_IMAGE_MISSING,
			    "the template's pg_control cannot be read");
	if (memcmp(have + FORMAT_OFFSET, want + FORMAT_OFFSET, FORMAT_BYTES) != 0)
		return fail(err, ERR_FOREIGN_DATA,
			    "its catalogs belong to another build of PostgreSQL");
	return true;
}

/* Offset of floatFormat, 0 when there is none. */
static size_t float_format_offset(const unsigned char *control)
{
	const uint64_t format = FLOAT_FORMAT;

	for (size_t at = 64; at + sizeof(format) <= CONTROL_BYTES; at += sizeof(format))
		if (memcmp(control + at, &format, sizeof(format)) == 0)
			return at;
	return 0;
}

static int number_at(const unsigned char *control, size_t offset)
{
	int32_t number;

	memcpy(&number, control + offset, sizeof(number));
	return number;
}

void pg_control_settings(int data, struct pg_control_settings *ret)
{
	unsigned char control[CONTROL_BYTES];
	size_t end = control_read(data, control) ? float_format_offset(control) : 0;
	int state;

	*ret = (struct pg_control_settings){ 0 };
	if (!end)
		return;
	state = number_at(control, STATE_OFFSET);
	ret->is_shut_down =
		state == STATE_SHUT_DOWN || state == STATE_SHUT_DOWN_IN_RECOVERY;
	ret->is_logical = number_at(control, end - 36) == WAL_LEVEL_LOGICAL;
	ret->max_connections = number_at(control, end - 28);
	ret->max_workers = number_at(control, end - 24);
	ret->max_senders = number_at(control, end - 20);
	ret->max_prepared = number_at(control, end - 16);
	ret->max_locks = number_at(control, end - 12);
}

static bool control_rewrite(int data, uint64_t sysid, struct error *err)
{
	AUTO_CLOSE int fd = files_open(data, "global/pg_control", O_RDWR, 0);
	unsigned char control[CONTROL_BYTES];
	uint32_t crc;
	size_t at;

	if (fd < 0 || pread(fd, control, sizeof(control), 0) != sizeof(control))
		return fail_errno(err, "cannot read the template's pg_control");
	at = crc_offset(control);
	if (at == 0)
		return fail(err, ERR_INTERNAL,
			    "the template's pg_control has no valid CRC");
	memcpy(control, &sysid, sizeof(sysid));
	crc = crc32c(control, at);
	memcpy(control + at, &crc, sizeof(crc));
	if (pwrite(fd, control, sizeof(control), 0) != sizeof(control))
		return fail_errno(err, "cannot write pg_control");
	return true;
}

static bool segment_renew(int wal, const char *name, uint64_t sysid, struct error *err)
{
	AUTO_CLOSE int fd = files_open(wal, name, O_WRONLY, 0);

	if (fd < 0 ||
	    pwrite(fd, &sysid, sizeof(sysid), WAL_SYSID_OFFSET) != sizeof(sysid))
		return fail_errno(err, "cannot write WAL segment %s", name);
	return true;
}

static bool wal_renew(int data, uint64_t sysid, struct error *err)
{
	AUTO_CLOSE int wal = files_open_dir(data, "pg_wal");
	int copy = wal >= 0 ? fcntl(wal, F_DUPFD_CLOEXEC, 0) : -1;
	DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	bool ok = stream != NULL;

	if (!stream && copy >= 0)
		close(copy);
	while (ok && (entry = readdir(stream)))
		if (strlen(entry->d_name) == 24 &&
		    strspn(entry->d_name, "0123456789ABCDEF") == 24)
			ok = segment_renew(wal, entry->d_name, sysid, err);
	if (!stream)
		return fail_errno(err, "cannot list the template's pg_wal");
	closedir(stream);
	return ok;
}

bool pg_control_renew(int data, struct error *err)
{
	uint64_t sysid;

	if (getrandom(&sysid, sizeof(sysid), 0) != sizeof(sysid))
		return fail_errno(err, "cannot get random bytes");
	sysid &= INT64_MAX; /* SQL shows it as a bigint */
	return control_rewrite(data, sysid, err) && wal_renew(data, sysid, err);
}
