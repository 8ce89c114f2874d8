/* For tests: pairs of sockets, and threads that talk through them and check what they
 * hear. */
#ifndef NET_TALKER_TEST_H
#define NET_TALKER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void tcp_pair(int ends[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(l, (struct sockaddr *)&at, n), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&at, &n), 0);
	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(ends[0], (struct sockaddr *)&at, n), 0);
	ends[1] = accept(l, NULL, NULL);
	assert_true(ends[1] >= 0);
	close(l);
}

static inline void unix_pair(int ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

/* A stream of numbers that cannot be reordered, lost or doubled unseen. */
struct numbers {
	uint64_t at;
	uint8_t word[8];
};

static inline uint8_t numbers_next(struct numbers *s)
{
	if (s->at % 8 == 0) {
		uint64_t v = (s->at / 8 + 1) * 0x9e3779b97f4a7c15;

		v ^= v >> 29;
		memcpy(s->word, &v, 8);
	}
	return s->word[s->at++ % 8];
}

struct talker {
	int fd;
	size_t n;        /* how much to say or hear */
	bool is_correct; /* what was heard */
	pthread_t thread;
};

static inline void *talker_say(void *arg)
{
	struct talker *t = arg;
	struct numbers numbers = { .at = 0 };
	uint8_t buf[100000];
	size_t left = t->n;

	while (left > 0) {
		size_t n = left < sizeof(buf) ? left : sizeof(buf), at = 0;

		for (size_t i = 0; i < n; i++)
			buf[i] = numbers_next(&numbers);
		while (at < n) {
			ssize_t put = send(t->fd, buf + at, n - at, MSG_NOSIGNAL);

			if (put < 0)
				return NULL;
			at += (size_t)put;
		}
		left -= n;
	}
	shutdown(t->fd, SHUT_WR);
	return NULL;
}

static inline void *talker_hear(void *arg)
{
	struct talker *t = arg;
	struct numbers numbers = { .at = 0 };
	uint8_t buf[100000];
	ssize_t n;

	t->is_correct = true;
	while ((n = recv(t->fd, buf, sizeof(buf), 0)) > 0)
		for (ssize_t i = 0; i < n; i++)
			t->is_correct &= buf[i] == numbers_next(&numbers);
	t->is_correct &= numbers.at == t->n;
	return NULL;
}

struct talk {
	struct talker talkers[4];
};

/* @a says @n bytes to @b, which says a third of that, both at once, and then they
 * finish. */
static inline void talk_begin(struct talk *talk, int a, int b, size_t n)
{
	struct talker *t = talk->talkers;

	t[0] = (struct talker){ .fd = a, .n = n };
	t[1] = (struct talker){ .fd = b, .n = n };
	t[2] = (struct talker){ .fd = b, .n = n / 3 };
	t[3] = (struct talker){ .fd = a, .n = n / 3 };
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i].thread, NULL, i % 2 == 0 ? talker_say : talker_hear,
			&t[i]);
}

/* True if every byte was heard as it was said. */
static inline bool talk_end(struct talk *talk)
{
	for (int i = 0; i < 4; i++)
		pthread_join(talk->talkers[i].thread, NULL);
	return talk->talkers[1].is_correct && talk->talkers[3].is_correct;
}

#endif
