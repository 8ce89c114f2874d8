/* Questions at a terminal: lines that are read byte by byte, so that a pasted second line
 * is left for the next question. */
#include "cli/prompt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/span.h"

#define CTRL_C 3
#define CTRL_D 4
#define BACKSPACE 8
#define CTRL_U 21
#define DELETE 127

bool prompt_is_possible(void)
{
	return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

static void print_question(const char *question)
{
	fputs(question, stderr);
	fflush(stderr);
}

/* Edits of a line that the terminal does not edit. */
static void take_byte(char byte, char *to, size_t *n)
{
	if (byte == CTRL_U)
		*n = 0;
	else if ((byte == BACKSPACE || byte == DELETE) && *n > 0)
		*n -= 1;
	else if ((unsigned char)byte >= ' ' && byte != DELETE)
		to[(*n)++] = byte;
}

/* Until a line end; ERR_AGAIN: Ctrl-C. */
static enum err read_line(bool is_secret, char *to, size_t size, size_t *n)
{
	char byte;
	ssize_t got;

	for (*n = 0; *n < size;) {
		got = read(STDIN_FILENO, &byte, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return ERR_SYS;
		if (got == 0 || (is_secret && byte == CTRL_D && *n == 0))
			return ERR_EOF;
		if (is_secret && byte == CTRL_C)
			return ERR_AGAIN;
		if (byte == '\n' || byte == '\r')
			return ERR_OK;
		take_byte(byte, to, n);
	}
	return ERR_LIMIT;
}

/* The terminal must be as it was before a signal ends the program, so Ctrl-C is read as a
 * byte. */
static enum err read_secret(const char *question, char *to, size_t size, size_t *n)
{
	struct termios was, quiet;
	enum err rc;

	if (tcgetattr(STDIN_FILENO, &was) != 0)
		return ERR_SYS;
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
	quiet.c_cc[VMIN] = 1;
	quiet.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet) != 0)
		return ERR_SYS;
	print_question(question); /* what is typed from now on is not shown */
	rc = read_line(true, to, size, n);
	(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &was);
	fputc('\n', stderr);
	if (rc == ERR_AGAIN) {
		(void)raise(SIGINT);
		rc = ERR_EOF;
	}
	return rc;
}

enum err prompt_read(const char *question, bool is_secret, char *to, size_t size,
	struct why *why)
{
	struct span text;
	size_t n = 0;
	enum err rc;

	if (is_secret) {
		rc = read_secret(question, to, size, &n);
	} else {
		print_question(question);
		rc = read_line(false, to, size, &n);
	}
	if (rc == ERR_EOF)
		return err_set(why, rc, "there was no answer; nothing has been changed");
	if (rc == ERR_LIMIT)
		return err_set(why, rc, "the answer is too long");
	if (rc != ERR_OK)
		return err_sys(why, errno, "the terminal cannot be read");
	text = span_trim(span_of(to, n));
	memmove(to, text.p, text.n);
	to[text.n] = '\0';
	return ERR_OK;
}
