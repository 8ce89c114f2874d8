/* The panel's object, for its own files. */
#ifndef PANEL_PANEL_PRIV_H
#define PANEL_PANEL_PRIV_H

#include "panel/panel.h"
#include "store/audit.h"
#include "store/store.h"

struct authority;
struct authority_pair;

/* A token that waits for its agent. */
struct panel_token {
	char label[PANEL_LABEL_SIZE];
	char digest[2 * 32 + 1];               /* SHA-256 of it, hexadecimal */
	struct field_list capabilities, sites; /* owned */
	uint64_t created_ms, expires_ms;
	struct list in_panel;
};

struct panel_revoked {
	char serial[PANEL_SERIAL_SIZE];
	struct map_node by_serial;
};

/* Attempts to enrol of one client address. */
struct panel_attempts {
	char client[ADDR_TEXT_MAX];
	uint64_t began_ms; /* clock; 0: free */
	unsigned count;
};

struct panel_amount {
	uint64_t total, used, free; /* bytes */
};

/* Of the machine; api_system.c. */
struct panel_statistics {
	uint32_t cpu_percent, cores;
	struct panel_amount memory, disk;
	uint64_t uptime_s, read_ms; /* clock: when it was read; 0: never */
	uint64_t ticks, idle_ticks;
};

#define PANEL_CLIENTS_MAX 64 /* then the one that was quiet longest is forgotten */

struct panel {
	struct panel_options o;
	struct list tunnels; /* the oldest first */
	struct map by_id, by_name, by_port;
	struct list agents, tokens;
	struct map by_label, revoked;
	unsigned token_count;
	struct authority *authority; /* NULL: not read yet */
	struct panel_attempts attempts[PANEL_CLIENTS_MAX];
	struct panel_statistics statistics;
};

/* Adds a row to the audit; inside a transaction. */
enum err panel_note(struct panel *p, const struct panel_caller *caller, const char *what,
	const char *about, struct why *why) MUST_USE;

/* Stores the tunnel; inside a transaction. */
enum err panel_store_tunnel(struct panel *p, const struct panel_tunnel *t,
	struct why *why) MUST_USE;

/* The maps and the list, which own it. */
void panel_link(struct panel *p, struct panel_tunnel *t);

/* Puts @after, which is new, into the place of @before, and frees that. */
void panel_replace(struct panel *p, const struct panel_tunnel *before,
	struct panel_tunnel *after);

enum err panel_publish(struct panel *p, const struct panel_tunnel *before,
	const struct panel_tunnel *after, struct why *why) MUST_USE;

/* A copy of @t with the content of @spec, which it takes on success. */
enum err panel_tunnel_next(const struct panel *p, const struct panel_tunnel *t,
	struct panel_spec *spec, const char *who, struct panel_tunnel **out) MUST_USE;

/* ---- agents ---- */

void panel_agent_free(struct panel_agent *a);
void panel_token_free(struct panel_token *t);
void panel_link_agent(struct panel *p, struct panel_agent *a); /* the panel owns it */
void panel_unlink_agent(struct panel *p, struct panel_agent *a);
enum err panel_link_revoked(struct panel *p, const char *serial) MUST_USE;

/* Reads the rows of the store. */
enum err panel_load_agents(struct panel *p, struct why *why) MUST_USE;

/* ERR_EXISTS, ERR_USAGE, ERR_LIMIT: no agent can be enrolled so. */
enum err panel_check_label(const struct panel *p, const char *label,
	struct why *why) MUST_USE;

/* A copy of the capabilities; the one that every agent has is first. */
enum err panel_capabilities_copy(const struct field_list *from,
	struct field_list *to) MUST_USE;

/* An agent without a certificate, for panel_agent_certify() and panel_add_agent(). */
enum err panel_agent_new(const char *label, const char *method,
	const struct panel_rights *rights, struct panel_agent **out,
	struct why *why) MUST_USE;
enum err panel_agent_certify(struct panel_agent *a, const struct authority_pair *pair,
	struct why *why) MUST_USE;

/* Stores it, and takes it, also on failure. */
enum err panel_add_agent(struct panel *p, const struct panel_caller *caller,
	struct panel_agent *a, struct why *why) MUST_USE;

/* Removes the file of panel_make_p12(), if there is one. */
void panel_remove_p12(const struct panel *p, const char *label);

/* A copy; ERR_NOMEM. */
enum err panel_texts_copy(const struct field_list *from, struct field_list *to) MUST_USE;
void panel_texts_fini(struct field_list *list);

/* Frees all agents, tokens and serial numbers. */
void panel_unload_agents(struct panel *p);

#endif
