/* Exits are the side of remotes where targets are. */
#include "tunnel/chisel/exit.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "tunnel/chisel/exit_priv.h"

void exits_init(struct exits *x, struct worker *worker, const struct log *log,
	const struct chisel_tuning *tuning)
{
	*x = (struct exits){ .worker = worker, .log = log, .tuning = tuning };
	list_init(&x->all);
}

void exit_path_free(struct exit_path *path)
{
	struct exits *x = path->exits;

	list_remove(&path->in_exits);
	x->open--;
	log_debug(x->log, "conn#%llu: Close [%llu/%llu]", path->number, x->open,
		x->count);
	free(path);
}

/* The entry of that target, moved to the front; a new one takes the place of the last. */
static struct exit_target *exits_find_target(struct exits *x, uint64_t name)
{
	struct exit_target found = { .name = name };
	unsigned i = 0;

	while (i < EXIT_TARGETS_MAX - 1 && x->targets[i].name != name)
		i++;
	if (x->targets[i].name == name)
		found = x->targets[i];
	memmove(&x->targets[1], &x->targets[0], i * sizeof(x->targets[0]));
	x->targets[0] = found;
	return &x->targets[0];
}

void exit_path_note(struct exit_path *path, const char *trouble, const char *advice)
{
	struct exits *x = path->exits;
	struct exit_target *target;
	uint64_t before, now = trouble != NULL ? str_digest(trouble) : 0;

	if (trouble != NULL)
		log_debug(x->log, "conn#%llu: %s", path->number, trouble);
	if (!x->tells_targets)
		return;
	target = exits_find_target(x, str_digest(path->target.access));
	before = target->trouble;
	target->trouble = now;
	if (now != before && now != 0)
		log_limited(LOG_INFO, x->log, "target %s: not reachable: %s%s",
			path->target.access, trouble, advice);
	else if (now != before)
		log_limited(LOG_INFO, x->log, "target %s: reachable again",
			path->target.access);
}

void exits_fini(struct exits *x)
{
	struct exit_path *path;

	while ((path = list_first(&x->all, struct exit_path, in_exits)) != NULL) {
		path->kind->close(path);
		exit_path_free(path);
	}
}

void exits_check(struct exits *x, bool (*is_allowed)(void *owner, const char *access))
{
	struct list *it, *next;

	list_each(it, next, &x->all) {
		struct exit_path *path = list_object(it, struct exit_path, in_exits);
		bool was_denied = path->is_denied;

		path->is_denied = !is_allowed(x->owner, path->target.access) ||
			(path->access != NULL && x->may_reach != NULL &&
				!x->may_reach(x->owner, path->access));
		if (path->is_denied == was_denied)
			continue;
		log_limited(LOG_INFO, x->log, "conn#%llu: %s is %s allowed", path->number,
			path->target.access, path->is_denied ? "no longer" : "again");
		if (!path->is_denied || path->kind->outlives_denial)
			continue;
		path->kind->close(path);
		exit_path_free(path);
	}
}

void exits_add(struct exits *x, struct channel *ch, const struct remote_target *target)
{
	const struct exit_kind *kind = target->is_socks ? &exit_socks :
		target->is_udp                          ? &exit_udp :
							  &exit_tcp;
	struct exit_path *path = calloc(1, kind->bytes);

	if (path == NULL) {
		channel_refuse(ch, SSH_RESOURCE_SHORTAGE, "out of memory");
		return;
	}
	path->kind = kind;
	path->exits = x;
	path->number = ++x->count;
	path->target = *target;
	x->open++;
	list_init(&path->in_exits);
	list_add(&x->all, &path->in_exits);
	log_debug(x->log, "conn#%llu: Open [%llu/%llu]", path->number, x->open, x->count);
	kind->start(path, ch);
}
