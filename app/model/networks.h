/*
 * Who may connect to a server: a set of networks, in one order and without doubles, so
 * that two that mean the same are the same. A plain value, without ownership. Pure.
 */
#ifndef PGBERTH_MODEL_NETWORKS_H
#define PGBERTH_MODEL_NETWORKS_H

#include <arpa/inet.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define NETWORKS_MAX 64 /* that can be given */
#define NETWORKS_OWN 2	/* addresses of the host that are added to them */
#define CIDR_TEXT_SIZE (INET6_ADDRSTRLEN + 4)

struct cidr {
	unsigned char family; /* 4 or 6 */
	unsigned char address[16];
	unsigned char prefix; /* length in bits; those beyond are 0 */
};

/* None at all: only the server's own host. */
struct networks {
	int count;
	struct cidr list[NETWORKS_MAX + NETWORKS_OWN];
};

struct networks networks_everybody(void);
bool networks_is_everybody(const struct networks *allow);
bool networks_equal(const struct networks *one, const struct networks *other);

/*
 * From an array of strings, or from text with commas between ("": none). An address
 * without a prefix length is that address alone. ERR_INVALID at `field`, telling which
 * item breaks which rule; values are not quoted.
 */
bool networks_from_json(struct networks *ret, const json_t *array, const char *field,
			struct error *err);
bool networks_from_text(struct networks *ret, const char *text, size_t length,
			const char *field, struct error *err);

/* Adds an IPv4 address of the host itself; there must be room for it. */
void networks_also(struct networks *allow, const char *address);

/* 192.0.2.0/24: as PostgreSQL reads it too. */
void cidr_text(const struct cidr *cidr, char ret[CIDR_TEXT_SIZE]);

/* A new reference; NULL without memory. */
json_t *networks_to_json(const struct networks *allow);

#endif
