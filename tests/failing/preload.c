/*
 * Preloaded into a pgberthd under test: makes its Nth allocation, fsync, rename, write
 * or open fail, and counts the blocks that it has not freed. test_failing_calls.py says
 * what shall fail, through a file that both map: the one that FAILING_CALLS names.
 *
 * Allocations count when pgberthd itself asks for them, or libjansson, libcurl, libpq
 * or libinih: the return address tells. libfcgi is left out, since it ends the process
 * by assert() when malloc() fails, and so is OpenSSL. Of all other calls only those of
 * pgberthd itself count.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SITES_MAX 4096
#define FRAMES_MAX 64
#define FRAMES_KEPT 6
#define RANGES_MAX 16

enum kind { NOTHING, ALLOCATION, FSYNC, RENAME, WRITE, OPEN };

/* As class Fault has it. A site is a hash of the innermost frames of pgberthd. */
struct fault {
	_Atomic uint64_t kind;	  /* of the calls that count; written last */
	_Atomic uint64_t at;	  /* the one to fail, counted from 1; 0: none */
	_Atomic uint64_t site;	  /* only calls from there count; 0: all */
	_Atomic uint64_t lasting; /* all calls after it fail, too */
	_Atomic uint64_t error;	  /* errno; 0: half of it is written */
	_Atomic uint64_t depth;	  /* frames that make a site */
	_Atomic uint64_t survey;  /* sites of calls that count are noted */
	_Atomic uint64_t calls;	  /* that counted */
	_Atomic uint64_t fired;	  /* how many failed */
	_Atomic int64_t blocks;	  /* allocated and not freed, whoever asked */
	_Atomic uint64_t frames[FRAMES_KEPT]; /* of pgberthd, when the first one failed */
	_Atomic uint64_t site_count;
	_Atomic uint64_t sites[SITES_MAX];
};

struct range {
	uintptr_t from, to;
};

static struct fault *fault;
static struct range program; /* the text of pgberthd */
static uintptr_t program_base;
static struct range ranges[RANGES_MAX]; /* of all that count, program included */
static size_t range_count;
static __thread bool is_inside __attribute__((tls_model("initial-exec")));

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

/* ---- whose call it is ---------------------------------------------------------------- */

static bool object_counts(const char *path)
{
	static const char *const names[] = { "/libjansson.", "/libcurl", "/libpq.",
					     "/libinih." };

	if (!*path)
		return true; /* the program itself */
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strstr(path, names[i]))
			return true;
	return false;
}

static int on_object(struct dl_phdr_info *info, size_t size, void *user)
{
	(void)size, (void)user;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + part->p_vaddr;
		struct range range = { from, from + part->p_memsz };

		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) ||
		    !object_counts(info->dlpi_name) || range_count == RANGES_MAX)
			continue;
		ranges[range_count++] = range;
		if (*info->dlpi_name)
			continue;
		program = range;
		program_base = info->dlpi_addr;
	}
	return 0;
}

static bool is_in(const struct range *range, const void *address)
{
	return (uintptr_t)address >= range->from && (uintptr_t)address < range->to;
}

static bool caller_counts(enum kind kind, const void *caller)
{
	if (kind != ALLOCATION)
		return is_in(&program, caller);
	for (size_t i = 0; i < range_count; i++)
		if (is_in(&ranges[i], caller))
			return true;
	return false;
}

/* Where in pgberthd this call comes from, innermost first; the rest 0. */
static void frames_of_call(uint64_t ret[FRAMES_KEPT])
{
	void *frames[FRAMES_MAX];
	int count = backtrace(frames, FRAMES_MAX);
	int kept = 0;

	memset(ret, 0, FRAMES_KEPT * sizeof(*ret));
	for (int i = 0; i < count && kept < FRAMES_KEPT; i++)
		if (is_in(&program, frames[i]))
			ret[kept++] = (uintptr_t)frames[i] - program_base;
}

static uint64_t site_of_call(uint64_t depth)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	uint64_t frames[FRAMES_KEPT];

	frames_of_call(frames);
	for (uint64_t i = 0; i < depth && i < FRAMES_KEPT; i++)
		hash = (hash ^ frames[i]) * 1099511628211u;
	return hash ? hash : 1;
}

/* ---- whether it fails ---------------------------------------------------------------- */

static void site_note(uint64_t site)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	uint64_t i = 0;

	pthread_mutex_lock(&lock);
	while (i < fault->site_count && fault->sites[i] != site)
		i++;
	if (i == fault->site_count && i < SITES_MAX) {
		fault->sites[i] = site;
		fault->site_count = i + 1;
	}
	pthread_mutex_unlock(&lock);
}

static void frames_note(void)
{
	uint64_t frames[FRAMES_KEPT];

	frames_of_call(frames);
	for (size_t i = 0; i < FRAMES_KEPT; i++)
		fault->frames[i] = frames[i];
}

static bool call_fails(void)
{
	uint64_t wanted = fault->site;
	uint64_t number;

	if (fault->survey || wanted) {
		uint64_t site = site_of_call(fault->depth);

		if (fault->survey)
			site_note(site);
		if (wanted && site != wanted)
			return false;
	}
	number = atomic_fetch_add(&fault->calls, 1) + 1;
	if (!fault->at || number < fault->at || (number > fault->at && !fault->lasting))
		return false;
	if (atomic_fetch_add(&fault->fired, 1) == 0)
		frames_note();
	errno = (int)fault->error;
	return true;
}

/* Whether this call of the caller fails, by errno; 0: it is to be cut short. */
static bool fails(enum kind kind, const void *caller)
{
	bool result = false;

	if (!fault || fault->kind != kind || is_inside || !caller_counts(kind, caller))
		return false;
	is_inside = true;
	result = call_fails();
	is_inside = false;
	return result;
}

#define FAILS(kind) fails(kind, __builtin_return_address(0))

__attribute__((constructor)) static void prepare(void)
{
	const char *path = getenv("FAILING_CALLS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *frame, *mapped;

	if (fd < 0)
		return;
	mapped = mmap(NULL, sizeof(*fault), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	backtrace(&frame, 1); /* loads what it needs */
	dl_iterate_phdr(on_object, NULL);
	if (mapped != MAP_FAILED)
		fault = mapped;
}

/* ---- allocations --------------------------------------------------------------------- */

static void *counted(void *block)
{
	if (fault && block)
		atomic_fetch_add_explicit(&fault->blocks, 1, memory_order_relaxed);
	return block;
}

void *malloc(size_t size)
{
	return FAILS(ALLOCATION) ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
	return FAILS(ALLOCATION) ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size)
{
	void *moved;

	if (FAILS(ALLOCATION))
		return NULL;
	moved = __libc_realloc(block, size);
	if (!block)
		return counted(moved);
	if (!moved && size == 0 && fault)
		atomic_fetch_sub_explicit(&fault->blocks, 1, memory_order_relaxed);
	return moved;
}

void *memalign(size_t alignment, size_t size)
{
	return counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *block = counted(__libc_memalign(alignment, size));

	if (!block)
		return ENOMEM;
	*ret = block;
	return 0;
}

void free(void *block)
{
	if (fault && block)
		atomic_fetch_sub_explicit(&fault->blocks, 1, memory_order_relaxed);
	__libc_free(block);
}

/* What follows allocates inside libc, where malloc() does not see who asked for it. */

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

char *strndup(const char *text, size_t max)
{
	size_t length = strnlen(text, max);
	char *copy = FAILS(ALLOCATION) ? NULL : counted(__libc_malloc(length + 1));

	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = FAILS(ALLOCATION) ? NULL : counted(__libc_malloc(size));

	return copy ? memcpy(copy, text, size) : NULL;
}

int vasprintf(char **ret, const char *fmt, va_list ap)
{
	return FAILS(ALLOCATION) ? -1 : REAL(vasprintf)(ret, fmt, ap);
}

int asprintf(char **ret, const char *fmt, ...)
{
	bool failed = FAILS(ALLOCATION);
	va_list ap;
	int length;

	va_start(ap, fmt);
	length = failed ? -1 : REAL(vasprintf)(ret, fmt, ap);
	va_end(ap);
	return length;
}

int __vasprintf_chk(char **ret, int flag, const char *fmt, va_list ap);
int __vasprintf_chk(char **ret, int flag, const char *fmt, va_list ap)
{
	(void)flag;
	return FAILS(ALLOCATION) ? -1 : REAL(vasprintf)(ret, fmt, ap);
}

int __asprintf_chk(char **ret, int flag, const char *fmt, ...);
int __asprintf_chk(char **ret, int flag, const char *fmt, ...)
{
	bool failed = FAILS(ALLOCATION);
	va_list ap;
	int length;

	(void)flag;
	va_start(ap, fmt);
	length = failed ? -1 : REAL(vasprintf)(ret, fmt, ap);
	va_end(ap);
	return length;
}

DIR *fdopendir(int fd)
{
	return FAILS(ALLOCATION) ? NULL : REAL(fdopendir)(fd);
}

int pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *),
		   void *user)
{
	return FAILS(ALLOCATION) ? EAGAIN
				 : REAL(pthread_create)(ret, attributes, run, user);
}

/* ---- files --------------------------------------------------------------------------- */

int fsync(int fd)
{
	return FAILS(FSYNC) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
	return FAILS(FSYNC) ? -1 : REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to)
{
	return FAILS(RENAME) ? -1 : REAL(rename)(from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return FAILS(RENAME) ? -1 : REAL(renameat)(from_dir, from, to_dir, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to,
	      unsigned int flags)
{
	return FAILS(RENAME) ? -1 : REAL(renameat2)(from_dir, from, to_dir, to, flags);
}

/* -1 when it fails, else how much is to be written. */
static ssize_t size_to_write(int fd, size_t size, const void *caller)
{
	if (fd == STDERR_FILENO ||
	    !fails(WRITE, caller)) /* the log is nobody's promise */
		return (ssize_t)size;
	return errno ? -1 : (ssize_t)(size + 1) / 2;
}

ssize_t write(int fd, const void *data, size_t size)
{
	ssize_t part = size_to_write(fd, size, __builtin_return_address(0));

	return part < 0 ? -1 : REAL(write)(fd, data, (size_t)part);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	ssize_t part = size_to_write(fd, size, __builtin_return_address(0));

	return part < 0 ? -1 : REAL(pwrite)(fd, data, (size_t)part, offset);
}

ssize_t copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset,
			size_t size, unsigned int flags)
{
	ssize_t part = size_to_write(to, size, __builtin_return_address(0));

	return part < 0 ? -1
			: REAL(copy_file_range)(from, from_offset, to, to_offset,
						(size_t)part, flags);
}

int openat(int dir, const char *path, int flags, ...)
{
	bool failed = FAILS(OPEN);
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return failed ? -1 : REAL(openat)(dir, path, flags, mode);
}

/* openat2(2) has no function in glibc 2.36. */
long syscall(long number, ...)
{
	bool failed = number == SYS_openat2 && FAILS(OPEN);
	long arguments[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		arguments[i] = va_arg(ap, long);
	va_end(ap);
	return failed ? -1
		      : REAL(syscall)(number, arguments[0], arguments[1], arguments[2],
				      arguments[3], arguments[4], arguments[5]);
}
