/* Linux: systemd. Where it does not run, its functions say so. */
#include "agent/service/manager.h"

#include <errno.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

const struct service_manager *service_manager_default(void)
{
	return &systemd_manager;
}

static bool is_this_program(const char *path)
{
	struct stat found, ours;

	return stat(path, &found) == 0 && stat("/proc/self/exe", &ours) == 0 &&
		found.st_dev == ours.st_dev && found.st_ino == ours.st_ino;
}

/* What execve(2) was given, absolute. False: too long, or not known. */
static bool find_called(char to[SERVICE_PATH_MAX])
{
	const char *called = (const char *)(uintptr_t)getauxval(AT_EXECFN);
	size_t n;

	if (called == NULL)
		return false;
	if (called[0] == '/')
		return str_copy(to, SERVICE_PATH_MAX, called);
	if (getcwd(to, SERVICE_PATH_MAX) == NULL)
		return false;
	if (str_has_prefix(called, "./"))
		called += 2;
	n = strlen(to);
	return (size_t)snprintf(to + n, SERVICE_PATH_MAX - n, "/%s", called) <
		SERVICE_PATH_MAX - n;
}

enum err service_own_program(char to[SERVICE_PATH_MAX], struct why *why)
{
	ssize_t n;

	/* Not that of a descriptor, which goes with this process. */
	if (find_called(to) && !str_has_prefix(to, "/proc/") &&
		!str_has_prefix(to, "/dev/") && is_this_program(to))
		return ERR_OK;
	n = readlink("/proc/self/exe", to, SERVICE_PATH_MAX - 1);
	if (n < 0)
		return err_set(why, ERR_NOENT,
			"cannot find out the path of this program");
	to[n] = '\0';
	if (n == SERVICE_PATH_MAX - 1)
		return err_set(why, ERR_LIMIT, "the path of this program is too long");
	if (!is_this_program(to))
		return err_set(why, ERR_NOENT,
			"this program has been replaced since it was started: start it again");
	return ERR_OK;
}
