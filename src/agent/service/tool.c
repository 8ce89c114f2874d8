/* A program is spawned, its output read from a pipe, and its end waited for. */
#include "agent/service/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/fd.h"

extern char **environ; /* unistd.h need not declare it */

/* A program may leave the pipe to another one, so its end is looked for this often; and
 * more often when the pipe is closed, because it then ends soon. */
#define POLL_MS 20
#define POLL_CLOSED_MS 2

/* ---- its environment ---- */

static bool is_set_by(const char *variable, const char *const *settings)
{
	size_t n = strcspn(variable, "=") + 1;

	for (; settings != NULL && *settings != NULL; settings++) {
		if (strncmp(variable, *settings, n) == 0)
			return true;
	}
	return false;
}

/* Our environment with @settings; the array is owned, its texts are not. */
static char **environment_new(const char *const *settings)
{
	size_t have = 0, more = 0, n = 0;
	char **all;

	while (environ[have] != NULL)
		have++;
	while (settings != NULL && settings[more] != NULL)
		more++;
	all = calloc(have + more + 1, sizeof(*all));
	if (all == NULL)
		return NULL;
	for (size_t i = 0; i < have; i++) {
		if (!is_set_by(environ[i], settings))
			all[n++] = environ[i];
	}
	for (size_t i = 0; i < more; i++)
		all[n++] = (char *)(uintptr_t)settings[i];
	return all;
}

/* ---- its start ---- */

/* Returns 0 or an errno. */
static int spawn_with(const struct tool *t, char **environment, int output,
	posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes, pid_t *pid)
{
	static const short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t none, all;
	int errnum;

	sigemptyset(&none);
	sigfillset(&all);
	errnum = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null",
		O_RDONLY, 0);
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO && errnum == 0; fd++)
		errnum = posix_spawn_file_actions_adddup2(files, output, fd);
	if (errnum == 0)
		errnum = posix_spawnattr_setsigmask(attributes, &none);
	if (errnum == 0)
		errnum = posix_spawnattr_setsigdefault(attributes, &all);
	if (errnum == 0)
		errnum = posix_spawnattr_setflags(attributes, flags);
	return errnum != 0 ? errnum :
			     posix_spawnp(pid, t->argv[0], files, attributes,
				     (char *const *)(uintptr_t)t->argv, environment);
}

static enum err spawn(const struct tool *t, int output, pid_t *pid, struct why *why)
{
	char **environment = environment_new(t->setting);
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int errnum = ENOMEM;

	if (environment == NULL)
		return err_set(why, ERR_NOMEM, "no memory to run %s", t->argv[0]);
	if (posix_spawn_file_actions_init(&files) == 0) {
		if (posix_spawnattr_init(&attributes) == 0) {
			errnum = spawn_with(t, environment, output, &files, &attributes,
				pid);
			posix_spawnattr_destroy(&attributes);
		}
		posix_spawn_file_actions_destroy(&files);
	}
	free(environment);
	if (errnum == ENOENT)
		return err_set(why, ERR_NOENT, "there is no program %s", t->argv[0]);
	return errnum == 0 ? ERR_OK : err_sys(why, errnum, "cannot run %s", t->argv[0]);
}

/* ---- its output and end ---- */

/* Reads what there is, and keeps what fits. False: no more will come. */
static bool read_output(int fd, struct buf *text)
{
	char piece[4096];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		size_t room = TOOL_OUTPUT_MAX - text->n;

		buf_put(text, piece, (size_t)n < room ? (size_t)n : room);
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void wait_for_output(int fd, bool is_open)
{
	struct pollfd p = { .fd = is_open ? fd : -1, .events = POLLIN };

	(void)poll(&p, 1, is_open ? POLL_MS : POLL_CLOSED_MS);
}

/* Waits for the end of @pid, reading @fd. False: time is up, and it was killed. */
static bool watch(pid_t pid, int fd, uint64_t limit_ms, struct buf *text, int *status)
{
	uint64_t end = clock_now_ms() + limit_ms;
	bool is_open = true;
	pid_t ended;

	for (;;) {
		ended = waitpid(pid, status, WNOHANG);
		if (is_open)
			is_open = read_output(fd, text);
		if (ended == pid)
			return true;
		if (clock_now_ms() >= end)
			break;
		wait_for_output(fd, is_open);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, status, 0);
	return false;
}

enum err tool_run(const struct tool *t, struct tool_result *out, struct why *why)
{
	struct tool_result r;
	int ends[2] = { -1, -1 }, status = 0;
	enum err rc = ERR_OK;
	pid_t pid = 0;

	buf_init(&r.text, TOOL_OUTPUT_MAX + 1);
	if (fd_pipe(ends) != 0)
		rc = err_sys(why, errno, "no pipe to run %s", t->argv[0]);
	if (rc == ERR_OK)
		rc = spawn(t, ends[1], &pid, why);
	if (ends[1] >= 0)
		close(ends[1]);
	if (rc == ERR_OK && !watch(pid, ends[0], t->limit_ms, &r.text, &status))
		rc = err_set(why, ERR_TIMEOUT, "%s did not end within %u s", t->argv[0],
			t->limit_ms / 1000);
	if (ends[0] >= 0)
		close(ends[0]);
	if (rc == ERR_OK && buf_put_u8(&r.text, '\0') != ERR_OK)
		rc = err_set(why, ERR_NOMEM, "no memory to run %s", t->argv[0]);
	if (rc != ERR_OK) {
		buf_fini(&r.text);
		return rc;
	}
	r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	*out = r;
	return ERR_OK;
}

void tool_result_fini(struct tool_result *r)
{
	buf_fini(&r->text);
}

const char *tool_result_text(const struct tool_result *r)
{
	return (const char *)buf_front(&r->text);
}

const char *tool_first_line(const struct tool_result *r, char *to, size_t size)
{
	struct span text = span_str(tool_result_text(r)), line = text;

	while (text.n > 0) {
		span_split(&text, '\n', &line);
		line = span_trim(line);
		if (line.n > 0)
			break;
	}
	return str_quote(to, size, line);
}

/* ---- in place of this process ---- */

enum err tool_become(const char *const *argv, struct why *why)
{
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	if (errno == ENOENT)
		return err_set(why, ERR_NOENT, "there is no program %s", argv[0]);
	return err_sys(why, errno, "cannot run %s", argv[0]);
}
