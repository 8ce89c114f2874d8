/* Requests, each on a loop and a connection of its own. */
#include "cli/request.h"

#include "http/api.h"

struct exchange {
	const struct request *q;
	struct loop *loop;
	enum err rc;
	unsigned status;
	struct buf body;
	struct why *why;
};

static void on_response(void *arg, enum err rc, const struct http_response *response,
	const struct why *why)
{
	struct exchange *x = arg;

	if (rc != ERR_OK) {
		x->rc = err_set(x->why, rc, "%s does not respond: %s", x->q->peer,
			err_text(rc, why));
	} else {
		x->status = response->status;
		x->rc = buf_put_span(&x->body, response->body);
	}
	loop_stop(x->loop);
}

/* The envelope: portal-protocol 2.2. */
static enum err read_response(struct exchange *x, json_t **data)
{
	json_t *root = json_loadb((const char *)buf_front(&x->body), x->body.n, 0, NULL);
	json_t *found = json_object_get(root, "data");
	const char *words = json_string_value(
		json_object_get(json_object_get(root, "error"), "message"));
	enum err rc = ERR_OK;

	if (x->status / 100 == 2 && json_is_object(found))
		*data = json_incref(found);
	else if (words != NULL)
		rc = err_set(x->why, ERR_PROTO, "%s refuses: %.150s", x->q->peer, words);
	else
		rc = err_set(x->why, ERR_PROTO, "%s responds with status %u", x->q->peer,
			x->status);
	json_decref(root);
	return rc;
}

enum err request_send(const struct request *q, json_t **data, struct why *why)
{
	struct exchange x = { .q = q, .why = why };
	struct http_client_options o = q->client;
	struct http_client *client = NULL;
	struct http_client_request send = {
		.method = q->method,
		.target = q->target,
		.headers = q->headers,
		.body = span_str(q->body != NULL ? q->body : ""),
		.response_max = API_ANSWER_MAX,
		.timeout_ms = REQUEST_MS,
		.fn = on_response,
		.arg = &x,
	};
	enum err rc;

	buf_init(&x.body, API_ANSWER_MAX);
	rc = loop_new(&x.loop);
	o.loop = x.loop;
	if (rc == ERR_OK)
		rc = http_client_new(&o, &client);
	if (rc == ERR_OK)
		rc = http_client_send(client, &send, NULL);
	if (rc == ERR_OK) {
		loop_run(x.loop);
		rc = x.rc == ERR_OK ? read_response(&x, data) : x.rc;
	} else {
		err_set(why, rc, "cannot send a request to %s: %s", q->peer,
			err_name(rc));
	}
	http_client_free(client);
	loop_free(x.loop);
	buf_fini(&x.body);
	return rc;
}
