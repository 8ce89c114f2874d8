/* Requests, each on a loop and a connection of its own. */
#include "cli/request.h"

#include "http/api.h"

struct exchange {
	const struct request *q;
	struct loop *loop;
	enum err rc;
	struct request_reply *reply;
	struct why *why;
};

static void on_response(void *arg, enum err rc, const struct http_response *response,
	const struct why *why)
{
	struct exchange *x = arg;
	struct request_reply *r = x->reply;
	struct span date;

	if (rc != ERR_OK) {
		x->rc = err_set(x->why, rc, "%s does not respond: %s", x->q->peer,
			err_text(rc, why));
	} else {
		date = http1_head_value(response->head, "Date");
		r->status = response->status;
		if (date.n < sizeof(r->date)) {
			memcpy(r->date, date.p, date.n);
			r->date[date.n] = '\0';
		}
		x->rc = buf_put_span(&r->body, response->body);
	}
	loop_stop(x->loop);
}

void request_reply_fini(struct request_reply *r)
{
	buf_wipe(&r->body);
}

enum err request_fetch(const struct request *q, struct request_reply *out,
	struct why *why)
{
	size_t max = q->response_max != 0 ? q->response_max : API_ANSWER_MAX;
	struct exchange x = { .q = q, .reply = out, .why = why };
	struct http_client_options o = q->client;
	struct http_client *client = NULL;
	struct http_client_request send = {
		.method = q->method,
		.target = q->target,
		.headers = q->headers,
		.body = span_str(q->body != NULL ? q->body : ""),
		.response_max = max,
		.timeout_ms = q->timeout_ms != 0 ? q->timeout_ms : REQUEST_MS,
		.fn = on_response,
		.arg = &x,
	};
	enum err rc;

	*out = (struct request_reply){ .status = 0 };
	buf_init(&out->body, max);
	rc = loop_new(&x.loop);
	o.loop = x.loop;
	if (rc == ERR_OK)
		rc = http_client_new(&o, &client);
	if (rc == ERR_OK)
		rc = http_client_send(client, &send, NULL);
	if (rc == ERR_OK) {
		loop_run(x.loop);
		rc = x.rc;
	} else {
		err_set(why, rc, "cannot send a request to %s: %s", q->peer,
			err_name(rc));
	}
	http_client_free(client);
	loop_free(x.loop);
	return rc;
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

static enum err read_bare(const struct request *q, const struct request_reply *r,
	json_t **data, struct why *why)
{
	json_t *root = json_loadb((const char *)buf_front(&r->body), r->body.n, 0, NULL);
	const char *words = json_string_value(json_object_get(root, "error"));
	const json_t *details = json_object_get(root, "details");
	const bool has_issues = json_is_object(json_object_get(root, "details")) &&
		json_object_get(details, "issues") != NULL;
	char more[220];
	enum err rc = ERR_OK;

	print_details(details, more, sizeof(more));
	if (r->status / 100 == 2 && json_is_object(root))
		*data = json_incref(root);
	else if (words != NULL && has_issues)
		rc = err_set(why, ERR_PROTO, "%s", more);
	else if (words != NULL)
		rc = err_set(why, ERR_PROTO, "%s%s", words, more);
	else
		rc = err_set(why, ERR_PROTO, "%s responds with status %u", q->peer,
			r->status);
	json_decref(root);
	return rc;
}

/* The envelope: portal-protocol 2.2. */
static enum err read_envelope(const struct request *q, const struct request_reply *r,
	json_t **data, struct why *why)
{
	json_t *root = json_loadb((const char *)buf_front(&r->body), r->body.n, 0, NULL);
	json_t *found = json_object_get(root, "data");
	const char *words = json_string_value(
		json_object_get(json_object_get(root, "error"), "message"));
	enum err rc = ERR_OK;

	if (r->status / 100 == 2 && json_is_object(found))
		*data = json_incref(found);
	else if (words != NULL)
		rc = err_set(why, ERR_PROTO, "%s refuses: %.150s", q->peer, words);
	else
		rc = err_set(why, ERR_PROTO, "%s responds with status %u", q->peer,
			r->status);
	json_decref(root);
	return rc;
}

enum err request_send(const struct request *q, json_t **data, struct why *why)
{
	struct request_reply reply;
	enum err rc = request_fetch(q, &reply, why);

	if (rc == ERR_OK)
		rc = q->is_bare ? read_bare(q, &reply, data, why) :
				  read_envelope(q, &reply, data, why);
	request_reply_fini(&reply);
	return rc;
}
