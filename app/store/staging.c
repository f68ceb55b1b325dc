/* Names in staging are random, so that no two requests meet. */
#include "store/staging.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/files.h"
#include "base/log.h"
#include "model/config.h"
#include "store/tree.h"

#define OLD_STAGING "staging.old"

void store_temporary_name(char name[STORE_TEMPORARY_SIZE], const char *base)
{
	uint64_t number = 0;

	if (getrandom(&number, sizeof(number), 0) < 0)
		number = (uint64_t)time(NULL);
	snprintf(name, STORE_TEMPORARY_SIZE, "%s.%016llx", base,
		 (unsigned long long)number);
}

void store_staging_clear(const char *name)
{
	char aside[STORE_TEMPORARY_SIZE];
	struct error err;

	if (files_remove_tree(store_tree.staging, name, &err))
		return;
	log_warn("staging entry not removed name=%s error=%s", name,
		 LOG_TEXT(err.message));
	store_temporary_name(aside, OLD_STAGING);
	renameat(store_tree.staging, name, store_tree.root, aside);
}

bool store_staging_set_aside(struct error *err)
{
	char name[STORE_TEMPORARY_SIZE];

	store_temporary_name(name, OLD_STAGING);
	if (renameat(store_tree.root, "staging", store_tree.root, name) == 0 ||
	    errno == ENOENT)
		return true;
	return fail_errno(err, "cannot set %s/staging aside", config()->root);
}

static void old_staging_clear(const char *name, void *user)
{
	struct error err;

	(void)user;
	if (strncmp(name, OLD_STAGING ".", sizeof(OLD_STAGING)) == 0 &&
	    !files_remove_tree(store_tree.root, name, &err))
		log_warn("old staging not removed name=%s error=%s", name,
			 LOG_TEXT(err.message));
}

void store_clear_old_staging(void)
{
	struct error err;

	if (!store_names_walk(store_tree.root, old_staging_clear, NULL, &err))
		log_warn("old staging not listed error=%s", LOG_TEXT(err.message));
}
