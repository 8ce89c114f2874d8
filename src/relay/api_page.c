/*
 * The page about this relay: its tunnels, and, as a landing page, how to get one. It is
 * self-contained: its policy lets a browser load and run nothing else.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/page.h"
#include "relay/relay_priv.h"
#include "tunnel/portal/envelope.h"

#define PAGE_KEPT_MS 1000  /* many requests for it cost little */
#define PAGE_READ_MS 10000 /* while it is being sent: a new one would take more memory */
#define PAGE_LEASES_MAX 500
#define PAGE_BYTES_MAX (4u << 20)
#define PAGE_LEASE_BYTES_MAX 131072 /* of one, mostly its picture */
#define PAGE_ADDRESS_MAX (NAMES_HOST_MAX + 32)
#define PAGE_STALE_MS (3 * 60 * 1000) /* without a session or a renewal */

/* ---- the leases that are shown ---- */

/* portal-protocol 2.7. */
static bool lease_is_public(const struct lease *l, uint64_t now_ms)
{
	struct route *r = l->route;

	if (l->metadata.hide || !route_is_live(r, now_ms))
		return false;
	return atomic_load(&r->present) > 0 ||
		atomic_load(&lease_route_of(r)->seen_ms) + PAGE_STALE_MS > now_ms;
}

/* ---- the page ---- */

static void address_print(const struct relay *r, const char *host,
	char to[PAGE_ADDRESS_MAX])
{
	char port[8] = "";

	if (r->sni_port != 443)
		snprintf(port, sizeof(port), ":%u", r->sni_port);
	snprintf(to, PAGE_ADDRESS_MAX, "https://%s%s", host, port);
}

static void put_tunnel(struct relay *r, struct buf *out, const struct lease *l)
{
	struct route *route = l->route;
	char address[PAGE_ADDRESS_MAX], port[8] = "";
	struct buf tags;

	address_print(r, route->public_host, address);
	if (route->tcp_port != 0)
		snprintf(port, sizeof(port), "%u", route->tcp_port);
	buf_init(&tags, PAGE_LEASE_BYTES_MAX);
	for (size_t i = 0; i < l->metadata.tags.n; i++)
		buf_printf(&tags, "%s%s", i > 0 ? ", " : "", l->metadata.tags.v[i]);
	buf_put_u8(&tags, '\0');
	page_put(out, web_relay_tunnel_html,
		(const struct page_value[]){
			{ "address", .text = address },
			{ "name", .text = route->name },
			{ "away",
				.text = atomic_load(&route->present) == 0 ? "away" : "" },
			{ "description", .text = l->metadata.description },
			{ "owner", .text = l->metadata.owner },
			{ "tags", .text = (const char *)buf_front(&tags) },
			{ "port", .text = port },
			{ .name = NULL },
		});
	buf_fini(&tags);
}

/* The list, and the data that stock pages read: text cannot end its element. */
static void put_tunnels(struct relay *r, struct buf *out, struct buf *data,
	uint64_t now_ms)
{
	struct list *it, *tmp;
	struct json_writer w;
	unsigned n = 0;

	json_writer_init(&w, data);
	json_put_open_list(&w);
	list_each(it, tmp, lease_table_all(r->table)) {
		struct lease *l = list_object(it, struct lease, in_table);
		struct message_public_lease row;

		if (n >= PAGE_LEASES_MAX || !lease_is_public(l, now_ms))
			continue;
		buf_put_str(out, n++ == 0 ? "<ul>\n" : "");
		put_tunnel(r, out, l);
		if (data->n + PAGE_LEASE_BYTES_MAX > PAGE_BYTES_MAX)
			continue;
		lease_describe(l, r->options.root, &row);
		field_put_json(&message_public_lease_fields, &row, &w);
	}
	json_put_close_list(&w);
	buf_put_str(out, n > 0 ? "</ul>\n" : "<p>There are no tunnels now.</p>\n");
}

/* The list of tunnels; as a landing page, with an introduction and instructions. */
static void put_page(struct relay *r, struct buf *out, uint64_t now_ms)
{
	const bool has_landing = policy_settings(r->policy)->has_landing_page;
	char host[NAMES_HOST_MAX + 8], example[PAGE_ADDRESS_MAX];
	struct buf tunnels, data;

	snprintf(host, sizeof(host), "myapp.%s", r->options.root);
	address_print(r, host, example);
	buf_init(&tunnels, PAGE_BYTES_MAX);
	buf_init(&data, PAGE_BYTES_MAX);
	put_tunnels(r, &tunnels, &data, now_ms);
	page_put(out, web_relay_html,
		(const struct page_value[]){
			{ "root", .text = r->options.root },
			{ "style", .raw = web_relay_css },
			{ "landing", .raw = span_str(has_landing ? "true" : "") },
			{ "shows-landing", .text = has_landing ? "true" : "false" },
			{ "tunnels", .raw = buf_span(&tunnels) },
			{ "url", .text = r->options.url },
			{ "example", .text = example },
			{ "data", .raw = buf_span(&data) },
			{ .name = NULL },
		});
	if (tunnels.failed != ERR_OK || data.failed != ERR_OK)
		out->failed = ERR_LIMIT;
	buf_fini(&tunnels);
	buf_fini(&data);
}

static bool page_is_fresh(struct relay *r, uint64_t now_ms)
{
	uint32_t kept_ms = PAGE_KEPT_MS;

	if (r->page == NULL || r->page_made_ms > now_ms)
		return false;
	if (atomic_load(&r->page->refs) > 1)
		kept_ms = PAGE_READ_MS;
	return now_ms - r->page_made_ms < kept_ms;
}

static void page_about(void *context, struct api_call *call)
{
	struct relay *r = context;
	uint64_t now_ms = clock_wall_ms();
	char style[PAGE_DIGEST_SIZE];

	if (!page_is_fresh(r, now_ms)) {
		api_text_unref(r->page);
		r->page = api_text_new(PAGE_BYTES_MAX);
		r->page_made_ms = now_ms;
		if (r->page != NULL)
			put_page(r, &r->page->text, now_ms);
	}
	if (r->page == NULL || r->page->text.failed != ERR_OK) {
		api_text_unref(r->page);
		r->page = NULL;
		envelope_refuse(call, MESSAGE_INTERNAL, "no room for the page");
		return;
	}
	/* Nothing but the one style, by its digest. */
	api_add_header(call,
		"Content-Security-Policy: default-src 'none'; style-src 'sha256-%s'; "
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		page_digest(web_relay_css, style));
	api_add_header(call, "Referrer-Policy: no-referrer");
	api_reply_shared(call, r->page);
}

static void page_favicon(void *context, struct api_call *call)
{
	(void)context;
	call->status = 204;
	api_add_header(call, "Cache-Control: public, max-age=86400");
}

#define PAGE(pattern) \
	{ \
		.method = "GET", .path = (pattern), .authority = &api_anyone, \
		.fn = page_about, .type = "text/html; charset=utf-8" \
	}

static const struct api_operation rows[] = {
	PAGE("/"),
	PAGE("/app"),
	PAGE("/app/**"),
	{ "GET", "/favicon.ico", &api_anyone, page_favicon, .status = 204 },
};

const struct api_table api_page_table = API_TABLE_OF(rows);
