/* A Unix socket for requests of this machine's administrators. */
#include "http/local_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/fd.h"
#include "net/listener.h"

struct local_socket {
	struct http_server *server; /* borrowed, as the log */
	const struct log *log;
	struct listener *listener;
	char *path; /* of the socket; NULL before it exists */
};

/* Not all systems check the mode of a socket. */
static bool peer_may(int fd)
{
	uid_t peer;

	return local_socket_peer(fd, &peer) && (peer == 0 || peer == geteuid());
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct local_socket *s = arg;

	if (peer_may(fd)) {
		http_server_on_accept(s->server, fd, peer);
		return;
	}
	log_limited(LOG_WARN, s->log, "%s: closed a connection of another user", s->path);
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
static enum err socket_bind(const char *directory, const char *file, int *out,
	struct why *why)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = fd_socket(AF_UNIX, SOCK_STREAM);
	int directory_fd = -1;
	enum err rc;

	if (fd < 0)
		return err_sys(why, errno, "cannot create a socket");
	rc = local_socket_path(directory, file, a.sun_path, &directory_fd, why);
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

enum err local_socket_open(const struct local_socket_options *o,
	struct local_socket **out, struct why *why)
{
	struct local_socket *s = mem_new(s);
	int fd = -1;
	enum err rc;

	if (s == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	s->server = o->server;
	s->log = o->log;
	rc = socket_bind(o->directory, o->file, &fd, why);
	if (rc == ERR_OK) {
		s->path = str_printf("%s/%s", o->directory, o->file);
		rc = s->path == NULL ?
			err_set(why, ERR_NOMEM, "out of memory") :
			listener_adopt_take(o->loop, fd, on_accept, s, &s->listener, why);
	}
	if (rc == ERR_OK) {
		*out = s;
		return rc;
	}
	if (fd >= 0)
		close(fd);
	local_socket_close(s);
	return rc;
}

void local_socket_close(struct local_socket *s)
{
	if (s == NULL)
		return;
	if (s->path != NULL)
		(void)unlink(s->path);
	listener_close(s->listener);
	free(s->path);
	free(s);
}
