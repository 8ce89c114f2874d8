/* macOS: launchd. */
#include "agent/service/manager.h"

#include <mach-o/dyld.h>
#include <stdio.h>
#include <unistd.h>

#include "base/str.h"

const struct service_manager *service_manager_default(void)
{
	return &launchd_manager;
}

enum err service_own_program(char to[SERVICE_PATH_MAX], struct why *why)
{
	char called[SERVICE_PATH_MAX];
	uint32_t size = sizeof(called);
	size_t n;

	if (_NSGetExecutablePath(called, &size) != 0)
		return err_set(why, ERR_LIMIT, "the path of this program is too long");
	if (called[0] == '/') {
		str_copy(to, SERVICE_PATH_MAX, called);
		return ERR_OK;
	}
	if (getcwd(to, SERVICE_PATH_MAX) == NULL)
		return err_set(why, ERR_NOENT,
			"cannot find out the path of this program");
	n = strlen(to);
	if ((size_t)snprintf(to + n, SERVICE_PATH_MAX - n, "/%s",
		    called + (str_has_prefix(called, "./") ? 2 : 0)) >=
		SERVICE_PATH_MAX - n)
		return err_set(why, ERR_LIMIT, "the path of this program is too long");
	return ERR_OK;
}
