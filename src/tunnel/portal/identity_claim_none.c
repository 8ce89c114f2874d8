/* No claims: this system has no names of sockets that end with their process. */
#include "tunnel/portal/identity.h"

enum err identity_claim(const struct identity *id, int *fd)
{
	(void)id;
	*fd = -1;
	return ERR_SYS;
}
