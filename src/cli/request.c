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

/* "port: write a port from ...; subdomain: ..." of a form, or the text. */
static void print_details(const json_t *details, char *to, size_t size)
{
	const json_t *issue;
	size_t i, n = 0;

	to[0] = '\0';
	if (json_is_string(details))
		snprintf(to, size, ": %s", json_string_value(details));
	json_array_foreach(json_object_get(details, "issues"), i, issue)
	{
		const char *member = json_string_value(
			json_array_get(json_object_get(issue, "path"), 0));
		const char *text = json_string_value(json_object_get(issue, "message"));

		if (n < size)
			n += (size_t)snprintf(to + n, size - n, "%s%s: %s",
				i > 0 ? "; " : "", member != NULL ? member : "body",
				text != NULL ? text : "?");
	}
}

static enum err read_bare(struct exchange *x, json_t **data)
{
	json_t *root = json_loadb((const char *)buf_front(&x->body), x->body.n, 0, NULL);
	const char *words = json_string_value(json_object_get(root, "error"));
	const json_t *details = json_object_get(root, "details");
	const bool has_issues = json_is_object(json_object_get(root, "details")) &&
		json_object_get(details, "issues") != NULL;
	char more[220];
	enum err rc = ERR_OK;

	print_details(details, more, sizeof(more));
	if (x->status / 100 == 2 && json_is_object(root))
		*data = json_incref(root);
	else if (words != NULL && has_issues)
		rc = err_set(x->why, ERR_PROTO, "%s", more);
	else if (words != NULL)
		rc = err_set(x->why, ERR_PROTO, "%s%s", words, more);
	else
		rc = err_set(x->why, ERR_PROTO, "%s responds with status %u", x->q->peer,
			x->status);
	json_decref(root);
	return rc;
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
		rc = x.rc != ERR_OK ? x.rc :
			q->is_bare  ? read_bare(&x, data) :
				      read_response(&x, data);
	} else {
		err_set(why, rc, "cannot send a request to %s: %s", q->peer,
			err_name(rc));
	}
	http_client_free(client);
	loop_free(x.loop);
	buf_fini(&x.body);
	return rc;
}
