/* Property lists: XML 1.0 with the structure of PropertyList-1.0.dtd. */
#include "agent/service/launchd_plist.h"

#include "agent/service/manager.h"

const char *launchd_label(const struct service *s)
{
	return s->label != NULL ? s->label : s->name;
}

static void put_text(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		switch (text.p[i]) {
		case '&':
			buf_put_str(out, "&amp;");
			break;
		case '<':
			buf_put_str(out, "&lt;");
			break;
		case '>':
			buf_put_str(out, "&gt;");
			break;
		default:
			buf_put(out, text.p + i, 1);
		}
	}
}

static void put_element(struct buf *out, const char *tabs, const char *name,
	struct span text)
{
	buf_printf(out, "%s<%s>", tabs, name);
	put_text(out, text);
	buf_printf(out, "</%s>\n", name);
}

static void put_key(struct buf *out, const char *key, const char *text)
{
	put_element(out, "\t", "key", span_str(key));
	put_element(out, "\t", "string", span_str(text));
}

static void put_number(struct buf *out, const char *key, unsigned number)
{
	put_element(out, "\t", "key", span_str(key));
	buf_printf(out, "\t<integer>%u</integer>\n", number);
}

static void put_true(struct buf *out, const char *key)
{
	put_element(out, "\t", "key", span_str(key));
	buf_put_str(out, "\t<true/>\n");
}

static void put_arguments(struct buf *out, const struct service *s)
{
	put_element(out, "\t", "key", span_str("ProgramArguments"));
	buf_put_str(out, "\t<array>\n");
	put_element(out, "\t\t", "string", span_str(s->program));
	for (const char *const *w = s->words; *w != NULL; w++)
		put_element(out, "\t\t", "string", span_str(*w));
	buf_put_str(out, "\t</array>\n");
}

static void put_environment(struct buf *out, const struct service *s)
{
	if (s->environment == NULL || s->environment[0] == NULL)
		return;
	put_element(out, "\t", "key", span_str("EnvironmentVariables"));
	buf_put_str(out, "\t<dict>\n");
	for (const char *const *e = s->environment; *e != NULL; e++) {
		struct span value = span_str(*e), name;

		span_split(&value, '=', &name);
		put_element(out, "\t\t", "key", name);
		put_element(out, "\t\t", "string", value);
	}
	buf_put_str(out, "\t</dict>\n");
}

/* launchd has no journal, so the log is a file. */
static void put_log(struct buf *out, const struct service *s)
{
	static const char *const keys[] = { "StandardOutPath", "StandardErrorPath" };

	for (size_t i = 0; i < 2; i++) {
		put_element(out, "\t", "key", span_str(keys[i]));
		buf_put_str(out, "\t<string>");
		put_text(out, span_str(s->state_dir));
		buf_put_str(out, "/" LAUNCHD_LOG "</string>\n");
	}
}

enum err launchd_plist_print(const struct service *s, struct buf *out, struct why *why)
{
	buf_put_str(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\""
		" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
		"<!-- " SERVICE_MARKER ", and replaced by it. -->\n"
		"<plist version=\"1.0\">\n"
		"<dict>\n");
	put_key(out, "Label", launchd_label(s));
	put_arguments(out, s);
	put_key(out, "WorkingDirectory", s->directory);
	put_environment(out, s);
	put_true(out, "RunAtLoad");
	put_true(out, "KeepAlive");
	put_number(out, "ThrottleInterval", 5);
	put_number(out, "ExitTimeOut", 20);
	put_number(out, "Umask", 077);
	put_log(out, s);
	buf_put_str(out, "</dict>\n</plist>\n");
	return out->failed == ERR_OK ?
		ERR_OK :
		err_set(why, out->failed, "no memory for a property list");
}
