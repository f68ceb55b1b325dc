/*
 * Checked input of one call. The table in field.c tells which fields there are and which
 * member here each is put in.
 */
#ifndef PGBERTH_MODEL_SPEC_H
#define PGBERTH_MODEL_SPEC_H

#include <stdbool.h>

#include "model/labels.h"
#include "model/record.h"

#define PASSWORD_MAX 1024
#define LABEL_SIZE (LABEL_KEY_MAX + LABEL_VALUE_MAX + 2)

/* Members outside the record hold their default where they were not given; those of the
 * record mean nothing then. GIVEN() in field.h tells. */
struct spec {
	unsigned long long given; /* bits by place in the table of fields */
	struct record record;
	char admin_password[PASSWORD_MAX + 1];
	int expires_in_s; /* 0: never */
	bool safe;
	int stopped_days;
	bool dry_run;
	bool purge;
	char state[16], label[LABEL_SIZE], after[NAME_SIZE];
	int limit;
	int tail;
	bool follow;
};

/* Frees and wipes a spec. */
void spec_done(struct spec *spec);

#define AUTO_SPEC __attribute__((cleanup(spec_done))) struct spec

#endif
