/* Linux: systemd. Where it does not run, its functions say so. */
#include "agent/service/manager.h"

const struct service_manager *service_manager_default(void)
{
	return &systemd_manager;
}
