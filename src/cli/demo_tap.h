/*
 * A tap is a wire that somebody listens to: it takes connections, carries each on to
 * another place as they are, and looks for words in all that passes, both ways.
 */
#ifndef CLI_DEMO_TAP_H
#define CLI_DEMO_TAP_H

#include "base/span.h"
#include "loop/loop.h"

#define DEMO_TAP_WORD_MAX 128

struct demo_tap;

/* Listens on a loopback port of the kernel's choice. */
enum err demo_tap_open(struct loop *loop, struct demo_tap **out,
	struct why *why) MUST_USE;

uint16_t demo_tap_port(const struct demo_tap *tap);

/* Where connections are carried to; those that come before this are closed.
 * @host is borrowed. */
void demo_tap_set_target(struct demo_tap *tap, const char *host, uint16_t port);

/* Looks for @word, of 1 to DEMO_TAP_WORD_MAX bytes, from now on. Copied. */
void demo_tap_watch(struct demo_tap *tap, struct span word);

/* What passed since it was opened, and how often the word was in it. */
uint64_t demo_tap_bytes(const struct demo_tap *tap);
unsigned demo_tap_found(const struct demo_tap *tap);

/* Cuts what it carries. NULL is fine. */
void demo_tap_close(struct demo_tap *tap);

#endif
