/*
 * Watches the DNS records of public names: does each lead to this relay? A name that does
 * is looked up again every ten minutes, another one every ten seconds, until it does.
 *
 * The comparison is pure; it has a function of its own.
 */
#ifndef PANEL_DNS_WATCH_H
#define PANEL_DNS_WATCH_H

#include "net/resolver.h"
#include "panel/path.h"

#define DNS_OWN_MAX 16
#define DNS_RIGHT_MS (10 * 60 * 1000)
#define DNS_WRONG_MS 10000
#define DNS_LOOKUPS_MAX 8 /* at one time */

/* The public addresses of this relay. None: they are not known, as behind NAT. */
struct dns_own {
	struct addr v[DNS_OWN_MAX];
	unsigned n;
};

/* Adds an address, if there is room for it. ERR_SYNTAX: not an IP address. */
enum err dns_own_add(struct dns_own *own, const char *text) MUST_USE;

/* Adds the public addresses of this machine's interfaces. */
void dns_own_add_interfaces(struct dns_own *own);

/*
 * Sets the state and the addresses of @out: @found are those of the name, none if it has
 * no record. If the relay's own addresses are not known, a record is not judged.
 */
void dns_compare(const struct dns_own *own, const struct addr *found, unsigned n,
	struct path_dns *out);

struct dns_watch;

struct dns_watch_options {
	struct loop *loop; /* borrowed */
	struct dns_own own;
	struct addr server; /* the name server to ask; zeroes: the system's */
	/* As resolve_open_at() and resolve_close(), which NULL stands for. */
	enum err (*lookup)(struct loop *loop, const struct addr *server, const char *host,
		uint16_t port, resolve_fn *fn, void *arg, struct resolve **out);
	void (*cancel)(struct resolve *r);
	/* The state of the name is another one; or NULL. */
	void (*on_change)(void *arg, const char *host);
	void *arg;
};

enum err dns_watch_open(const struct dns_watch_options *o,
	struct dns_watch **out) MUST_USE;
void dns_watch_close(struct dns_watch *w); /* NULL is fine */

/*
 * From now on; the first lookup begins at once. Adding a name again changes nothing.
 * ERR_NOMEM.
 */
enum err dns_watch_add(struct dns_watch *w, const char *host) MUST_USE;
void dns_watch_remove(struct dns_watch *w, const char *host);

/* Looks the name up again now, unless a lookup is under way. */
void dns_watch_check(struct dns_watch *w, const char *host);

/* False: it is not watched, and @out stays as it is. */
bool dns_watch_find(const struct dns_watch *w, const char *host, struct path_dns *out);

#endif
