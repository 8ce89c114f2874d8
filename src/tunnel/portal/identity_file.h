/* Where identities are kept between runs: a file that only its owner reads. */
#ifndef TUNNEL_PORTAL_IDENTITY_FILE_H
#define TUNNEL_PORTAL_IDENTITY_FILE_H

#include "tunnel/portal/identity.h"

/* All but @kind may be NULL or empty. */
struct identity_wish {
	enum identity_kind kind;
	const char *path;   /* of the file; without one, nothing is kept */
	const char *json;   /* the text of an identity, which goes before the file's */
	const char *name;   /* which goes before any that is kept */
	bool is_name_tried; /* @name is not written: see identity_file_keep_name() */
};

/*
 * Loads the identity, or makes one. The file is written, mode 0600 and all at once, if it
 * then says anything else than before; its folder must be there.
 *
 * One that others can read is closed to them (file_close_to_others()).
 *
 * A file that cannot be read as an identity is left alone: it may be the only copy of a
 * key.
 * ERR_SYS: cannot read or write.  ERR_SYNTAX, ERR_LIMIT: the file, @json or @name is
 * wrong.
 * ERR_USAGE: a relay without a name.
 */
enum err identity_obtain(const struct identity_wish *wish, struct identity *out,
	struct why *why) MUST_USE;

/*
 * Writes the name of @id, which has been of use, into its file; the next time it is the
 * one without @name. Nothing is done if the file has gone, or has another key. Errors as
 * above.
 */
enum err identity_file_keep_name(const char *path, const struct identity *id,
	struct why *why) MUST_USE;

#endif
