/* Port 80. */
#include "edge/edge_plain.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "edge/edge_page.h"
#include "http/head.h"
#include "serve/own_host.h"
#include "text/hex.h"

#define HTTPS_PORT 443
#define HEAD_MAX 16384
#define REDIRECT_MAX (HEAD_MAX + 1024)
#define CONNECTIONS_MAX 2000
#define IDLE_MS 5000

struct edge_plain {
	struct edge_plain_options o;
	struct http_server *http;
	struct log log;
};

struct http_server *edge_plain_http(const struct edge_plain *p)
{
	return p->http;
}

static bool plain_knows(const struct edge_plain *p, const char *host)
{
	struct route *r;
	bool is_known;

	if (p->o.root != NULL && own_host_is(p->o.root, host))
		return true;
	if (p->o.is_known != NULL && p->o.is_known(p->o.known_arg, host))
		return true;
	r = route_find_by_host(p->o.routes, host);
	is_known = r != NULL && route_is_live(r, clock_wall_ms());
	route_unref(r);
	return is_known;
}

/* The same path and query at the same name; an address of IPv6 is in brackets. */
static void put_location(struct buf *out, const struct edge_plain *p, const char *host,
	struct span target)
{
	bool is_ip6 = strchr(host, ':') != NULL;

	buf_printf(out, "Location: https://%s%s%s", is_ip6 ? "[" : "", host,
		is_ip6 ? "]" : "");
	if (p->o.https_port != 0 && p->o.https_port != HTTPS_PORT)
		buf_printf(out, ":%u", p->o.https_port);
	if (target.n > 0 && target.p[0] == '/')
		buf_put_span(out, target);
	buf_put_str(out, "\r\n");
	buf_put_u8(out, '\0');
}

static void plain_redirect(const struct edge_plain *p, struct http_exchange *x,
	const char *host)
{
	struct buf headers;

	buf_init(&headers, REDIRECT_MAX);
	put_location(&headers, p, host, http_request(x)->target);
	if (headers.failed == ERR_OK)
		http_reply(x, 308, (const char *)buf_front(&headers), span_of(NULL, 0));
	else
		http_reply(x, 414, NULL, span_of(NULL, 0));
	buf_fini(&headers);
}

static void plain_refuse(const struct edge_plain *p, struct http_exchange *x,
	const char *host)
{
	char id[EDGE_REQUEST_ID_SIZE], ip[ADDR_TEXT_MAX];
	struct edge_page_options o = {
		.page = EDGE_PAGE_UNKNOWN,
		.host = host,
		.id = id,
		.closes = true,
	};

	hex_random((EDGE_REQUEST_ID_SIZE - 1) / 2, id);
	log_limited(LOG_INFO, &p->log, "%s: %s: request %s from %s",
		*host != '\0' ? host : "-", edge_page_name(o.page), id,
		addr_print_ip(http_peer(x), ip));
	edge_page_reply(x, &o);
}

static void plain_on_request(void *arg, struct http_exchange *x)
{
	const struct edge_plain *p = arg;
	char host[NAMES_HOST_MAX + 1] = "";

	if (p->o.answer != NULL && p->o.answer(p->o.answer_arg, x))
		return;
	if (names_parse_host(http_host(http_request(x)), host, NULL) != ERR_OK)
		host[0] = '\0';
	else if (p->o.root != NULL)
		own_host_unify(p->o.root, host);
	if (*host != '\0' && plain_knows(p, host))
		plain_redirect(p, x, host);
	else
		plain_refuse(p, x, host);
}

enum err edge_plain_new(const struct edge_plain_options *o, struct edge_plain **out)
{
	struct edge_plain *p = mem_new(p);
	struct http_server_options http = {
		.loop = o->loop,
		.pool = o->pool,
		.head_max = HEAD_MAX,
		.connections_max = CONNECTIONS_MAX,
		.idle_ms = IDLE_MS,
		.on_request = plain_on_request,
		.arg = p,
	};
	enum err rc;

	if (p == NULL)
		return ERR_NOMEM;
	p->o = *o;
	log_init(&p->log, o->log, "edge: port 80");
	rc = http_server_new(&http, &p->http);
	if (rc != ERR_OK) {
		free(p);
		return rc;
	}
	*out = p;
	return ERR_OK;
}

void edge_plain_free(struct edge_plain *p)
{
	if (p == NULL)
		return;
	http_server_free(p->http);
	free(p);
}
