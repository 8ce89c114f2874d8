/*
 * A relay: visitors of names, and agents that hold leases of the names. It owns its data
 * workers; its owner has the loop and the signals of the control worker.
 * portal-protocol 2 to 10, 16.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "relay/relay_acme.h"
#include "text/field.h"
#include "text/names.h"
#include "text/url.h"

#define RELAY_WALLETS_MAX 64

/* The settings of a relay. relay/relay_config.h has their table. Texts and lists are
 * owned. */
struct relay_options {
	char url[URL_TEXT_MAX];        /* canonical (text/relay_url.h) */
	char root[NAMES_HOST_MAX + 1]; /* the host in it: names of leases end in it */
	char *state_dir;
	char *host; /* listen on this address; NULL: on all */
	uint16_t api_port, sni_port;
	bool has_tcp;                /* leases may have TCP ports: */
	uint16_t port_min, port_max; /* of these, both included; 0 when there are none */
	bool trusts_proxy;           /* the X-Forwarded-For of these: */
	struct field_list proxies;   /* ranges; if empty, addresses that are not public */
	struct field_list admin_wallets; /* addresses with their checksum */
	bool has_landing_page;           /* initial value; administrators can change it */
	uint32_t drain_ms;               /* at shutdown, for open bridges */
	uint32_t sign_per_s; /* for one lease, after a burst of ten seconds' worth */
	struct field_list
		reserved_names;      /* labels; a '*' at the end stands for any text */
	uint32_t name_grace_ms;      /* a name is reserved when its lease has ended */
	uint32_t leases_per_network; /* 0: any number, as for these: */
	struct field_list exempt;    /* ranges */
	uint32_t workers;            /* data workers; 0 is one for each core */
	char *metrics;               /* "host:port" of a loopback listener, or NULL */
	char domain[NAMES_HOST_MAX + 1]; /* of the panel's tunnels; "": no panel */
	char *link_listen;  /* "host:port": links of agents, behind a proxy; or NULL */
	uint16_t http_port; /* redirects to HTTPS; 0: none */
	struct relay_acme_options acme;
	char *dns_server; /* "address:port", for DNS of tunnels; NULL: the system's */
	struct field_list addresses; /* public ones besides those of the interfaces */
};

/*
 * Reads the options: called at the start, and again on SIGHUP. After success the relay
 * frees them by field_fini().
 * ERR_USAGE, ERR_SYNTAX, ERR_SYS: @why has file, line and what to write.
 */
typedef enum err relay_read_fn(void *arg, struct relay_options *out, struct why *why);

struct notify;
struct relay;
struct worker;

/* All borrowed: they outlive the relay. */
struct relay_owner {
	struct worker *control; /* the relay runs on its loop */
	struct notify *notify;  /* NULL: no service manager */
	relay_read_fn *read;
	void *read_arg;
	/* It has ended, after relay_end() or a failed start: the owner closes it. */
	void (*on_ended)(void *arg, bool has_failed);
	void *arg;
};

/*
 * Serves, or waits for a certificate if there is none yet. On an error @why has the
 * setting or the condition of this machine that prevents it.
 */
enum err relay_open(const struct relay_owner *owner, struct relay **out,
	struct why *why) MUST_USE;

/* Reads options and certificate again; those with an error stay as they are. */
void relay_reload(struct relay *r);

/* Accepts no more connections and drains: on_ended follows within the drain time. A
 * second call ends it at once. */
void relay_end(struct relay *r);

/* NULL is fine. */
void relay_close(struct relay *r);

#endif
