/* macOS: launchd. */
#include "agent/service/manager.h"

const struct service_manager *service_manager_default(void)
{
	return &launchd_manager;
}
