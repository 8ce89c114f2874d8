/* Key generation. */
#include "cli/keygen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/command.h"
#include "crypto/hostkey.h"
#include "store/file.h"

#define KEY_TEXT_MAX 512

static enum err key_make(const char *seed, struct buf *text,
	char fingerprint[HOSTKEY_SHA256_CHARS + 1])
{
	struct hostkey *key;
	enum err rc;

	rc = seed != NULL ? hostkey_from_seed(seed, &key) : hostkey_generate(&key);
	if (rc != ERR_OK)
		return rc;
	rc = hostkey_print(key, text);
	hostkey_sha256(hostkey_blob(key), fingerprint);
	hostkey_free(key);
	return rc;
}

/* A device or a pipe, which is written to and not replaced. */
static enum err device_write(const char *path, struct span text, struct why *why)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool is_good;

	if (fd < 0)
		return err_sys(why, errno, "--keygen: cannot open %.120s", path);
	errno = ENOSPC; /* what it means when a part of it is written */
	is_good = write(fd, text.p, text.n) == (ssize_t)text.n;
	if (close(fd) != 0 || !is_good)
		return err_sys(why, errno, "--keygen: cannot write %.120s", path);
	return ERR_OK;
}

static enum err path_write(const struct keygen_options *o, struct span text,
	struct why *why)
{
	struct why detail = { "" };
	struct stat st;
	bool is_there = stat(o->path, &st) == 0;
	/* What a link points to is replaced, and not the link. */
	char *path = is_there ? realpath(o->path, NULL) : NULL;
	enum err rc;

	if (is_there && !S_ISREG(st.st_mode))
		rc = device_write(o->path, text, why);
	else if (is_there && !o->replaces)
		rc = err_set(why, ERR_EXISTS,
			"--keygen: %.120s exists: clients that check its fingerprint could"
			" not connect any more; --force replaces it",
			o->path);
	else {
		rc = file_replace(path != NULL ? path : o->path, 0600, text, &detail);
		if (rc != ERR_OK)
			err_set(why, rc, "--keygen: %s", err_text(rc, &detail));
	}
	free(path);
	return rc;
}

enum err keygen_write(const struct keygen_options *o, struct why *why)
{
	char fingerprint[HOSTKEY_SHA256_CHARS + 1];
	char line[sizeof("Fingerprint ") + HOSTKEY_SHA256_CHARS];
	struct buf text;
	enum err rc;

	buf_init(&text, KEY_TEXT_MAX);
	rc = key_make(o->seed, &text, fingerprint);
	if (rc != ERR_OK)
		err_set(why, rc, "--keygen: cannot make a key: %s", err_name(rc));
	else if (strcmp(o->path, "-") != 0)
		rc = path_write(o, buf_span(&text), why);
	else if (fwrite(text.p + text.at, 1, text.n, o->out) != text.n ||
		fflush(o->out) != 0)
		rc = err_sys(why, errno, "--keygen: cannot write to standard output");
	if (rc == ERR_OK) {
		snprintf(line, sizeof(line), "Fingerprint %s", fingerprint);
		command_print_error(o->err, LOG_INFO, NULL, line);
	}
	mem_wipe(text.p, text.cap);
	buf_fini(&text);
	return rc;
}
