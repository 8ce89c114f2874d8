/* adit relay: the public server of leases. */
#include "cli/command.h"

static const struct command *const commands[] = {
	&command_relay_run,
	&command_relay_status,
	&command_relay_lease,
	NULL,
};

const struct command command_relay = {
	.name = "relay",
	.summary = "be the public server of leases, whose TLS ends at home",
	.about =
		"A relay gives public names to services behind firewalls: agents hold leases of\n"
		"names, and visitors reach them by these names.\n",
	.commands = commands,
};
