/*
 * Claims of identities, as names of Unix sockets that are in no file system: the kernel
 * forgets them with the process, and copies of an identity's file claim the same.
 */
#include "tunnel/portal/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "text/hex.h"

#define CLAIM_PLACES 8 /* one that takes over claims beside the one that it replaces */

static enum err claim_address(const struct identity *id, unsigned place,
	struct sockaddr_un *out, socklen_t *n)
{
	uint8_t digest[HASH_SHA256_BYTES];
	char key[IDENTITY_KEY_SIZE], text[2 * HASH_SHA256_BYTES + 1];
	enum err rc = hash_sha256(span_str(
					  identity_key_print(id->name, id->address, key)),
		digest);
	int length;

	if (rc != ERR_OK)
		return rc;
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	length = snprintf(out->sun_path + 1, sizeof(out->sun_path) - 1,
		"adit-identity-%s-%u", hex_encode(span_of(digest, sizeof(digest)), text),
		place);
	*n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
	return ERR_OK;
}

/* ERR_EXISTS: this place has been claimed. */
static enum err claim_place(const struct identity *id, unsigned place, int *fd)
{
	struct sockaddr_un address;
	socklen_t n;
	enum err rc = claim_address(id, place, &address, &n);

	if (rc != ERR_OK)
		return rc;
	*fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return ERR_SYS;
	if (bind(*fd, (const struct sockaddr *)&address, n) == 0)
		return ERR_OK;
	rc = errno == EADDRINUSE ? ERR_EXISTS : ERR_SYS;
	close(*fd);
	*fd = -1;
	return rc;
}

enum err identity_claim(const struct identity *id, int *fd)
{
	bool is_claimed = false;

	*fd = -1;
	for (unsigned place = 0; place < CLAIM_PLACES; place++) {
		int here = -1;
		enum err rc = claim_place(id, place, &here);

		if (rc == ERR_EXISTS)
			is_claimed = true;
		else if (rc != ERR_OK && *fd < 0)
			return rc;
		if (*fd < 0)
			*fd = here;
		else if (here >= 0)
			close(here);
	}
	return is_claimed ? ERR_EXISTS : ERR_OK;
}
