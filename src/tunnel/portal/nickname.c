/* Nicknames. */
#include "tunnel/portal/nickname.h"

#include <stdio.h>

#include "base/rand.h"

#define WORDS 48

static const char *const moods[WORDS] = { "able", "airy", "apt", "bold", "brave", "brief",
	"bright", "brisk", "calm", "candid", "clear", "clever", "cosy", "crisp", "deft",
	"eager", "early", "easy", "fair", "fleet", "fond", "frank", "free", "fresh",
	"gentle", "glad", "grand", "hardy", "humble", "jolly", "keen", "kind", "light",
	"lively", "loyal", "lucky", "merry", "mild", "neat", "nimble", "noble", "plain",
	"proud", "quick", "quiet", "steady", "sunny", "warm" };
static const char *const hues[WORDS] = { "amber", "apricot", "ash", "azure", "beige",
	"birch", "blue", "bronze", "brown", "cedar", "chalk", "cherry", "cobalt",
	"copper", "coral", "cream", "ebony", "flint", "golden", "granite", "green",
	"grey", "hazel", "indigo", "ivory", "jade", "khaki", "lemon", "lilac", "lime",
	"maple", "mauve", "mint", "moss", "ochre", "olive", "opal", "pearl", "pine",
	"plum", "red", "rose", "ruby", "rust", "silver", "slate", "teal", "violet" };
static const char *const beings[WORDS] = { "badger", "beaver", "bison", "crane",
	"cricket", "curlew", "deer", "dolphin", "dove", "eagle", "egret", "falcon",
	"ferret", "finch", "fox", "gecko", "goose", "grouse", "hare", "hawk", "heron",
	"ibex", "ibis", "jay", "kestrel", "lark", "linnet", "lynx", "magpie", "marten",
	"mole", "moose", "newt", "otter", "owl", "panda", "pigeon", "plover", "puffin",
	"raven", "robin", "salmon", "seal", "stoat", "swan", "tern", "vole", "wren" };

void nickname_make(char out[NAMES_LABEL_MAX + 1])
{
	snprintf(out, NAMES_LABEL_MAX + 1, "%s-%s-%s", moods[rand_below(WORDS)],
		hues[rand_below(WORDS)], beings[rand_below(WORDS)]);
}
