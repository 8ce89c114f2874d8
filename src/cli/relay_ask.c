/* Questions to a relay on this machine, one after the other, on a loop of their own. */
#include "cli/relay_ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/api.h"
#include "http/client.h"
#include "loop/fd.h"
#include "relay/admin_socket.h"
#include "store/file.h"

#define ASK_MS 5000

struct relay_ask {
	struct loop *loop;
	struct http_client *client;
	int directory_fd; /* by which the socket is reached; -1: none is needed */

	/* The answer. */
	enum err rc;
	unsigned status;
	struct buf body;
	struct why *why;
};

/* ---- is there one? ---- */

static enum err refused(const char *directory, int errnum, struct why *why)
{
	int lock = -1;

	if (errnum == EACCES || errnum == EPERM)
		return err_set(why, ERR_DENIED,
			"only root and the relay's own user may ask the relay in %.150s",
			directory);
	if (errnum != ENOENT && errnum != ECONNREFUSED && errnum != ENOTDIR)
		return err_sys(why, errnum, "the relay in %.150s cannot be asked",
			directory);
	if (file_lock_directory(directory, &lock, NULL) == ERR_EXISTS)
		return err_set(why, ERR_AGAIN,
			"the relay in %.150s does not serve yet: its log says what it waits for",
			directory);
	if (lock >= 0)
		close(lock);
	return err_set(why, ERR_NOENT,
		"no relay serves from %.150s; is it running, and with this --identity-path?",
		directory);
}

static enum err try_socket(const char *directory, const struct sockaddr_un *a,
	struct why *why)
{
	int fd = fd_socket(AF_UNIX, SOCK_STREAM), errnum = 0;

	if (fd < 0)
		return err_sys(why, errno, "no socket");
	/* One with a full queue is there. */
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) != 0 && errno != EAGAIN)
		errnum = errno;
	close(fd);
	return errnum == 0 ? ERR_OK : refused(directory, errnum, why);
}

static enum err ask_connect(struct relay_ask *a, const char *directory, struct why *why)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct http_client_options o = { .unix_path = address.sun_path };
	enum err rc = admin_socket_path(directory, address.sun_path, &a->directory_fd,
		why);

	if (rc == ERR_NOENT || rc == ERR_DENIED)
		return refused(directory, rc == ERR_NOENT ? ENOENT : EACCES, why);
	if (rc == ERR_OK)
		rc = try_socket(directory, &address, why);
	if (rc != ERR_OK)
		return rc;
	rc = loop_new(&a->loop);
	o.loop = a->loop;
	if (rc == ERR_OK)
		rc = http_client_new(&o, &a->client);
	return rc == ERR_OK ? rc : err_set(why, rc, "no event loop: %s", err_name(rc));
}

enum err relay_ask_open(const char *directory, struct relay_ask **out, struct why *why)
{
	struct relay_ask *a = mem_new(a);
	enum err rc;

	if (a == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	a->directory_fd = -1;
	buf_init(&a->body, API_ANSWER_MAX);
	rc = ask_connect(a, directory, why);
	if (rc == ERR_OK)
		*out = a;
	else
		relay_ask_close(a);
	return rc;
}

void relay_ask_close(struct relay_ask *a)
{
	if (a == NULL)
		return;
	http_client_free(a->client);
	loop_free(a->loop);
	if (a->directory_fd >= 0)
		close(a->directory_fd);
	buf_fini(&a->body);
	free(a);
}

/* ---- questions ---- */

static void on_answer(void *arg, enum err rc, const struct http_response *answer,
	const struct why *why)
{
	struct relay_ask *a = arg;

	a->rc = rc;
	if (rc != ERR_OK) {
		err_set(a->why, rc, "the relay does not answer: %s", err_text(rc, why));
	} else {
		a->status = answer->status;
		a->rc = buf_put_span(&a->body, answer->body);
	}
	loop_stop(a->loop);
}

/* The envelope: portal-protocol 2.2. */
static enum err read_answer(struct relay_ask *a, json_t **data, struct why *why)
{
	json_t *root = json_loadb((const char *)buf_front(&a->body), a->body.n, 0, NULL);
	const char *words;
	enum err rc = ERR_OK;

	if (a->status == 200 && json_is_object(json_object_get(root, "data"))) {
		*data = json_incref(json_object_get(root, "data"));
	} else {
		words = json_string_value(
			json_object_get(json_object_get(root, "error"), "message"));
		rc = words != NULL ?
			err_set(why, ERR_PROTO, "the relay refuses: %.150s", words) :
			err_set(why, ERR_PROTO, "the relay answers with status %u",
				a->status);
	}
	json_decref(root);
	return rc;
}

enum err relay_ask(struct relay_ask *a, const char *method, const char *target,
	const char *body, json_t **data, struct why *why)
{
	struct http_client_request q = {
		.method = method,
		.target = target,
		.body = span_str(body != NULL ? body : ""),
		.response_max = API_ANSWER_MAX,
		.timeout_ms = ASK_MS,
		.fn = on_answer,
		.arg = a,
	};
	enum err rc;

	a->why = why;
	buf_reset(&a->body);
	rc = http_client_send(a->client, &q, NULL);
	if (rc != ERR_OK)
		return err_set(why, rc, "the relay cannot be asked: %s", err_name(rc));
	loop_run(a->loop);
	return a->rc == ERR_OK ? read_answer(a, data, why) : a->rc;
}
