/* TCP ports for leases. */
#include "serve/lease/ports.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/listener.h"

struct port {
	char *name; /* of the lease that has it, or had it last; NULL: none yet */
	bool is_taken;
	uint64_t kept_until_ms; /* for that name, when it is not taken */
};

struct ports {
	const char *host; /* borrowed: the relay's option */
	uint16_t min;
	unsigned count;
	struct port v[];
};

enum err ports_new(const char *host, uint16_t min, uint16_t max, struct ports **out)
{
	unsigned count = min == 0 || max < min ? 0 : max - min + 1u;
	struct ports *p = calloc(1, sizeof(*p) + count * sizeof(p->v[0]));

	if (p == NULL)
		return ERR_NOMEM;
	p->host = host != NULL ? host : "";
	p->min = min;
	p->count = count;
	*out = p;
	return ERR_OK;
}

void ports_free(struct ports *p)
{
	if (p == NULL)
		return;
	for (unsigned i = 0; i < p->count; i++)
		free(p->v[i].name);
	free(p);
}

/* The clock may have been set back. */
static bool port_is_kept(const struct port *port, uint64_t now_ms)
{
	return port->name != NULL && port->kept_until_ms > now_ms &&
		port->kept_until_ms <= now_ms + PORTS_STICKY_MS;
}

/* False: no memory. */
static bool port_set_name(struct port *port, const char *name)
{
	char *copy = strdup(name);

	if (copy == NULL)
		return false;
	free(port->name);
	port->name = copy;
	return true;
}

/* ERR_AGAIN: not this one. */
static enum err ports_try(struct ports *p, unsigned i, const char *name, int *fd,
	struct why *why)
{
	enum err rc = listener_bind_tcp(p->host, (uint16_t)(p->min + i), fd, why);

	if (rc == ERR_EXISTS || rc == ERR_DENIED)
		return ERR_AGAIN;
	if (rc == ERR_OK && !port_set_name(&p->v[i], name)) {
		close(*fd);
		rc = err_set(why, ERR_NOMEM, "out of memory");
	}
	p->v[i].is_taken = rc == ERR_OK;
	return rc;
}

/* First the port that is kept for the name, then the lowest that is free. */
enum err ports_take(struct ports *p, const char *name, uint64_t now_ms, uint16_t *port,
	int *fd, struct why *why)
{
	enum err rc = ERR_AGAIN;
	unsigned i = 0;

	for (int wants_kept = 1; wants_kept >= 0 && rc == ERR_AGAIN; wants_kept--)
		for (i = 0; i < p->count && rc == ERR_AGAIN; i++) {
			const bool is_kept = port_is_kept(&p->v[i], now_ms);

			if (!p->v[i].is_taken && is_kept == (wants_kept == 1) &&
				(!is_kept || strcmp(p->v[i].name, name) == 0))
				rc = ports_try(p, i, name, fd, why);
		}
	if (rc == ERR_AGAIN)
		return err_set(why, ERR_NOENT, "no TCP port is free");
	if (rc == ERR_OK)
		*port = (uint16_t)(p->min + i - 1);
	return rc;
}

void ports_remember(struct ports *p, const char *name, uint16_t port, uint64_t now_ms)
{
	struct port *is;

	if (port < p->min || port >= p->min + p->count)
		return;
	is = &p->v[port - p->min];
	if (!is->is_taken && !port_is_kept(is, now_ms) && port_set_name(is, name))
		is->kept_until_ms = now_ms + PORTS_STICKY_MS;
}

void ports_release(struct ports *p, uint16_t port, bool is_kept, uint64_t now_ms)
{
	struct port *is = &p->v[port - p->min];

	is->is_taken = false;
	is->kept_until_ms = is_kept ? now_ms + PORTS_STICKY_MS : 0;
}
