/* The administrators' API on a Unix socket. */
#include "relay/admin_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "http/server.h"
#include "loop/fd.h"
#include "relay/admin.h"
#include "relay/relay_priv.h"

#define CONNECTIONS_MAX 16

struct admin_socket {
	struct relay *relay; /* borrowed: it owns us */
	struct api api;
	struct http_server *http;
	struct listener *listener;
	char *path; /* of the socket; NULL before it exists */
};

/* ---- calls ---- */

/* For administrators only: agents and browsers use the API's port. */
static const struct api_table *const tables[] = { ADMIN_TABLES, NULL };

static bool admit(void *context, struct api_call *call)
{
	(void)context;
	call->is_local = true;
	return true;
}

/* ---- connections ---- */

/* Not all systems check the mode of a socket. */
static bool peer_may(int fd)
{
	uid_t peer;

	return admin_socket_peer(fd, &peer) && (peer == 0 || peer == geteuid());
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct admin_socket *s = arg;

	if (peer_may(fd)) {
		http_server_on_accept(s->http, fd, peer);
		return;
	}
	log_limited(LOG_WARN, &s->relay->log,
		"admin socket: closed a connection of another user");
	close(fd);
}

static enum err remove_old(const char *path, struct why *why)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? ERR_OK : err_sys(why, errno, "%.150s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(why, ERR_EXISTS,
			"%.150s exists and is not a socket: remove it", path);
	return unlink(path) == 0 ? ERR_OK : err_sys(why, errno, "%.150s", path);
}

/* The kernel takes the mode of @fd, so that the socket is never open to other users. */
static enum err socket_bind(const char *directory, int *out, struct why *why)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = fd_socket(AF_UNIX, SOCK_STREAM);
	int directory_fd = -1;
	enum err rc;

	if (fd < 0)
		return err_sys(why, errno, "cannot create a socket");
	rc = admin_socket_path(directory, a.sun_path, &directory_fd, why);
	if (rc == ERR_OK)
		rc = remove_old(a.sun_path, why);
	if (rc == ERR_OK &&
		(fchmod(fd, 0600) != 0 ||
			bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
			chmod(a.sun_path, 0600) != 0))
		rc = err_sys(why, errno, "%.150s", a.sun_path);
	if (directory_fd >= 0)
		close(directory_fd);
	if (rc == ERR_OK)
		*out = fd;
	else
		close(fd);
	return rc;
}

static enum err socket_listen(struct admin_socket *s, struct why *why)
{
	const char *directory = s->relay->options.state_dir;
	int fd = -1;
	enum err rc = socket_bind(directory, &fd, why);

	if (rc != ERR_OK)
		return rc;
	s->path = str_printf("%s/" ADMIN_SOCKET_FILE, directory);
	rc = s->path == NULL ? err_set(why, ERR_NOMEM, "out of memory") :
			       listener_adopt_take(s->relay->control->loop, fd, on_accept,
				       s, &s->listener, why);
	if (rc != ERR_OK)
		close(fd);
	return rc;
}

enum err admin_socket_open(struct relay *r, struct admin_socket **out, struct why *why)
{
	struct admin_socket *s = mem_new(s);
	struct http_server_options o = {
		.loop = r->control->loop,
		.pool = &r->control->blocks,
		.connections_max = CONNECTIONS_MAX,
		.on_request = api_on_request,
	};
	const struct api_options api = {
		.tables = tables,
		.envelope = &relay_envelope,
		.context = r,
		.admit = admit,
	};
	enum err rc;

	if (s == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	s->relay = r;
	o.arg = &s->api;
	rc = api_init(&s->api, &api, why);
	if (rc == ERR_OK)
		rc = http_server_new(&o, &s->http);
	if (rc == ERR_OK)
		rc = socket_listen(s, why);
	if (rc == ERR_OK)
		*out = s;
	else
		admin_socket_close(s);
	return rc;
}

void admin_socket_close(struct admin_socket *s)
{
	if (s == NULL)
		return;
	if (s->path != NULL)
		(void)unlink(s->path);
	listener_close(s->listener);
	http_server_free(s->http);
	free(s->path);
	free(s);
}
