/* Requests to a relay on this machine. */
#include "cli/admin_request.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/request.h"
#include "http/local_socket.h"
#include "loop/fd.h"
#include "relay/admin_socket.h"
#include "store/file.h"

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

enum err admin_request(const char *directory, const char *method, const char *target,
	const char *body, json_t **data, struct why *why)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct request q = {
		.peer = "the relay",
		.client.unix_path = address.sun_path,
		.method = method,
		.target = target,
		.body = body,
		.is_bare = str_has_prefix(target, "/api/"),
	};
	int directory_fd = -1;
	enum err rc = local_socket_path(directory, ADMIN_SOCKET_FILE, address.sun_path,
		&directory_fd, why);

	if (rc == ERR_NOENT || rc == ERR_DENIED)
		rc = explain(directory, rc == ERR_NOENT ? ENOENT : EACCES, why);
	else if (rc == ERR_OK)
		rc = try_socket(directory, &address, why);
	if (rc == ERR_OK)
		rc = request_send(&q, data, why);
	if (directory_fd >= 0)
		close(directory_fd);
	return rc;
}
