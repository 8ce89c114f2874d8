/*
 * Reads admin_settings.json, in which stock relays store their policy, so that it is not
 * lost when adit replaces one. portal-protocol 16.5.
 */
#ifndef RELAY_POLICY_IMPORT_H
#define RELAY_POLICY_IMPORT_H

#include "relay/policy.h"

#define POLICY_IMPORT_BYTES_MAX (16u << 20)

/* Texts are valid during the call. An error ends the import. */
struct policy_importer {
	enum err (*on_rule)(void *arg, const char *identity_key, enum policy_rule rule,
		uint64_t value);
	enum err (*on_ban)(void *arg, const struct prefix *prefix);
	void *arg;
};

/*
 * Members that the text does not have leave @settings as they are. Rules come in the
 * order in which they are to be applied.
 *
 * ERR_SYNTAX: @why names the member.
 */
enum err policy_import_parse(struct span text, struct policy_settings *settings,
	const struct policy_importer *importer, struct why *why) MUST_USE;

#endif
