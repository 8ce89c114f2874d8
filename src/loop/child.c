/* A child: forked and executed, read through a pipe, reaped after SIGCHLD. */
#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/child_priv.h"
#include "loop/fd.h"

extern char **environ; /* unistd.h need not declare it */

#define CHILD_READ_BYTES 4096
#define CHILD_EXIT_UNRUN 127

enum child_state {
	CHILD_RUNNING,
	CHILD_ENDED,
	CHILD_CLOSED, /* freed at the end of the turn */
};

struct child {
	struct loop *loop; /* borrowed: outlives us */
	void (*on_line)(void *arg, const char *line);
	void (*on_end)(void *arg, int status);
	void *arg; /* borrowed: the owner's */
	enum child_state state;
	pid_t pid;                 /* good while CHILD_RUNNING */
	int fd;                    /* its output */
	struct loop_io *output;    /* NULL: it has ended */
	struct loop_signals *ends; /* SIGCHLD: a child of this process has ended */
	struct loop_deferred gone;
	char line[CHILD_LINE_MAX + 1]; /* the part that has been received */
	size_t n;
};

/* ---- starting ---- */

/* What the forked process needs until it runs the program. */
struct launch {
	const struct child_options *o;
	pid_t parent;
	int output[2];
	int report[2]; /* carries errno if execve() fails; closed when it works */
};

/*
 * In the forked process: only calls that are safe in a signal handler, because the parent
 * may have threads. Handlers are reset first: a signal that arrives now would wake the
 * parent's loop.
 */
static void launch_arrange(const struct launch *l)
{
	sigset_t none;
	int output, null;

	for (int signo = 1; signo < NSIG; signo++)
		(void)signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	(void)setpgid(0, 0);
	child_follow_parent();
	if (getppid() != l->parent)
		_exit(CHILD_EXIT_UNRUN); /* the parent died before it was watched */

	/* Above the standard descriptors, because some of them may be closed. */
	output = fcntl(l->output[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null != STDIN_FILENO)
		(void)dup2(null, STDIN_FILENO);
	else
		(void)fcntl(null, F_SETFD, 0);
	(void)dup2(output, STDOUT_FILENO);
	(void)dup2(output, STDERR_FILENO);
}

static _Noreturn void launch_execute(const struct launch *l)
{
	int report = fcntl(l->report[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1), errnum;
	char *const *env = l->o->env != NULL ? (char *const *)(uintptr_t)l->o->env :
					       environ;

	launch_arrange(l);
	execve(l->o->path, (char *const *)(uintptr_t)l->o->argv, env);
	errnum = errno;
	(void)!write(report, &errnum, sizeof(errnum));
	_exit(CHILD_EXIT_UNRUN);
}

static void launch_close(int fds[2], int which)
{
	if (fds[which] >= 0)
		close(fds[which]);
	fds[which] = -1;
}

/* Waits until the program has started. Returns 0, or the errno of the failure. */
static int launch_begin(struct launch *l, pid_t *out)
{
	sigset_t all, before;
	int errnum = 0;
	ssize_t n;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid < 0)
		errnum = errno;
	if (pid == 0)
		launch_execute(l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return errnum;

	launch_close(l->output, 1);
	launch_close(l->report, 1);
	do {
		n = read(l->report[0], &errnum, sizeof(errnum));
	} while (n < 0 && errno == EINTR);
	if (n == 0) {
		*out = pid;
		return 0;
	}
	waitpid(pid, NULL, 0);
	return errnum;
}

/* Sets pid and fd of @c. */
static enum err child_launch(struct child *c, const struct child_options *o,
	struct why *why)
{
	struct launch l = {
		.o = o,
		.parent = getpid(),
		.output = { -1, -1 },
		.report = { -1, -1 },
	};
	int errnum = 0;

	if (fd_pipe(l.output) != 0 || fd_pipe(l.report) != 0 ||
		fcntl(l.report[0], F_SETFL, 0) != 0)
		errnum = errno;
	if (errnum == 0)
		errnum = launch_begin(&l, &c->pid);
	if (errnum == 0) {
		c->state = CHILD_RUNNING;
		c->fd = l.output[0];
		l.output[0] = -1;
	}
	for (int i = 0; i < 2; i++) {
		launch_close(l.output, i);
		launch_close(l.report, i);
	}
	return errnum == 0 ? ERR_OK : err_sys(why, errnum, "cannot run %s", o->path);
}

/* ---- its output ---- */

/* The owner may close the child in on_line: then the rest is dropped. */
static void child_report_line(struct child *c)
{
	if (c->state == CHILD_CLOSED)
		return;
	c->line[c->n] = '\0';
	c->n = 0;
	c->on_line(c->arg, c->line);
}

static void child_take_output(struct child *c, const char *p, size_t n)
{
	for (size_t i = 0; i < n && c->state != CHILD_CLOSED; i++) {
		if (p[i] == '\n') {
			child_report_line(c);
			continue;
		}
		if (c->n == CHILD_LINE_MAX)
			child_report_line(c);
		c->line[c->n++] = p[i];
	}
}

/* Returns the number of bytes; 0: there are none now, or none will follow. */
static size_t child_read_output(struct child *c)
{
	char piece[CHILD_READ_BYTES];
	ssize_t n;

	if (c->output == NULL)
		return 0;
	n = read(c->fd, piece, sizeof(piece));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		loop_io_close(c->output);
		c->output = NULL;
		return 0;
	}
	child_take_output(c, piece, (size_t)n);
	return (size_t)n;
}

static void child_on_output(void *arg, unsigned ready)
{
	(void)ready;
	(void)child_read_output(arg);
}

/* ---- its end ---- */

static void child_on_sigchld(void *arg, int signo)
{
	struct child *c = arg;
	int status, left = 0;
	size_t n;

	(void)signo;
	if (c->state != CHILD_RUNNING || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;
	c->state = CHILD_ENDED;

	/* The pipe now has all output of the program. Only a child of the program may
	 * write more. */
	(void)ioctl(c->fd, FIONREAD, &left);
	while (left > 0 && (n = child_read_output(c)) > 0)
		left -= (int)n;
	if (c->n > 0)
		child_report_line(c);
	if (c->state == CHILD_ENDED)
		c->on_end(c->arg, status);
}

void child_signal(struct child *c, int signo)
{
	if (c->state == CHILD_RUNNING)
		(void)kill(c->pid, signo);
}

/* SIGKILL cannot be blocked, so the wait is short. */
void child_close(struct child *c)
{
	if (c == NULL || c->state == CHILD_CLOSED)
		return;
	if (c->state == CHILD_RUNNING && kill(c->pid, SIGKILL) == 0)
		waitpid(c->pid, NULL, 0);
	c->state = CHILD_CLOSED;
	loop_io_close(c->output);
	c->output = NULL;
	loop_signals_close(c->ends);
	if (c->fd >= 0)
		close(c->fd);
	loop_defer(c->loop, &c->gone);
}

enum err child_open(const struct child_options *o, struct child **out, struct why *why)
{
	struct child *c = mem_new(c);
	enum err rc;

	if (c == NULL)
		return err_set(why, ERR_NOMEM, "no memory to run %s", o->path);
	c->loop = o->loop;
	c->on_line = o->on_line;
	c->on_end = o->on_end;
	c->arg = o->arg;
	c->state = CHILD_ENDED;
	c->fd = -1;
	loop_deferred_init(&c->gone, free, c);

	/* The signal first, because the child may end at once. */
	rc = loop_signals_open(c->loop, (const int[]){ SIGCHLD, 0 }, child_on_sigchld, c,
		&c->ends);
	if (rc != ERR_OK)
		err_set(why, rc, "cannot watch child processes");
	if (rc == ERR_OK)
		rc = child_launch(c, o, why);
	if (rc == ERR_OK) {
		rc = loop_io_open(c->loop, c->fd, child_on_output, c, &c->output);
		if (rc != ERR_OK)
			err_set(why, rc, "no memory to read from %s", o->path);
	}
	if (rc != ERR_OK) {
		child_close(c);
		return rc;
	}
	loop_io_want(c->output, LOOP_READ);
	*out = c;
	return ERR_OK;
}

const char *child_print_end(int status, char to[CHILD_END_MAX])
{
	static const struct {
		int signo;
		const char *name;
	} signals[] = {
		{ SIGABRT, "SIGABRT" },
		{ SIGBUS, "SIGBUS" },
		{ SIGFPE, "SIGFPE" },
		{ SIGHUP, "SIGHUP" },
		{ SIGILL, "SIGILL" },
		{ SIGINT, "SIGINT" },
		{ SIGKILL, "SIGKILL" },
		{ SIGPIPE, "SIGPIPE" },
		{ SIGQUIT, "SIGQUIT" },
		{ SIGSEGV, "SIGSEGV" },
		{ SIGSYS, "SIGSYS" },
		{ SIGTERM, "SIGTERM" },
	};

	if (WIFEXITED(status)) {
		snprintf(to, CHILD_END_MAX, "exit status %d", WEXITSTATUS(status));
		return to;
	}
	snprintf(to, CHILD_END_MAX, "killed by signal %d", WTERMSIG(status));
	for (size_t i = 0; i < mem_count(signals); i++)
		if (signals[i].signo == WTERMSIG(status))
			snprintf(to, CHILD_END_MAX, "killed by %s", signals[i].name);
	return to;
}
