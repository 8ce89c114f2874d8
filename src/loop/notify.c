/* Datagrams to the service manager, and the pulse for its watchdog. */
#include "loop/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/fd.h"

#define NOTIFY_TEXT_MAX 256
#define NOTIFY_RETRY_MS 100

struct notify {
	int fd;
	struct sockaddr_un to;
	socklen_t to_n;
	struct loop_timer *timer;
	uint64_t pulse_ms; /* 0: no watchdog waits for us */
	/* not sent yet, since the manager's queue was full */
	char state[NOTIFY_TEXT_MAX];
	char status[NOTIFY_TEXT_MAX]; /* the last one */
};

/* "/path", or "@name" for the abstract namespace. */
static bool notify_read_address(struct notify *n, const char *text)
{
	size_t length = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || length >= sizeof(n->to.sun_path))
		return false;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, text, length);
	if (text[0] == '@')
		n->to.sun_path[0] = '\0';
	n->to_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	return true;
}

/* WATCHDOG_PID says for which process it is. A pulse comes twice in the time. */
static uint64_t notify_read_pulse(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	return strtoull(usec, NULL, 10) / 2000;
}

static bool notify_send(const struct notify *n, const char *text)
{
	return sendto(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
		       (const struct sockaddr *)&n->to, n->to_n) >= 0;
}

static void notify_set_timer(struct notify *n)
{
	if (n->state[0] != '\0')
		loop_timer_set(n->timer, NOTIFY_RETRY_MS);
	else if (n->pulse_ms > 0)
		loop_timer_set(n->timer, n->pulse_ms);
}

static void notify_on_timer(void *arg)
{
	struct notify *n = arg;

	if (n->state[0] != '\0' && (notify_send(n, n->state) || errno != EAGAIN))
		n->state[0] = '\0';
	if (n->pulse_ms > 0)
		(void)notify_send(n, "WATCHDOG=1");
	notify_set_timer(n);
}

struct notify *notify_open(struct loop *loop, const struct log *log)
{
	const char *address = getenv("NOTIFY_SOCKET");
	struct notify *n;

	if (address == NULL || address[0] == '\0')
		return NULL;
	n = mem_new(n);
	if (n == NULL)
		return NULL;
	n->pulse_ms = notify_read_pulse();
	n->fd = fd_socket(AF_UNIX, SOCK_DGRAM);
	if (n->fd < 0 || !notify_read_address(n, address) ||
		loop_timer_open(loop, notify_on_timer, n, &n->timer) != ERR_OK) {
		log_warn(log, "NOTIFY_SOCKET: cannot notify the service manager at %s",
			address);
		notify_close(n);
		return NULL;
	}
	notify_set_timer(n);
	return n;
}

/* A state replaces one that was not sent yet. */
static void notify_tell(struct notify *n, const char *state)
{
	n->state[0] = '\0';
	if (!notify_send(n, state) && errno == EAGAIN)
		str_copy(n->state, sizeof(n->state), state);
	notify_set_timer(n);
}

void notify_ready(struct notify *n)
{
	if (n != NULL)
		notify_tell(n, "READY=1");
}

void notify_reloading(struct notify *n)
{
	char text[NOTIFY_TEXT_MAX];
	struct timespec now;

	if (n == NULL)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		(unsigned long long)now.tv_sec * 1000000 +
			(unsigned long long)now.tv_nsec / 1000);
	notify_tell(n, text);
}

void notify_stopping(struct notify *n)
{
	if (n != NULL)
		notify_tell(n, "STOPPING=1");
}

void notify_status(struct notify *n, const char *fmt, ...)
{
	char text[NOTIFY_TEXT_MAX] = "STATUS=";
	size_t begin = strlen(text);
	va_list args;

	if (n == NULL)
		return;
	va_start(args, fmt);
	vsnprintf(text + begin, sizeof(text) - begin, fmt, args);
	va_end(args);
	text[begin + strcspn(text + begin, "\n")] = '\0';
	if (strcmp(text, n->status) == 0)
		return;
	str_copy(n->status, sizeof(n->status), text);
	(void)notify_send(n, text);
}

void notify_close(struct notify *n)
{
	if (n == NULL)
		return;
	loop_timer_close(n->timer);
	if (n->fd >= 0)
		close(n->fd);
	free(n);
}
