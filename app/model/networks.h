/*
 * Sets of networks that may connect to a server, sorted and without doubles, so that
 * equal sets are equal bytes. Plain values, without ownership. Pure.
 */
#ifndef PGBERTH_MODEL_NETWORKS_H
#define PGBERTH_MODEL_NETWORKS_H

#include <arpa/inet.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define NETWORKS_MAX 64 /* the most that a request can give */
#define NETWORKS_OWN 2	/* addresses of the host that pgberth adds */
#define CIDR_TEXT_SIZE (INET6_ADDRSTRLEN + 4)

struct cidr {
	unsigned char family; /* 4 or 6 */
	unsigned char address[16];
	unsigned char prefix; /* length in bits; bits beyond it are 0 */
};

/* Empty: only the server's own host may connect. */
struct networks {
	int count;
	struct cidr list[NETWORKS_MAX + NETWORKS_OWN];
};

struct networks networks_everybody(void);
bool networks_is_everybody(const struct networks *allow);
bool networks_equal(const struct networks *one, const struct networks *other);

/*
 * Reads a set from an array of strings, or from text with commas ("": the empty set). An
 * address without a prefix length stands for itself. Errors: ERR_INVALID at `field`,
 * saying which item breaks which rule, without quoting values.
 */
bool networks_from_json(struct networks *ret, const json_t *array, const char *field,
			struct error *err);
bool networks_from_text(struct networks *ret, const char *text, size_t length,
			const char *field, struct error *err);

/* Adds an IPv4 address of the host itself, for which NETWORKS_OWN leaves room. */
void networks_also(struct networks *allow, const char *address);

/* Writes "192.0.2.0/24", which PostgreSQL reads too. */
void cidr_text(const struct cidr *cidr, char ret[CIDR_TEXT_SIZE]);

/* A new reference; NULL without memory. */
json_t *networks_to_json(const struct networks *allow);

#endif
