/* An HTTP/1 server: its settings, and the list of its connections. */
#include "http/server.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/connection.h"
#include "net/listener.h"
#include "net/socket.h"

#define CONNECTIONS_MAX 10000
#define HEAD_MIN 1024

enum err http_server_new(const struct http_server_options *o, struct http_server **out)
{
	struct http_server *server = mem_new(server);

	if (server == NULL)
		return ERR_NOMEM;
	server->o = *o;
	if (server->o.connections_max == 0)
		server->o.connections_max = CONNECTIONS_MAX;
	if (server->o.head_max == 0)
		server->o.head_max = HTTP1_REQUEST_HEAD_MAX;
	if (server->o.head_max < HEAD_MIN)
		server->o.head_max = HEAD_MIN;
	if (server->o.head_max > HTTP_HEAD_MAX)
		server->o.head_max = HTTP_HEAD_MAX;
	list_init(&server->connections);
	*out = server;
	return ERR_OK;
}

void http_server_free(struct http_server *server)
{
	struct list *it, *tmp;

	if (server == NULL)
		return;
	listener_close(server->listener);
	list_each(it, tmp, &server->connections)
		connection_free(connection_of(it));
	free(server);
}

bool http_server_end(struct http_server *server, void (*on_empty)(void *arg), void *arg)
{
	struct list *it, *tmp;

	listener_close(server->listener);
	server->listener = NULL;
	server->on_empty = on_empty;
	server->empty_arg = arg;
	list_each(it, tmp, &server->connections)
		connection_drain(connection_of(it));
	return server->count == 0;
}

static bool server_make_room(struct http_server *server)
{
	struct list *it, *tmp;

	if (server->count < server->o.connections_max)
		return true;
	list_each(it, tmp, &server->connections) {
		if (connection_is_idle(connection_of(it))) {
			connection_free(connection_of(it));
			return true;
		}
	}
	return false;
}

struct connection *http_server_serve_tagged_take(struct http_server *server,
	struct stream *stream, const struct addr *peer, const struct http_tag *tag)
{
	struct connection *c = NULL;

	if (server->on_empty != NULL || !server_make_room(server))
		stream_abort(stream);
	else
		c = connection_open_take(server, stream, peer, tag);
	if (c == NULL && tag->on_closed != NULL)
		tag->on_closed(tag->arg);
	return c;
}

void http_server_serve_take(struct http_server *server, struct stream *stream,
	const struct addr *peer)
{
	const struct http_tag none = { .arg = NULL };

	(void)http_server_serve_tagged_take(server, stream, peer, &none);
}

void http_server_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct http_server *server = arg;
	struct stream *stream;

	if (socket_open_take(server->o.loop, fd, &stream) == ERR_OK)
		http_server_serve_take(server, stream, peer);
	else
		close(fd);
}

enum err http_server_listen(struct http_server *server, const char *host, uint16_t port,
	struct addr *at, struct why *why)
{
	enum err rc = listener_open(server->o.loop, host, port, http_server_on_accept,
		server, &server->listener, why);

	if (rc == ERR_OK)
		listener_addr(server->listener, at);
	return rc;
}
