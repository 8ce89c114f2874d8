/*
 * A tunnel of the panel: a public name, the port and the agent that it leads to, and who
 * may visit it. It exists until it is removed, whether its agent is connected or not.
 *
 * A tunnel is const once the panel has it. A change makes a new object with the same id.
 */
#ifndef PANEL_PANEL_TUNNEL_H
#define PANEL_PANEL_TUNNEL_H

#include "base/list.h"
#include "base/map.h"
#include "text/field_json.h"
#include "text/names.h"

#define PANEL_ID_SIZE 37      /* a UUID and its terminator */
#define PANEL_LABEL_SIZE 64   /* the label of an agent */
#define PANEL_NOTE_MAX 200    /* characters */
#define PANEL_TARGET_SIZE 264 /* "host:port", "unix:/path" */
#define PANEL_PORT_MIN 1024
#define PANEL_TIME_SIZE 32

enum panel_kind { PANEL_APP, PANEL_TCP, PANEL_UDP };

/* Who may visit it: everyone; who is signed in; who is signed in and was chosen. */
enum panel_access { PANEL_PUBLIC, PANEL_AUTHENTICATED, PANEL_RESTRICTED };

/* Bounds of the edge; 0: its default. */
struct panel_limits {
	uint32_t connections, client_connections; /* of all; of one client address */
	uint32_t requests_per_s, client_requests_per_s;
	uint64_t bytes_per_s; /* of all, both directions together */
	uint64_t body_bytes;  /* of a request */
	uint32_t idle_s;      /* without a byte in either direction */
};

/* How the edge serves it. */
struct panel_edge {
	bool has_hsts;
	char proxy_protocol[4]; /* of what is sent to the app: "", "v1", "v2" */
	struct panel_limits limits;
};

/* What its owner sets. Texts are owned. */
struct panel_spec {
	char subdomain[NAMES_LABEL_MAX + 1];
	uint16_t port;     /* of the relay's loopback; public for TCP and UDP */
	char *description; /* NULL: none */
	char kind[16];     /* "app", "tcp", "udp" */
	char access[16];   /* "public", "authenticated", "restricted" */
	bool is_enabled;   /* else it is paused */
	char agent[PANEL_LABEL_SIZE]; /* the label of its owner; "": none yet */
	char *target;                 /* at the agent; NULL: its port on localhost */
	struct panel_edge edge;
};

/* The rows with a check report what to write instead. Defaults: field_defaults(). */
extern const struct field_table panel_spec_fields, panel_edge_fields;

/* Whether @text is the label of an agent: 1 to 50 of a-z, 0-9 and '-'. */
bool panel_label_is_good(const char *text);

struct panel_tunnel {
	char id[PANEL_ID_SIZE];
	char fqdn[NAMES_HOST_MAX + 1];
	struct panel_spec spec;
	uint64_t created_ms; /* wall clock */
	uint64_t paused_ms;  /* since when it is paused; 0: it is not */
	char paused_by[80];
	struct list in_panel; /* the panel's: the oldest first */
	struct map_node by_id, by_name, by_port;
};

void panel_tunnel_free(struct panel_tunnel *t); /* NULL is fine */

enum panel_kind panel_tunnel_kind(const struct panel_tunnel *t);
enum panel_access panel_tunnel_access(const struct panel_tunnel *t);

/* "localhost:3000", also if the target is the default. Returns @to. */
const char *panel_tunnel_target(const struct panel_tunnel *t, char to[PANEL_TARGET_SIZE]);

/* Copies @from to @to, which is zeroed. ERR_NOMEM. */
enum err panel_spec_copy(const struct panel_spec *from, struct panel_spec *to) MUST_USE;

/* As JSON's toISOString() prints it: always three decimals. "": @ms is 0. Returns @to. */
const char *panel_print_time(uint64_t ms, char to[PANEL_TIME_SIZE]);

#endif
