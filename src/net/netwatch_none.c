/* No news of the network: sleep and stops are noticed all the same. */
#include "net/netwatch_priv.h"

int netwatch_open_news(void)
{
	return -1;
}
