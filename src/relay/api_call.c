/* A call of the relay's API. */
#include "relay/api_call.h"

void api_call_free(struct api_call *call)
{
	if (call == NULL)
		return;
	free(call->method);
	free(call->target);
	free(call->host);
	free(call->cookie);
	free(call->origin);
	buf_fini(&call->body);
	buf_fini(&call->answer);
	free(call);
}
