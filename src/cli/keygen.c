/* Key generation. */
#include "cli/keygen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/hostkey.h"

#define KEY_TEXT_MAX 512

static enum err key_make(const char *seed, struct buf *text)
{
	struct hostkey *key;
	enum err rc;

	rc = seed != NULL ? hostkey_from_seed(seed, &key) : hostkey_generate(&key);
	if (rc != ERR_OK)
		return rc;
	rc = hostkey_print(key, text);
	hostkey_free(key);
	return rc;
}

static enum err file_write(const char *path, struct span text, struct why *why)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool is_good = false;

	if (fd < 0)
		return err_sys(why, errno, "--keygen: cannot open %.120s", path);
	/* A file that was there keeps its mode otherwise. A device has no mode to change. */
	if (fchmod(fd, 0600) == 0 || errno == EPERM) {
		errno = ENOSPC; /* what it means when a part of it is written */
		is_good = write(fd, text.p, text.n) == (ssize_t)text.n;
	}
	if (close(fd) != 0)
		is_good = false;
	if (!is_good)
		return err_sys(why, errno, "--keygen: cannot write %.120s", path);
	return ERR_OK;
}

enum err keygen_write(const char *path, const char *seed, FILE *out, struct why *why)
{
	struct buf text;
	enum err rc;

	buf_init(&text, KEY_TEXT_MAX);
	rc = key_make(seed, &text);
	if (rc != ERR_OK)
		err_set(why, rc, "--keygen: no key could be made: %s", err_name(rc));
	else if (strcmp(path, "-") != 0)
		rc = file_write(path, buf_span(&text), why);
	else if (fwrite(text.p + text.at, 1, text.n, out) != text.n || fflush(out) != 0)
		rc = err_sys(why, errno, "--keygen: cannot write to standard output");
	mem_wipe(text.p, text.cap);
	buf_fini(&text);
	return rc;
}
