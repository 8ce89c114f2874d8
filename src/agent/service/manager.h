/* A service manager: what systemd and launchd do differently. service.c does the rest. */
#ifndef AGENT_SERVICE_MANAGER_H
#define AGENT_SERVICE_MANAGER_H

#include "agent/service.h"

/* In the file, so that it is known as ours. */
#define SERVICE_MARKER "Written by adit for its agent"

/* The advice when there is no service manager. */
#define SERVICE_FOREGROUND "use --foreground to run the agent without a service manager"

/* All calls but print and place may wait. None writes or removes the file. */
struct service_manager {
	/* What the file of a stock portal agent has, which ours takes over; or NULL. */
	const char *stock_marker;
	/* False: the path is too long. */
	bool (*place)(const struct service *s, struct service_place *out);
	enum err (*print)(const struct service *s, struct buf *out, struct why *why);
	enum err (*check)(const struct service *s, struct why *why);
	/* The file is there: read it, and start the service at boot or login. */
	enum err (*load)(const struct service *s, const struct service_change *change,
		struct why *why);
	/* The file is gone. @has_manager: else only what lies on the disk is undone. */
	void (*forget)(const struct service *s, bool has_manager);
	enum err (*start)(const struct service *s, struct why *why);
	enum err (*stop)(const struct service *s, struct why *why);
	enum err (*restart)(const struct service *s, struct why *why);
	enum err (*read_state)(const struct service *s, struct service_state *out,
		struct why *why);
	const char *(*explain_start)(const struct service *s, char *to, size_t size);
	enum err (*show_log)(const struct service *s, unsigned lines, bool follows,
		struct why *why);
};

extern const struct service_manager systemd_manager, launchd_manager, no_manager;

/* That of this system: manager_linux.c, manager_darwin.c or manager_none.c. */
const struct service_manager *service_manager_default(void);

static inline const struct service_manager *service_manager_of(const struct service *s)
{
	return s->manager != NULL ? s->manager : service_manager_default();
}

#endif
