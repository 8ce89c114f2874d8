/*
 * The page of the demo: a web server with one small page on a loopback port, which stands
 * for the service that somebody wants to publish. It counts the requests for itself.
 */
#ifndef CLI_DEMO_PAGE_H
#define CLI_DEMO_PAGE_H

#include "base/span.h"
#include "loop/loop.h"

struct demo_page;

enum err demo_page_open(struct loop *loop, struct demo_page **out,
	struct why *why) MUST_USE;

uint16_t demo_page_port(const struct demo_page *page);

/* A random word that is in the page, to be looked for. */
const char *demo_page_marker(const struct demo_page *page);

/* The page as it was last sent; empty before the first request. Good until the next. */
struct span demo_page_last(const struct demo_page *page);

/* NULL is fine. */
void demo_page_close(struct demo_page *page);

#endif
