/*
 * Notifications of the service manager: sd_notify(3), one datagram each, without its
 * library.
 *
 * Without a service manager, notify_open() returns NULL, and every call accepts NULL.
 * While it is open, the watchdog is notified that the loop runs, if the service manager
 * has requested that.
 */
#ifndef LOOP_NOTIFY_H
#define LOOP_NOTIFY_H

#include "base/log.h"
#include "loop/loop.h"

struct notify;

/* Reads NOTIFY_SOCKET and WATCHDOG_USEC. @log: for failures to notify. */
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
