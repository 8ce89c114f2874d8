/* The kinds of exit behind exit.h; each is a const table. */
#ifndef TUNNEL_CHISEL_EXIT_PRIV_H
#define TUNNEL_CHISEL_EXIT_PRIV_H

#include "tunnel/chisel/exit.h"

/* What every kind embeds first. */
struct exit_path {
	const struct exit_kind *kind;
	struct exits *exits; /* borrowed: they end us before they go */
	struct list in_exits;
	unsigned long long number;
	struct remote_target target;
	const char *access; /* borrowed: the destination, to be allowed too, or NULL */
	bool is_denied;     /* the target is no longer allowed: pass nothing */
};

struct exit_kind {
	size_t bytes;
	/* Begins; from now on it answers @ch and ends itself with exit_path_free(). */
	void (*start)(struct exit_path *path, struct channel *ch);
	/* Ends it now: frees all but the struct. */
	void (*close)(struct exit_path *path);
	bool outlives_denial; /* is_denied is enough */
};

/* Its target was reached (@trouble is NULL), or @trouble is the reason why not. */
void exit_path_note(struct exit_path *path, const char *trouble, const char *advice);

/* It is over: takes it off the list and frees the struct. */
void exit_path_free(struct exit_path *path);

extern const struct exit_kind exit_tcp;
extern const struct exit_kind exit_socks;
extern const struct exit_kind exit_udp;

#endif
