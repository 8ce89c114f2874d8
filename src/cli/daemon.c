/* What the commands that stay have in common. */
#include "cli/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/span.h"
#include "tunnel/chisel/session.h"

static const struct field log_rows[] = {
	{ "v", FIELD_BOOL, FIELD_AT(struct daemon_args, is_verbose),
		.help = "log details" },
	{ NULL, FIELD_TEXT, FIELD_AT(struct daemon_args, log), .env = "ADIT_LOG",
		.argument = "words",
		.help = "how to log: json or text, and error, warn, info or debug, joined by"
			" commas" },
};

const struct field_table log_fields = FIELD_TABLE_OF(struct daemon_args, log_rows);

static const struct field daemon_rows[] = {
	{ "pid", FIELD_BOOL, FIELD_AT(struct daemon_args, writes_pid),
		.help = "write the process id to " DAEMON_PID_FILE
			" in the current directory" },
	{ .kind = FIELD_TABLE, .of = &log_fields },
};

const struct field_table daemon_fields = FIELD_TABLE_OF(struct daemon_args, daemon_rows);

#define AT(member) FIELD_AT(struct chisel_tuning, member)

static const struct field tuning_rows[] = {
	{ NULL, FIELD_DURATION, AT(ping_timeout_ms), .env = "CHISEL_PING_TIMEOUT",
		.help = "timeout of a ping; the peer is dead then (8s)" },
	{ NULL, FIELD_DURATION, AT(session_wait_ms), .env = "CHISEL_SSH_WAIT",
		.help = "how long a visitor waits for a session (35s)" },
	{ NULL, FIELD_DURATION, AT(handshake_ms), .env = "CHISEL_SSH_TIMEOUT",
		.help = "timeout of the SSH handshake (30s)" },
	{ NULL, FIELD_DURATION, AT(dial_timeout_ms), .env = "CHISEL_DIAL_TIMEOUT",
		.help = "timeout of a connection to a target (30s)" },
	{ NULL, FIELD_COUNT, AT(udp_max_bytes), .env = "CHISEL_UDP_MAX_SIZE",
		.help = "largest UDP datagram in bytes (65507)" },
	{ NULL, FIELD_DURATION, AT(udp_deadline_ms), .env = "CHISEL_UDP_DEADLINE",
		.help = "a UDP flow ends after this time without a datagram (15s)" },
	{ NULL, FIELD_COUNT, AT(udp_flows_max), .env = "CHISEL_UDP_MAX_CONNS",
		.help = "UDP flows of one remote at a time (100)" },
	{ NULL, FIELD_BYTES, AT(rekey_bytes), .env = "ADIT_REKEY_BYTES",
		.help = "exchange keys after this many bytes; for tests" },
};

const struct field_table tuning_fields = FIELD_TABLE_OF(struct chisel_tuning,
	tuning_rows);

/* One word of ADIT_LOG. False: there is no such word. */
static bool log_apply(struct span word)
{
	static const char *const levels[] = {
		[LOG_ERROR] = "error",
		[LOG_WARN] = "warn",
		[LOG_INFO] = "info",
		[LOG_DEBUG] = "debug",
	};

	for (size_t i = 0; i < mem_count(levels); i++) {
		if (span_is(word, levels[i])) {
			log_set_level((enum log_level)i);
			return true;
		}
	}
	if (!span_is(word, "json") && !span_is(word, "text"))
		return false;
	log_set_json(span_is(word, "json"));
	return true;
}

static enum err log_configure(const char *words, struct why *why)
{
	while (words != NULL && *words != '\0') {
		size_t n = strcspn(words, ",");

		if (!log_apply(span_of(words, n)))
			return err_set(why, ERR_USAGE,
				"ADIT_LOG: \"%.*s\" is none of json, text, error, warn,"
				" info, debug",
				(int)(n < 40 ? n : 40), words);
		words += n + (words[n] == ',');
	}
	return ERR_OK;
}

/* As Chisel writes it: digits without a newline. */
static enum err pid_write(struct why *why)
{
	int fd = open(DAEMON_PID_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int n = -1;

	if (fd >= 0) {
		n = dprintf(fd, "%ld", (long)getpid());
		if (close(fd) != 0)
			n = -1;
	}
	if (n < 0)
		return err_sys(why, errno, "--pid: cannot write %s", DAEMON_PID_FILE);
	return ERR_OK;
}

void daemon_prepare(void)
{
	log_open();
	(void)log_configure(getenv("ADIT_LOG"),
		NULL); /* daemon_start() reports mistakes */
}

enum err daemon_start(const struct daemon_args *args, struct why *why)
{
	enum err rc = log_configure(args->log, why);

	if (rc != ERR_OK)
		return rc;
	if (args->is_verbose)
		log_set_level(LOG_DEBUG);
	return args->writes_pid ? pid_write(why) : ERR_OK;
}
