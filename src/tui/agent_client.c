/* The client of the control API. */
#include "tui/agent_client.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/api.h"
#include "http/client.h"
#include "net/addr.h"
#include "store/file.h"
#include "text/field_json.h"

#define ENDPOINT_FILE "agent-endpoint.json"
#define ENDPOINT_BYTES_MAX 4096
#define TOKEN_MAX 512
#define PATH_BYTES_MAX 4096

struct agent_client {
	struct loop *loop;     /* borrowed: outlives us */
	const char *state_dir; /* borrowed: outlives us */
	struct http_client *http;
	char *headers; /* with the token */
	struct list calls;
};

/* A request that waits for its response. */
struct call {
	struct list in_client;
	struct agent_client *client; /* borrowed: it owns us */
	agent_reply_fn *fn;
	void *arg;
};

/* ---- the file ---- */

struct endpoint_file {
	char *control_addr, *token;
};

/* Visible characters only: it becomes a header. */
static bool is_token(const char *token)
{
	if (token == NULL || strlen(token) > TOKEN_MAX)
		return false;
	for (; *token != '\0'; token++)
		if (*token <= ' ' || *token > '~')
			return false;
	return true;
}

enum err agent_endpoint_parse(struct span text, struct agent_endpoint *out,
	struct why *why)
{
	static const struct field rows[] = {
		{ "control_addr", FIELD_TEXT,
			FIELD_AT(struct endpoint_file, control_addr) },
		{ "token", FIELD_SECRET, FIELD_AT(struct endpoint_file, token) },
	};
	static const struct field_table table = FIELD_TABLE_OF(struct endpoint_file,
		rows);
	struct agent_endpoint e = { .port = 0 };
	struct endpoint_file f;
	struct span host, port;
	char digits[8];
	unsigned long number = 0;
	bool is_good;

	if (field_read_json(&table, NULL, text, &f, NULL) != ERR_OK)
		return err_set(why, ERR_SYNTAX, "it is not JSON as an agent writes it");
	is_good = f.control_addr != NULL && is_token(f.token) &&
		addr_split(span_str(f.control_addr), &host, &port) == ERR_OK &&
		host.n > 0 && host.n < sizeof(e.host) && port.n < sizeof(digits);
	if (is_good) {
		memcpy(e.host, host.p, host.n);
		memcpy(digits, port.p, port.n);
		digits[port.n] = '\0';
		is_good = str_to_uint(digits, UINT16_MAX, &number) && number > 0;
	}
	if (is_good) {
		e.port = (uint16_t)number;
		e.token = f.token;
		f.token = NULL;
		*out = e;
	}
	field_fini(&table, &f);
	return is_good ? ERR_OK :
			 err_set(why, ERR_SYNTAX, "it has no control_addr and token");
}

static enum err read_endpoint(const struct agent_client *c, struct agent_endpoint *out,
	struct why *why)
{
	char path[PATH_BYTES_MAX];
	struct why detail = { "" };
	struct buf text;
	enum err rc;

	buf_init(&text, ENDPOINT_BYTES_MAX);
	snprintf(path, sizeof(path), "%s/" ENDPOINT_FILE, c->state_dir);
	rc = file_read(path, &text, &detail);
	if (rc == ERR_NOENT)
		err_set(why, rc, "no agent runs with the state directory %.150s",
			c->state_dir);
	else if (rc != ERR_OK)
		err_set(why, rc, "%s", err_text(rc, &detail));
	if (rc == ERR_OK) {
		rc = agent_endpoint_parse(buf_span(&text), out, &detail);
		if (rc != ERR_OK)
			err_set(why, rc, "%.150s: %s", path, err_text(rc, &detail));
	}
	buf_wipe(&text);
	return rc;
}

/* ---- the connection ---- */

static void disconnect(struct agent_client *c)
{
	http_client_free(c->http);
	c->http = NULL;
	mem_free_secret_str(c->headers);
	c->headers = NULL;
}

static enum err connect_to(struct agent_client *c, struct why *why)
{
	struct agent_endpoint e = { .port = 0 };
	struct http_client_options o = {
		.loop = c->loop,
		.host = e.host,
		.connections_max = 3,
		.connect_ms = 5000,
	};
	enum err rc = read_endpoint(c, &e, why);
	char header[80];

	if (rc != ERR_OK)
		return rc;
	o.port = e.port;
	snprintf(header, sizeof(header), strchr(e.host, ':') ? "[%s]:%u" : "%s:%u",
		e.host, e.port);
	o.host_header = header;
	c->headers = str_printf("Authorization: Bearer %s\r\n"
				"Content-Type: application/json\r\n",
		e.token);
	mem_free_secret_str(e.token);
	rc = c->headers != NULL ? http_client_new(&o, &c->http) : ERR_NOMEM;
	if (rc == ERR_OK)
		return ERR_OK;
	disconnect(c);
	return err_set(why, rc, "cannot connect to the agent: %s", err_name(rc));
}

/* ---- made, and freed ---- */

enum err agent_client_new(struct loop *loop, const char *state_dir,
	struct agent_client **out)
{
	struct agent_client *c = mem_new(c);

	if (c == NULL)
		return ERR_NOMEM;
	c->loop = loop;
	c->state_dir = state_dir;
	list_init(&c->calls);
	*out = c;
	return ERR_OK;
}

static void call_free(struct call *call)
{
	list_remove(&call->in_client);
	free(call);
}

void agent_client_free(struct agent_client *c)
{
	struct list *it, *tmp;

	if (c == NULL)
		return;
	disconnect(c);
	list_each(it, tmp, &c->calls) {
		call_free(list_object(it, struct call, in_client));
	}
	free(c);
}

/* ---- requests ---- */

/*
 * After an error, and after a refusal of the token, the next request finds the agent
 * anew. Requests beside this one would be dropped, so they have to end first.
 */
static void call_on_response(void *arg, enum err rc, const struct http_response *response,
	const struct why *why)
{
	struct call *call = arg;
	struct agent_client *c = call->client;
	agent_reply_fn *fn = call->fn;
	void *owner = call->arg;
	struct agent_reply reply = { .status = 0 };
	struct why words = { "" };

	call_free(call);
	if (rc == ERR_OK) {
		reply.status = response->status;
		reply.body = response->body;
	} else {
		err_set(&words, rc, "the agent does not respond: %s", err_text(rc, why));
	}
	if ((rc != ERR_OK || reply.status == 401) && list_is_empty(&c->calls)) {
		struct buf body;

		/* The body belongs to the connection. */
		buf_init(&body, reply.body.n + 1);
		(void)buf_put_span(&body, reply.body);
		disconnect(c);
		reply.body = buf_span(&body);
		fn(owner, rc, rc == ERR_OK ? &reply : NULL, &words);
		buf_fini(&body);
		return;
	}
	fn(owner, rc, rc == ERR_OK ? &reply : NULL, &words);
}

enum err agent_client_send(struct agent_client *c, const struct agent_request *q,
	struct why *why)
{
	struct http_client_request request = {
		.method = q->method,
		.target = q->target,
		.body = q->body,
		.response_max = API_ANSWER_MAX,
		.timeout_ms = q->timeout_ms,
		.fn = call_on_response,
	};
	struct call *call;
	enum err rc = c->http != NULL ? ERR_OK : connect_to(c, why);

	if (rc != ERR_OK)
		return rc;
	call = mem_new(call);
	if (call == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a request");
	list_init(&call->in_client);
	call->client = c;
	call->fn = q->fn;
	call->arg = q->arg;
	request.arg = call;
	request.headers = c->headers;
	rc = http_client_send(c->http, &request, NULL);
	if (rc != ERR_OK) {
		call_free(call);
		return err_set(why, rc, "cannot send a request to the agent: %s",
			err_name(rc));
	}
	list_add(&c->calls, &call->in_client);
	return ERR_OK;
}
