/*
 * The path of a visitor's request, which is the status of a tunnel: DNS, certificate,
 * sign-in, agent, app. From facts, as the relay knows them, it makes the state and the
 * text of each station; the first one that keeps visitors out names the tunnel's status.
 *
 * No I/O and no clock: facts in, stations out.
 */
#ifndef PANEL_PATH_H
#define PANEL_PATH_H

#include "net/addr.h"
#include "panel/panel_tunnel.h"

#define PATH_REASON_SIZE 160
#define PATH_TEXT_SIZE 512
#define PATH_LATE_MS \
	(2 * 60 * 1000) /* after that a certificate takes longer than usual */

/* ---- facts; zeroes: nothing is known ---- */

struct path_dns {
	enum path_dns_state {
		PATH_DNS_UNKNOWN,
		PATH_DNS_RIGHT,
		PATH_DNS_MISSING,
		PATH_DNS_WRONG,
		PATH_DNS_WRONG_IP6, /* IPv4 is right, or there is none */
		PATH_DNS_PROXY,     /* of a provider, which calls this relay */
	} state;
	uint64_t since_ms;            /* wall clock, as all times here; 0: unknown */
	char found[ADDR_TEXT_MAX];    /* the address that the name has */
	char expected[ADDR_TEXT_MAX]; /* the relay's */
	char proxy[32];               /* "Cloudflare" */
};

struct path_certificate {
	enum path_certificate_state {
		PATH_CERTIFICATE_UNKNOWN,
		PATH_CERTIFICATE_GOOD,
		PATH_CERTIFICATE_PENDING,
		PATH_CERTIFICATE_REFUSED,
		PATH_CERTIFICATE_LIMITED,  /* a rate limit of the authority */
		PATH_CERTIFICATE_EXPIRING, /* it is good, and renewal fails */
		PATH_CERTIFICATE_EXPIRED,
	} state;
	uint64_t since_ms, ends_ms, next_try_ms;
	char authority[64];            /* "Let's Encrypt"; "": the authority */
	char reason[PATH_REASON_SIZE]; /* a sentence; of refusals and failures */
	char remedy[PATH_REASON_SIZE]; /* the same, or "" */
};

struct path_agent {
	enum path_agent_state {
		PATH_AGENT_UNKNOWN,
		PATH_AGENT_NONE, /* no agent of the label is enrolled */
		PATH_AGENT_AWAY,
		PATH_AGENT_CONNECTED,
	} state;
	uint64_t since_ms; /* 0 of one that is away: it was never here */
	uint32_t rtt_ms;   /* 0: unknown */
	char address[ADDR_TEXT_MAX];
	char reason[PATH_REASON_SIZE]; /* why it is away: "timed out"; or "" */
};

struct path_app {
	enum path_app_state {
		PATH_APP_UNKNOWN,
		PATH_APP_GOOD,
		PATH_APP_REFUSED,
		PATH_APP_SILENT,
		PATH_APP_WANTS_TLS,
		PATH_APP_ERROR, /* it answers 5xx */
	} state;
	uint64_t since_ms;
	unsigned status;   /* of its last answer; 0: unknown */
	unsigned silent_s; /* how long it has not answered */
	char others[64];   /* other ports that are open there: "8096, 9000"; or "" */
};

struct path_facts {
	const struct panel_tunnel *tunnel;
	uint64_t now_ms;
	bool has_sign_in; /* this relay has sign-in */
	struct path_dns dns;
	struct path_certificate certificate;
	struct path_agent agent;
	struct path_app app;
};

/* ---- stations ---- */

enum path_state { PATH_OK, PATH_PENDING, PATH_BROKEN, PATH_UNKNOWN };

#define PATH_STATIONS 5

struct path_station {
	const char *name; /* "dns", "certificate", "sign-in", "agent", "app" */
	enum path_state state;
	uint64_t since_ms; /* 0: unknown */
	char text[PATH_TEXT_SIZE];
	char remedy[PATH_TEXT_SIZE]; /* "": there is nothing to do */
	const char *word; /* of the status, if the station names it; NULL: it does not */
	bool is_harmless; /* visitors do not notice it */
};

struct path {
	const char *status; /* "live", "paused", "checking", "dns-wrong", ... */
	uint64_t since_ms;  /* 0: unknown */
	struct path_station stations[PATH_STATIONS];
};

void path_find(const struct path_facts *facts, struct path *out);

/* "ok", "pending", "broken", "unknown". */
const char *path_state_word(enum path_state state);

#endif
