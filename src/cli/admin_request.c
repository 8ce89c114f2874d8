/* Requests to a relay on this machine, each on a loop and a connection of its own. */
#include "cli/admin_request.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "http/api.h"
#include "http/client.h"
#include "loop/fd.h"
#include "relay/admin_socket.h"
#include "store/file.h"

#define ADMIN_REQUEST_MS 5000

struct exchange {
	struct loop *loop;
	enum err rc;
	unsigned status;
	struct buf body;
	struct why *why;
};

/* Why the socket in @directory cannot be connected to. */
static enum err explain(const char *directory, int errnum, struct why *why)
{
	int lock = -1;

	if (errnum == EACCES || errnum == EPERM)
		return err_set(why, ERR_DENIED,
			"only root and the relay's own user may use the relay's socket in"
			" %.150s",
			directory);
	if (errnum != ENOENT && errnum != ECONNREFUSED && errnum != ENOTDIR)
		return err_sys(why, errnum, "cannot connect to the relay in %.150s",
			directory);
	if (file_lock_directory(directory, &lock, NULL) == ERR_EXISTS)
		return err_set(why, ERR_AGAIN,
			"the relay in %.150s does not serve yet: its log says what it waits for",
			directory);
	if (lock >= 0)
		close(lock);
	return err_set(why, ERR_NOENT,
		"no relay serves from %.150s: check that it runs, and that this"
		" --identity-path is its own",
		directory);
}

static enum err try_socket(const char *directory, const struct sockaddr_un *a,
	struct why *why)
{
	int fd = fd_socket(AF_UNIX, SOCK_STREAM), errnum = 0;

	if (fd < 0)
		return err_sys(why, errno, "no socket");
	/* EAGAIN: the queue of connections is full. */
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) != 0 && errno != EAGAIN)
		errnum = errno;
	close(fd);
	return errnum == 0 ? ERR_OK : explain(directory, errnum, why);
}

static void on_response(void *arg, enum err rc, const struct http_response *response,
	const struct why *why)
{
	struct exchange *x = arg;

	if (rc != ERR_OK) {
		x->rc = err_set(x->why, rc, "the relay does not respond: %s",
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

	if (x->status == 200 && json_is_object(found))
		*data = json_incref(found);
	else if (words != NULL)
		rc = err_set(x->why, ERR_PROTO, "the relay refuses: %.150s", words);
	else
		rc = err_set(x->why, ERR_PROTO, "the relay responds with status %u",
			x->status);
	json_decref(root);
	return rc;
}

enum err admin_request(const char *directory, const char *method, const char *target,
	const char *body, json_t **data, struct why *why)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct exchange x = { .why = why };
	struct http_client_options o = { .unix_path = address.sun_path };
	struct http_client *client = NULL;
	struct http_client_request q = {
		.method = method,
		.target = target,
		.body = span_str(body != NULL ? body : ""),
		.response_max = API_ANSWER_MAX,
		.timeout_ms = ADMIN_REQUEST_MS,
		.fn = on_response,
		.arg = &x,
	};
	int directory_fd = -1;
	enum err rc = admin_socket_path(directory, address.sun_path, &directory_fd, why);

	buf_init(&x.body, API_ANSWER_MAX);
	if (rc == ERR_NOENT || rc == ERR_DENIED)
		rc = explain(directory, rc == ERR_NOENT ? ENOENT : EACCES, why);
	else if (rc == ERR_OK)
		rc = try_socket(directory, &address, why);
	if (rc != ERR_OK)
		goto out;
	rc = loop_new(&x.loop);
	o.loop = x.loop;
	if (rc == ERR_OK)
		rc = http_client_new(&o, &client);
	if (rc == ERR_OK)
		rc = http_client_send(client, &q, NULL);
	if (rc != ERR_OK) {
		err_set(why, rc, "cannot send a request to the relay: %s", err_name(rc));
		goto out;
	}
	loop_run(x.loop);
	rc = x.rc == ERR_OK ? read_response(&x, data) : x.rc;
out:
	http_client_free(client);
	loop_free(x.loop);
	if (directory_fd >= 0)
		close(directory_fd);
	buf_fini(&x.body);
	return rc;
}
