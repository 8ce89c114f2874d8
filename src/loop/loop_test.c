/* Behaviour of the loop: readiness, timers, deferred calls, mail, workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/worker.h"

/* What the callbacks of a test note down. */
struct notes {
	struct loop *loop;
	unsigned calls, ready;
	struct loop_io *io, *other;
	struct loop_timer *timer;
	struct loop_deferred deferred;
	unsigned again; /* how often to go on */
	char order[16];
	size_t n;
};

static int setup(void **state)
{
	struct notes *notes = mem_new(notes);

	assert_int_equal(loop_new(&notes->loop), ERR_OK);
	*state = notes;
	return 0;
}

static int teardown(void **state)
{
	struct notes *notes = *state;

	loop_free(notes->loop);
	free(notes);
	return 0;
}

static void note_io(void *arg, unsigned ready)
{
	struct notes *notes = arg;

	notes->calls++;
	notes->ready = ready;
}

static void test_readiness_is_level_triggered(void **state)
{
	struct notes *notes = *state;
	int ends[2];
	char byte;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(loop_io_open(notes->loop, ends[0], note_io, notes, &notes->io),
		ERR_OK);
	loop_turn(notes->loop);
	assert_int_equal(notes->calls, 0);

	loop_io_want(notes->io, LOOP_READ | LOOP_WRITE);
	loop_turn(notes->loop);
	assert_int_equal(notes->ready, LOOP_WRITE);

	loop_io_want(notes->io, LOOP_READ);
	assert_int_equal(write(ends[1], "x", 1), 1);
	loop_turn(notes->loop);
	loop_turn(notes->loop);
	assert_int_equal(notes->calls, 3);
	assert_int_equal(notes->ready, LOOP_READ);

	assert_int_equal(read(ends[0], &byte, 1), 1);
	loop_turn(notes->loop);
	assert_int_equal(notes->calls, 3);

	loop_io_close(notes->io);
	close(ends[0]);
	close(ends[1]);
}

static void test_bytes_are_no_hang_up(void **state)
{
	struct notes *notes = *state;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(loop_io_open(notes->loop, ends[0], note_io, notes, &notes->io),
		ERR_OK);
	loop_io_want(notes->io, LOOP_HANGUP);
	assert_int_equal(write(ends[1], "x", 1), 1);
	loop_turn(notes->loop);
	shutdown(ends[1], SHUT_WR);
	loop_turn(notes->loop);
	assert_int_equal(notes->calls, 0);
	loop_io_close(notes->io);
	close(ends[0]);
	close(ends[1]);
}

static void test_a_hang_up_shows_as_what_was_wanted(void **state)
{
	struct notes *notes = *state;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(loop_io_open(notes->loop, ends[0], note_io, notes, &notes->io),
		ERR_OK);
	close(ends[1]);
	loop_turn(notes->loop);
	assert_int_equal(notes->calls, 0);
	loop_io_want(notes->io, LOOP_READ);
	loop_turn(notes->loop);
	assert_int_equal(notes->ready, LOOP_READ);

	loop_io_want(notes->io, 0);
	loop_turn(notes->loop);
	assert_int_equal(notes->calls, 1);
	loop_io_want(notes->io, LOOP_HANGUP);
	loop_turn(notes->loop);
	assert_int_equal(notes->calls, 2);
	assert_int_equal(notes->ready, LOOP_HANGUP);
	loop_io_close(notes->io);
	close(ends[0]);
}

static void test_a_file_is_always_ready(void **state)
{
	struct notes *notes = *state;
	FILE *file = tmpfile();

	assert_non_null(file);
	assert_int_equal(loop_io_open(notes->loop, fileno(file), note_io, notes,
				 &notes->io),
		ERR_OK);
	loop_io_want(notes->io, LOOP_READ);
	loop_turn(notes->loop);
	loop_turn(notes->loop);
	assert_int_equal(notes->calls, 2);
	loop_io_want(notes->io, 0);
	loop_turn(notes->loop);
	assert_int_equal(notes->calls, 2);
	loop_io_want(notes->io, LOOP_READ);
	loop_turn(notes->loop);
	assert_int_equal(notes->calls, 3);
	loop_io_close(notes->io);
	fclose(file);
}

static void close_other(void *arg, unsigned ready)
{
	struct notes *notes = arg;

	note_io(arg, ready);
	loop_io_close(notes->io);
	loop_io_close(notes->other);
	notes->io = notes->other = NULL;
}

static void test_a_closed_io_is_quiet_in_the_same_turn(void **state)
{
	struct notes *notes = *state;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(loop_io_open(notes->loop, ends[0], close_other, notes,
				 &notes->io),
		ERR_OK);
	assert_int_equal(loop_io_open(notes->loop, ends[1], close_other, notes,
				 &notes->other),
		ERR_OK);
	loop_io_want(notes->io, LOOP_WRITE);
	loop_io_want(notes->other, LOOP_WRITE);
	loop_turn(notes->loop);
	loop_turn(notes->loop);
	assert_int_equal(notes->calls, 1);
	close(ends[0]);
	close(ends[1]);
}

static void note_letter(struct notes *notes, char letter)
{
	if (notes->n < sizeof(notes->order) - 1)
		notes->order[notes->n++] = letter;
}

static void defer_again(void *arg)
{
	struct notes *notes = arg;

	note_letter(notes, 'd');
	if (notes->again-- > 0)
		loop_defer(notes->loop, &notes->deferred);
	else
		loop_stop(notes->loop);
}

static void test_a_deferred_call_may_defer_again_without_waiting(void **state)
{
	struct notes *notes = *state;

	notes->again = 3;
	loop_deferred_init(&notes->deferred, defer_again, notes);
	loop_defer(notes->loop, &notes->deferred);
	loop_defer(notes->loop, &notes->deferred);
	loop_run(notes->loop);
	assert_string_equal(notes->order, "dddd");
}

static void test_an_undeferred_call_does_not_come(void **state)
{
	struct notes *notes = *state;

	loop_deferred_init(&notes->deferred, defer_again, notes);
	loop_defer(notes->loop, &notes->deferred);
	loop_undefer(&notes->deferred);
	loop_turn(notes->loop);
	assert_int_equal(notes->n, 0);
}

static void defer_from_timer(void *arg)
{
	struct notes *notes = arg;

	note_letter(notes, 't');
	loop_defer(notes->loop, &notes->deferred);
}

static void test_what_a_timer_defers_comes_in_its_turn(void **state)
{
	struct notes *notes = *state;

	loop_deferred_init(&notes->deferred, defer_again, notes);
	assert_int_equal(loop_timer_open(notes->loop, defer_from_timer, notes,
				 &notes->timer),
		ERR_OK);
	loop_timer_set(notes->timer, 1);
	assert_true(loop_timer_is_set(notes->timer));
	loop_run(notes->loop);
	assert_string_equal(notes->order, "td");
	assert_false(loop_timer_is_set(notes->timer));
	loop_timer_close(notes->timer);
}

static void stop_from_timer(void *arg)
{
	struct notes *notes = arg;

	loop_stop(notes->loop);
}

static void test_a_timer_counts_from_when_it_is_set(void **state)
{
	struct notes *notes = *state;
	uint64_t begin;

	assert_int_equal(loop_timer_open(notes->loop, stop_from_timer, notes,
				 &notes->timer),
		ERR_OK);
	loop_turn(notes->loop);
	begin = clock_now_ms(); /* a long turn, for the loop */
	while (clock_now_ms() < begin + 40)
		;
	begin = clock_now_ms();
	loop_timer_set(notes->timer, 30);
	loop_run(notes->loop);
	assert_in_range(clock_now_ms() - begin, 28, 2000);
	loop_timer_close(notes->timer);
}

static void test_a_stopped_timer_does_not_call(void **state)
{
	struct notes *notes = *state;
	struct loop_timer *stopper;

	assert_int_equal(loop_timer_open(notes->loop, defer_from_timer, notes,
				 &notes->timer),
		ERR_OK);
	assert_int_equal(loop_timer_open(notes->loop, stop_from_timer, notes, &stopper),
		ERR_OK);
	loop_timer_set(notes->timer, 1);
	loop_timer_set(stopper, 5);
	loop_timer_stop(notes->timer);
	loop_run(notes->loop);
	assert_int_equal(notes->n, 0);
	loop_timer_close(notes->timer);
	loop_timer_close(stopper);
}

static void stop_from_signal(void *arg, int signo)
{
	struct notes *notes = arg;

	notes->calls = (unsigned)signo;
	loop_stop(notes->loop);
}

static void test_a_signal_is_an_event(void **state)
{
	struct notes *notes = *state;
	struct loop_signals *signals;

	assert_int_equal(loop_signals_open(notes->loop,
				 (const int[]){ SIGUSR1, SIGUSR2, 0 }, stop_from_signal,
				 notes, &signals),
		ERR_OK);
	raise(SIGUSR2);
	loop_run(notes->loop);
	assert_int_equal(notes->calls, SIGUSR2);
	raise(SIGUSR1);
	loop_run(notes->loop);
	assert_int_equal(notes->calls, SIGUSR1);
	loop_signals_close(signals);
}

static void test_a_signal_that_cannot_be_caught_is_an_error(void **state)
{
	struct notes *notes = *state;
	struct loop_signals *signals;

	assert_int_not_equal(loop_signals_open(notes->loop,
				     (const int[]){ SIGUSR1, SIGKILL, 0 },
				     stop_from_signal, notes, &signals),
		ERR_OK);
	loop_signals_close(NULL);
}

static void stop_from_watch(void *arg, const char *name)
{
	struct notes *notes = arg;

	if (name != NULL)
		snprintf(notes->order, sizeof(notes->order), "%s", name);
	loop_stop(notes->loop);
}

static void test_a_watch_names_the_entry(void **state)
{
	struct notes *notes = *state;
	struct loop_watch *watch;
	char directory[] = "/tmp/adit-watch-XXXXXX", path[64];

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/users", directory);
	assert_int_equal(loop_watch_open(notes->loop, directory, stop_from_watch, notes,
				 &watch),
		ERR_OK);
	loop_turn(notes->loop);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	loop_run(notes->loop);
	assert_string_equal(notes->order, "users");
	loop_watch_close(watch);
	unlink(path);
	rmdir(directory);
}

static void test_a_directory_that_is_not_there_cannot_be_watched(void **state)
{
	struct notes *notes = *state;
	struct loop_watch *watch;

	assert_int_equal(loop_watch_open(notes->loop, "/no/such/place", stop_from_watch,
				 notes, &watch),
		ERR_SYS);
}

/* ---- mail and workers ---- */

#define SENDERS 4
#define LETTERS 2000

struct letter {
	struct mail mail;
	unsigned sender, number;
};

struct post_office {
	struct worker worker;
	unsigned next[SENDERS];
	unsigned received;
};

static void on_letter(void *receiver, struct mail *mail)
{
	struct worker *worker = receiver;
	struct post_office *office = mem_container(worker, struct post_office, worker);
	struct letter *letter = mem_container(mail, struct letter, mail);

	assert_int_equal(letter->number, office->next[letter->sender]);
	office->next[letter->sender]++;
	office->received++;
	free(letter);
	if (office->received == SENDERS * LETTERS)
		worker_stop(worker);
}

struct sender {
	struct post_office *office;
	unsigned index;
	pthread_t thread;
};

static void *sender_main(void *arg)
{
	struct sender *sender = arg;

	for (unsigned i = 0; i < LETTERS; i++) {
		struct letter *letter = mem_new(letter);

		letter->mail.fn = on_letter;
		letter->sender = sender->index;
		letter->number = i;
		if (!mailbox_post(sender->office->worker.mailbox, &letter->mail))
			abort();
	}
	return NULL;
}

static void test_mail_of_many_threads_arrives_in_order(void **state)
{
	struct post_office office = { .received = 0 };
	struct sender senders[SENDERS];

	(void)state;
	assert_int_equal(worker_init(&office.worker, 0), ERR_OK);
	assert_int_equal(worker_start(&office.worker, NULL), ERR_OK);
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){ .office = &office, .index = i };
		assert_int_equal(pthread_create(&senders[i].thread, NULL, sender_main,
					 &senders[i]),
			0);
	}
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
	worker_join(&office.worker);
	assert_int_equal(office.received, SENDERS * LETTERS);
	worker_fini(&office.worker);
}

static void test_a_closed_mailbox_hands_out_and_takes_no_more(void **state)
{
	struct post_office office = { .received = 0 };
	struct letter *first = mem_new(first), *second = mem_new(second);

	(void)state;
	assert_int_equal(worker_init(&office.worker, 0), ERR_OK);
	first->mail.fn = second->mail.fn = on_letter;
	assert_true(mailbox_post(office.worker.mailbox, &first->mail));
	mailbox_close(office.worker.mailbox);
	assert_int_equal(office.received, 1);
	assert_false(mailbox_post(office.worker.mailbox, &second->mail));
	free(second);
	worker_fini(&office.worker);
}

static void test_a_worker_may_be_stopped_before_it_runs_and_twice(void **state)
{
	struct worker worker;

	(void)state;
	assert_int_equal(worker_init(&worker, 0), ERR_OK);
	worker_stop(&worker);
	worker_stop(&worker);
	assert_int_equal(worker_start(&worker, NULL), ERR_OK);
	worker_stop(&worker);
	worker_join(&worker);
	worker_fini(&worker);
	assert_true(worker_count_cores() >= 1);
}

static void test_without_descriptors_there_is_no_worker(void **state)
{
	struct rlimit before, none;
	struct worker worker;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_not_equal(worker_init(&worker, 0), ERR_OK);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

#define loop_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		loop_test(test_readiness_is_level_triggered),
		loop_test(test_bytes_are_no_hang_up),
		loop_test(test_a_hang_up_shows_as_what_was_wanted),
		loop_test(test_a_file_is_always_ready),
		loop_test(test_a_closed_io_is_quiet_in_the_same_turn),
		loop_test(test_a_deferred_call_may_defer_again_without_waiting),
		loop_test(test_an_undeferred_call_does_not_come),
		loop_test(test_what_a_timer_defers_comes_in_its_turn),
		loop_test(test_a_timer_counts_from_when_it_is_set),
		loop_test(test_a_stopped_timer_does_not_call),
		loop_test(test_a_signal_is_an_event),
		loop_test(test_a_signal_that_cannot_be_caught_is_an_error),
		loop_test(test_a_watch_names_the_entry),
		loop_test(test_a_directory_that_is_not_there_cannot_be_watched),
		cmocka_unit_test(test_mail_of_many_threads_arrives_in_order),
		cmocka_unit_test(test_a_closed_mailbox_hands_out_and_takes_no_more),
		cmocka_unit_test(test_a_worker_may_be_stopped_before_it_runs_and_twice),
		cmocka_unit_test(test_without_descriptors_there_is_no_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
