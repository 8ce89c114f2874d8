/* Other systems: no service manager that we know. */
#include "agent/service/manager.h"

const struct service_manager *service_manager_default(void)
{
	return &no_manager;
}
