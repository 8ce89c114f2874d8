/* What netwatch.c asks of the system: netwatch_linux.c or netwatch_none.c. */
#ifndef NET_NETWATCH_PRIV_H
#define NET_NETWATCH_PRIV_H

/* A non-blocking descriptor that is readable when addresses or routes change, or -1. */
int netwatch_open_news(void);

#endif
