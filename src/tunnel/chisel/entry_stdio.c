/* A stdio entry: standard input and output become one channel, once. */
#include <unistd.h>

#include "net/bridge.h"
#include "net/stdio.h"
#include "tunnel/chisel/entry_kinds.h"

struct stdio_entry {
	struct entry entry;    /* first */
	struct stream *stdio;  /* until it is bridged */
	struct channel *dial;  /* borrowed: while we wait for the channel */
	struct bridge *bridge; /* borrowed: while it runs */
};

static void stdio_entry_on_closed(void *arg, const struct bridge_end *end)
{
	struct stdio_entry *e = arg;

	(void)end;
	e->bridge = NULL;
	if (e->entry.on_done != NULL)
		e->entry.on_done(e->entry.arg);
}

static void stdio_entry_on_opened(void *arg, enum err rc, struct stream *channel,
	const struct why *why)
{
	struct stdio_entry *e = arg;
	struct bridge_options o = {
		.loop = e->entry.worker->loop,
		.pool = &e->entry.worker->blocks,
		.a = e->stdio,
		.b = channel,
		.on_closed = stdio_entry_on_closed,
		.arg = e,
	};

	e->dial = NULL;
	if (rc == ERR_CLOSED)
		return; /* the next session gets it */
	if (rc == ERR_OK && bridge_open(&o, &e->bridge) == ERR_OK) {
		e->stdio = NULL;
		return;
	}
	stream_abort(channel);
	log_info(&e->entry.log, "Stream error: ssh: %s", err_text(rc, why));
	if (e->entry.on_done != NULL)
		e->entry.on_done(e->entry.arg);
}

static void stdio_entry_on_session(struct entry *entry)
{
	struct stdio_entry *e = (struct stdio_entry *)entry;

	if (entry->session == NULL || e->stdio == NULL || e->dial != NULL)
		return;
	if (chisel_session_dial(entry->session, entry->target, stdio_entry_on_opened, e,
		    &e->dial) != ERR_OK)
		log_warn(&entry->log, "no channel");
}

static enum err stdio_entry_open(struct entry *entry, struct why *why)
{
	struct stdio_entry *e = (struct stdio_entry *)entry;

	return stdio_open(entry->worker->loop, STDIN_FILENO, STDOUT_FILENO, &e->stdio,
		why);
}

static void stdio_entry_close(struct entry *entry)
{
	struct stdio_entry *e = (struct stdio_entry *)entry;

	channel_dial_close(e->dial);
	bridge_close(e->bridge);
	stream_close(e->stdio);
}

const struct entry_kind entry_stdio = {
	.bytes = sizeof(struct stdio_entry),
	.open = stdio_entry_open,
	.on_session = stdio_entry_on_session,
	.close = stdio_entry_close,
};
