/*
 * What the commands that stay have in common: the log, the pid file and the tuning of
 * sessions, as rows for their tables of flags.
 */
#ifndef CLI_DAEMON_H
#define CLI_DAEMON_H

#include "cli/flags.h"

#define DAEMON_PID_FILE "chisel.pid" /* in the current directory, where Chisel has it */

struct daemon_args {
	const char *log; /* ADIT_LOG: "json,debug" */
	bool is_verbose;
	bool writes_pid;
};

/*
 * Before any command: looks at where the log goes, and at ADIT_LOG, so that a mistake of the
 * command line is reported in the form that ADIT_LOG asks for.
 */
void daemon_prepare(void);

/*
 * Sets up the log, and writes the pid file if asked.
 * ERR_USAGE: ADIT_LOG has a word we do not know.  ERR_SYS: no pid file.
 */
enum err daemon_start(const struct daemon_args *args, struct why *why) MUST_USE;

/* clang-format off: these are rows of tables, not statements */

/* Rows for a struct daemon_args that is the member @at of the options @type. */
#define LOG_FLAGS(type, at) \
	{ \
		.name = "v", \
		.kind = FLAG_BOOL, \
		.offset = offsetof(type, at.is_verbose), \
		.help = "log what happens in detail", \
	}, \
	{ \
		.env = "ADIT_LOG", .kind = FLAG_TEXT, .offset = offsetof(type, at.log), \
		.argument = "words", \
		.help = "how to log: json or text, and error, warn, info or debug, joined by commas", \
	}

#define DAEMON_FLAGS(type, at) \
	{ \
		.name = "pid", \
		.kind = FLAG_BOOL, \
		.offset = offsetof(type, at.writes_pid), \
		.help = "write the process id to " DAEMON_PID_FILE \
			" in the current directory", \
	}, \
		LOG_FLAGS(type, at)

/* A row for the environment only. */
#define TUNING_FLAG(variable, which, at, word, text) \
	{ \
		.env = variable, .kind = which, .offset = at, .argument = word, \
		.help = text \
	}

#define TUNING_DURATION(variable, at, text) \
	TUNING_FLAG(variable, FLAG_DURATION, at, "duration", text)

/* Rows for a struct chisel_tuning that is the member @at of the options @type. */
#define TUNING_FLAGS(type, at) \
	TUNING_DURATION("CHISEL_PING_TIMEOUT", offsetof(type, at.ping_timeout_ms), \
		"a peer that has not answered a ping after this time is dead (8s)"), \
		TUNING_DURATION("CHISEL_SSH_WAIT", offsetof(type, at.session_wait_ms), \
			"how long a visitor waits for a session (35s)"), \
		TUNING_DURATION("CHISEL_SSH_TIMEOUT", offsetof(type, at.handshake_ms), \
			"timeout of the SSH handshake (30s)"), \
		TUNING_DURATION("CHISEL_DIAL_TIMEOUT", \
			offsetof(type, at.dial_timeout_ms), \
			"timeout of a connection to a target (30s)"), \
		TUNING_FLAG("CHISEL_UDP_MAX_SIZE", FLAG_COUNT, \
			offsetof(type, at.udp_max_bytes), "bytes", \
			"the largest datagram that is carried (65507)"), \
		TUNING_DURATION("CHISEL_UDP_DEADLINE", \
			offsetof(type, at.udp_deadline_ms), \
			"a UDP flow ends after so long without a datagram (15s)"), \
		TUNING_FLAG("CHISEL_UDP_MAX_CONNS", FLAG_COUNT, \
			offsetof(type, at.udp_flows_max), "count", \
			"UDP flows of one remote at a time (100)"), \
		TUNING_FLAG("ADIT_REKEY_BYTES", FLAG_BYTES, \
			offsetof(type, at.rekey_bytes), "bytes", \
			"change keys after so many bytes; for tests")

/* clang-format on */

#endif
