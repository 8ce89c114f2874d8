/* No service manager: every call advises --foreground. */
#include "agent/service/manager.h"

static enum err refuse(struct why *why)
{
	return err_set(why, ERR_CLOSED,
		"adit knows no service manager of this system; " SERVICE_FOREGROUND);
}

static bool none_place(const struct service *s, struct service_place *out)
{
	(void)s;
	out->path[0] = '\0';
	out->kind = "service";
	return true;
}

static enum err none_print(const struct service *s, struct buf *out, struct why *why)
{
	(void)s;
	(void)out;
	return refuse(why);
}

static enum err none_act(const struct service *s, struct why *why)
{
	(void)s;
	return refuse(why);
}

static enum err none_load(const struct service *s, const struct service_change *change,
	struct why *why)
{
	(void)s;
	(void)change;
	return refuse(why);
}

static void none_forget(const struct service *s, bool has_manager)
{
	(void)s;
	(void)has_manager;
}

static enum err none_read_state(const struct service *s, struct service_state *out,
	struct why *why)
{
	(void)s;
	(void)out;
	return refuse(why);
}

static const char *none_explain_start(const struct service *s, char *to, size_t size)
{
	(void)s;
	if (size > 0)
		to[0] = '\0';
	return to;
}

static enum err none_show_log(const struct service *s, unsigned lines, bool follows,
	struct why *why)
{
	(void)s;
	(void)lines;
	(void)follows;
	return refuse(why);
}

const struct service_manager no_manager = {
	.place = none_place,
	.print = none_print,
	.check = none_act,
	.load = none_load,
	.forget = none_forget,
	.start = none_act,
	.stop = none_act,
	.restart = none_act,
	.read_state = none_read_state,
	.explain_start = none_explain_start,
	.show_log = none_show_log,
};
