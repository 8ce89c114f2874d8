/* The demo's first tunnel: a server and a client, and a visitor by port. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "cli/demo_inside.h"
#include "net/listener.h"
#include "text/hex.h"

#define DEMO_USER "demo"
#define DEMO_PORT_TRIES 5

/* ---- the visit ---- */

static void link_visit(struct demo *d)
{
	struct demo_fetch_options o = {
		.host = DEMO_LOCAL,
		.name = DEMO_LOCAL,
		.port = d->link.public_port,
	};

	fprintf(d->o->out,
		"\nfetch    http://" DEMO_LOCAL ":%u/, twice\n"
		"         visitor -> server -> client -> %s\n",
		d->link.public_port, d->page != NULL ? "page" : "target");
	demo_visit(d, DEMO_FETCHING, &o, demo_lease_begin);
}

/* ---- the client ---- */

static void link_start_client(struct demo *d);

static void link_on_client_line(void *arg, const char *line)
{
	struct demo *d = arg;

	if (d->state != DEMO_STARTING_CLIENT)
		return;
	if (strstr(line, "client: Connected") != NULL) {
		link_visit(d);
	} else if (strstr(line, "Server cannot listen on") != NULL) {
		/* Somebody took the port between our look and the server's. */
		demo_drop(d, DEMO_CLIENT);
		link_start_client(d);
	}
}

/* A port that was free a moment ago. */
static enum err link_find_port(struct demo *d, struct why *why)
{
	struct listener *listener;
	struct addr at;
	enum err rc = listener_open(d->loop, DEMO_LOCAL, 0, NULL, NULL, &listener, why);

	if (rc != ERR_OK)
		return rc;
	listener_addr(listener, &at);
	listener_close(listener);
	d->link.public_port = addr_port(&at);
	return ERR_OK;
}

static enum err link_open_client(struct demo *d, struct why *why)
{
	const char *host = demo_target_host(d);
	char *url = str_printf("http://" DEMO_LOCAL ":%u", d->link.server_port);
	char *remote = str_printf(strchr(host, ':') != NULL ? "R:" DEMO_LOCAL
							      ":%u:[%s]:%u" :
							      "R:" DEMO_LOCAL ":%u:%s:%u",
		d->link.public_port, host, demo_target_port(d));
	const char *const argv[] = { "adit", "client", "--fingerprint",
		d->link.fingerprint, url, remote, NULL };
	struct demo_start how = {
		.user = DEMO_USER,
		.password = d->link.password,
		.argv = argv,
		.on_line = link_on_client_line,
	};
	enum err rc = ERR_NOMEM;

	if (url != NULL && remote != NULL)
		rc = demo_start(d, DEMO_CLIENT, &how, why);
	free(url);
	free(remote);
	return rc;
}

static void link_start_client(struct demo *d)
{
	struct why why = { "" };
	enum err rc;

	demo_await(d, DEMO_STARTING_CLIENT);
	if (++d->link.port_tries > DEMO_PORT_TRIES) {
		demo_fail(d, "no port could be had for the public end of the tunnel");
		return;
	}
	rc = link_find_port(d, &why);
	if (rc == ERR_OK)
		rc = link_open_client(d, &why);
	if (rc != ERR_OK)
		demo_fail(d, "%s", err_text(rc, &why));
}

/* ---- the server ---- */

static void link_on_server_line(void *arg, const char *line)
{
	static const char fingerprint[] = "server: Fingerprint ";
	static const char listening[] = "server: Listening on http://" DEMO_LOCAL ":";
	struct demo *d = arg;
	const char *found;
	unsigned long port;

	if (d->state != DEMO_STARTING_SERVER)
		return;
	found = strstr(line, fingerprint);
	if (found != NULL)
		str_copy(d->link.fingerprint, sizeof(d->link.fingerprint),
			found + strlen(fingerprint));
	found = strstr(line, listening);
	if (found == NULL || !str_to_uint(found + strlen(listening), UINT16_MAX, &port))
		return;
	d->link.server_port = (uint16_t)port;
	link_start_client(d);
}

static void link_make_password(struct demo *d)
{
	uint8_t bytes[DEMO_PASSWORD_BYTES];

	rand_bytes(bytes, sizeof(bytes));
	hex_encode(span_of(bytes, sizeof(bytes)), d->link.password);
	mem_wipe(bytes, sizeof(bytes));
}

void demo_link_begin(struct demo *d)
{
	static const char *const argv[] = { "adit", "server", "--reverse", "--host",
		DEMO_LOCAL, "--port", "0", NULL };
	struct demo_start how = {
		.user = DEMO_USER,
		.password = d->link.password,
		.argv = argv,
		.on_line = link_on_server_line,
	};
	struct why why = { "" };
	enum err rc;

	demo_await(d, DEMO_STARTING_SERVER);
	link_make_password(d);
	rc = demo_start(d, DEMO_SERVER, &how, &why);
	if (rc != ERR_OK)
		demo_fail(d, "%s", err_text(rc, &why));
}
