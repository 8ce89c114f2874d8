/* Other systems: no service manager that we know. */
#include "agent/service/manager.h"

const struct service_manager *service_manager_default(void)
{
	return &no_manager;
}

enum err service_own_program(char to[SERVICE_PATH_MAX], struct why *why)
{
	(void)to;
	return err_set(why, ERR_NOENT, "cannot find out the path of this program");
}
