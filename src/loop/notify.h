/*
 * What the service manager is told: sd_notify(3), as one datagram each, without its
 * library.
 *
 * Where no service manager listens, notify_open() gives NULL, and every call takes NULL.
 * While it is open the watchdog is told that the loop still turns, if the service manager
 * asks.
 */
#ifndef LOOP_NOTIFY_H
#define LOOP_NOTIFY_H

#include "base/log.h"
#include "loop/loop.h"

struct notify;

/* Reads NOTIFY_SOCKET and WATCHDOG_USEC. @log hears if the manager cannot be told. */
struct notify *notify_open(struct loop *loop, const struct log *log);

/* The program has started, or has read its settings again. */
void notify_ready(struct notify *n);

/* It begins to read them; notify_ready() follows. */
void notify_reloading(struct notify *n);

/* It has begun to end. */
void notify_stopping(struct notify *n);

/* One line for a person: "serving relay.example.com".
 * Nothing is sent if it is the last one. */
void notify_status(struct notify *n, const char *fmt, ...) PRINTF_LIKE(2, 3);

void notify_close(struct notify *n);

#endif
