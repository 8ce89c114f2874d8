/* An agent, for its control API. */
#ifndef AGENT_AGENT_PRIV_H
#define AGENT_AGENT_PRIV_H

#include "agent/agent.h"
#include "agent/agent_link.h"
#include "agent/tunnel.h"
#include "base/list.h"
#include "text/toml.h"

struct agent {
	struct agent_options o;
	struct log log;
	struct log_ring *lines;      /* of the log, of the whole program */
	struct agent_config *config; /* what runs; its tunnels and links were moved */
	struct buf text;             /* of the file that it was read from */
	struct why config_error;     /* "": the file is what runs */
	uint64_t config_error_ms;    /* clock_wall_ms() */
	uint64_t started_ms;         /* likewise */
	int lock;                    /* of the state directory; -1: none */
	struct relay_share *share;   /* of all tunnels */
	struct list tunnels;         /* struct agent_tunnel */
	struct list links;           /* struct agent_link_entry */
	struct file_watch *watch;
	struct control *control;
	struct loop_timer *timer; /* while it leaves: the limit */
	struct loop_deferred ended;
	bool is_leaving;
};

/* A tunnel, and its next config while it has to end for it. */
struct agent_tunnel {
	struct list in_agent;
	struct agent *agent;
	struct tunnel *tunnel; /* NULL: there was no memory */
	bool is_wanted;
	struct agent_next *next; /* NULL: it stays as it is */
};

struct agent_next {
	struct tunnel_config config;
	char path[AGENT_PATH_MAX]; /* of its identity */
};

/* The config that the tunnel has, or will have when it has ended for it. */
static inline const struct tunnel_config *agent_tunnel_config(
	const struct agent_tunnel *t)
{
	return t->next != NULL ? &t->next->config : tunnel_config(t->tunnel);
}

static inline struct tunnel_status agent_tunnel_status(const struct agent_tunnel *t)
{
	struct tunnel_status s = tunnel_status(t->tunnel);

	if (t->next != NULL) /* it ends and begins again */
		s.state = AGENT_STATE_STARTING;
	return s;
}

struct agent_link_entry {
	struct list in_agent;
	struct agent_link *link;
	bool is_wanted;
};

/* The wanted tunnel @id, or NULL. */
struct agent_tunnel *agent_find_tunnel(const struct agent *a, const char *id);

/*
 * Changes the file: @edit writes the new text for the document into @out. The text is
 * checked, written to the file, and applied, with what others have changed in it.
 * ERR_SYNTAX: the file has a mistake, or would have one.  ERR_NOENT, ERR_SYS, and errors
 * of @edit. The file is not changed then.
 */
typedef enum err agent_edit_fn(void *arg, const struct toml *t, struct buf *out,
	struct why *why);
enum err agent_edit(struct agent *a, agent_edit_fn *edit, void *arg,
	struct why *why) MUST_USE;

/* The worst of all tunnels and links. */
enum agent_health agent_health(const struct agent *a);

#endif
