/* The envelope of the relay's API. */
#include "tunnel/portal/envelope.h"

static void refuse(struct api_call *call, unsigned status, enum message_error error,
	const char *text)
{
	api_reply_json(call, status, message_put_refusal(error, text, &call->answer));
}

void envelope_refuse(struct api_call *call, enum message_error error, const char *text)
{
	refuse(call, message_error_status(error), error, text);
}

static void refuse_fault(struct api_call *call, enum api_fault fault, enum err rc,
	const struct why *why)
{
	switch (fault) {
	case API_NOT_FOUND:
		call->status = 404;
		api_add_header(call, "Content-Type: text/plain; charset=utf-8");
		(void)buf_put_str(&call->answer, "404 page not found\n");
		break;
	case API_METHOD_NOT_ALLOWED:
		envelope_refuse(call, MESSAGE_METHOD_NOT_ALLOWED, "method not allowed");
		break;
	case API_BODY_TOO_LONG:
		refuse(call, 413, MESSAGE_INVALID_REQUEST, "request body is too long");
		break;
	case API_BODY_MALFORMED:
		envelope_refuse(call,
			rc == ERR_NOMEM          ? MESSAGE_INTERNAL :
				rc == ERR_SYNTAX ? MESSAGE_INVALID_JSON :
						   MESSAGE_INVALID_REQUEST,
			rc == ERR_NOMEM ? "out of memory" : err_text(rc, why));
		break;
	case API_BUSY: /* the protocol has no code for this; agents retry (2.4) */
		refuse(call, 503, MESSAGE_INTERNAL, "server busy, retry later");
		break;
	case API_NO_ROOM:
		envelope_refuse(call, MESSAGE_INTERNAL, "no room for the answer");
		break;
	}
}

const struct api_envelope relay_envelope = {
	.put = message_put_reply,
	.refuse = refuse_fault,
	.member = "data",
};
