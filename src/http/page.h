/*
 * Pages: templates from web/, which the build embeds (tools/embed). "{{name}}" in one is
 * replaced by a value, and "{{#name}}…{{/name}}" is left out where there is none.
 */
#ifndef HTTP_PAGE_H
#define HTTP_PAGE_H

#include "base/buf.h"
#include "crypto/hash.h"
#include "text/base64.h"

#define PAGE_DIGEST_SIZE BASE64_TEXT_SIZE(HASH_SHA256_BYTES)

/* The files. */
extern const struct span web_admin_css, web_admin_html, web_admin_js;
extern const struct span web_demo_html, web_down_html, web_edge_html;
extern const struct span web_relay_css, web_relay_html, web_relay_tunnel_html;

/* A value, which is put as it is, or as HTML text. */
struct page_value {
	const char *name;
	struct span raw;
	const char *text; /* or this, escaped: for between tags and in attributes */
};

/* @values ends with a row without a name. Failures stick in @out. */
void page_put(struct buf *out, struct span template, const struct page_value *values);

/* How a Content-Security-Policy names an inline element with this text (CSP 3, 2.3.1). */
const char *page_digest(struct span text, char to[PAGE_DIGEST_SIZE]);

#endif
