/*
 * Input, checked: what a call was given. Which fields there are, and where in here each
 * is put, is told by the table in field.c.
 */
#ifndef PGBERTH_MODEL_SPEC_H
#define PGBERTH_MODEL_SPEC_H

#include <stdbool.h>

#include "model/labels.h"
#include "model/record.h"

#define PASSWORD_MAX 1024
#define LABEL_SIZE (LABEL_KEY_MAX + LABEL_VALUE_MAX + 2)

/* A member that was not given (GIVEN() in field.h) holds nothing of meaning, but for those
 * outside the record, which hold their default. */
struct spec {
	unsigned long long given; /* bits, by place in the table of fields */
	struct record record;	  /* its owner is no input: the caller's token */
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

/* Wipes it. */
void spec_done(struct spec *spec);

#define AUTO_SPEC __attribute__((cleanup(spec_done))) struct spec

#endif
