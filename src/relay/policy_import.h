/*
 * Reads admin_settings.json, in which other relays keep their policy, so that one that
 * becomes an adit loses nothing. portal-protocol 16.5.
 */
#ifndef RELAY_POLICY_IMPORT_H
#define RELAY_POLICY_IMPORT_H

#include "relay/policy.h"

#define POLICY_IMPORT_BYTES_MAX (16u << 20)

/* Texts are good for the call. Anything but ERR_OK ends the reading. */
struct policy_importer {
	enum err (*on_mark)(void *arg, const char *identity_key, enum policy_mark mark);
	enum err (*on_rate)(void *arg, const char *identity_key, uint64_t bytes_per_s);
	enum err (*on_ban)(void *arg, const struct prefix *prefix);
	void *arg;
};

/*
 * @settings: what the text says nothing of stays. Marks come in the order in which they
 * are to be set.
 *
 * ERR_SYNTAX: @why says which member is wrong.
 */
enum err policy_import_parse(struct span text, struct policy_settings *settings,
	const struct policy_importer *importer, struct why *why) MUST_USE;

#endif
