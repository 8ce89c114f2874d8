/* A call of the relay's API. */
#include "relay/api_call.h"

struct api_text *api_text_new(size_t max)
{
	struct api_text *t = mem_new(t);

	if (t == NULL)
		return NULL;
	atomic_init(&t->refs, 1);
	buf_init(&t->text, max);
	return t;
}

struct api_text *api_text_ref(struct api_text *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void api_text_unref(struct api_text *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) > 1)
		return;
	buf_fini(&t->text);
	free(t);
}

void api_call_free(struct api_call *call)
{
	if (call == NULL)
		return;
	free(call->method);
	free(call->target);
	free(call->host);
	mem_free_secret_str(call->cookie); /* sessions and tokens are in these */
	free(call->origin);
	buf_wipe(&call->body);
	buf_wipe(&call->answer);
	mem_wipe(call->headers, sizeof(call->headers));
	api_text_unref(call->text);
	free(call);
}
