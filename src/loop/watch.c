/* A watch reports changes of the entries of a directory. */
#include "loop/loop_priv.h"

struct loop_watch {
	uv_fs_event_t uv;
	loop_watch_fn *fn;
	void *arg; /* borrowed: the owner's */
};

static void watch_on_uv(uv_fs_event_t *uv, const char *name, int events, int status)
{
	struct loop_watch *watch = mem_container(uv, struct loop_watch, uv);

	(void)events;
	watch->fn(watch->arg, status == 0 ? name : NULL);
}

static void watch_on_closed(uv_handle_t *handle)
{
	free(mem_container((uv_fs_event_t *)handle, struct loop_watch, uv));
}

enum err loop_watch_open(struct loop *loop, const char *directory, loop_watch_fn *fn,
	void *arg, struct loop_watch **out)
{
	struct loop_watch *watch = mem_new(watch);

	if (watch == NULL)
		return ERR_NOMEM;
	watch->fn = fn;
	watch->arg = arg;
	uv_fs_event_init(loop_uv(loop), &watch->uv);
	if (uv_fs_event_start(&watch->uv, watch_on_uv, directory, 0) != 0) {
		loop_watch_close(watch);
		return ERR_SYS;
	}
	*out = watch;
	return ERR_OK;
}

void loop_watch_close(struct loop_watch *watch)
{
	if (watch != NULL)
		uv_close((uv_handle_t *)&watch->uv, watch_on_closed);
}
