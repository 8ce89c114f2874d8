/* What socket.c asks of the system: socket_linux.c or socket_darwin.c. */
#ifndef NET_SOCKET_PRIV_H
#define NET_SOCKET_PRIV_H

/* TCP_KEEPIDLE, by whatever name. */
extern const int socket_keepidle;

#endif
