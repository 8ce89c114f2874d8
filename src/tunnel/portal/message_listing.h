/*
 * Leases as lists show them: the public one, in a page, and the administrator's. Their
 * keys are those that stock pages know, capital letters and all.
 */
#ifndef TUNNEL_PORTAL_MESSAGE_LISTING_H
#define TUNNEL_PORTAL_MESSAGE_LISTING_H

#include "tunnel/portal/message_lease.h"

struct message_public_lease {
	char name[MESSAGE_HOST_MAX];
	struct timestamp expires_at, first_seen_at, last_seen_at;
	char hostname[MESSAGE_HOST_MAX];
	bool udp_enabled, tcp_enabled;
	char tcp_addr[MESSAGE_ADDR_MAX];
	struct message_metadata metadata; /* may be borrowed by who only writes it */
	int64_t ready;                    /* idle reverse sessions */
};

struct message_admin_lease {
	struct message_public_lease lease;
	char identity_key[2 * MESSAGE_HOST_MAX];
	char address[64];
	int64_t bytes_per_s; /* 0: no limit */
	char client_ip[64];
	char reported_ip[64];
	bool is_approved, is_banned, is_denied, is_ip_banned;
};

/* Of the structs of the same name. */
extern const struct field_table message_public_lease_fields;
extern const struct field_table message_admin_lease_fields;

#endif
