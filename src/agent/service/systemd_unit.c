/* Units: texts quoted as systemd reads them, and what an agent may do. */
#include "agent/service/systemd_unit.h"

#include "agent/service/manager.h"
#include "base/str.h"

#define NAME_MAX_BYTES 200 /* systemd: 255, with the suffix */

/* ---- quoting ---- */

/* systemd replaces "%h" and others in nearly every value. */
static void put_plain(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		buf_put(out, *text == '%' ? "%%" : text, *text == '%' ? 2 : 1);
}

/* One word of a list, in single quotes, where a backslash escapes. */
static void put_word(struct buf *out, const char *text)
{
	buf_put_str(out, "'");
	for (; *text != '\0'; text++) {
		if (*text == '%' || *text == '\\')
			buf_put(out, text, 1);
		else if (*text == '\'')
			buf_put_str(out, "\\");
		buf_put(out, text, 1);
	}
	buf_put_str(out, "'");
}

static void put_paths(struct buf *out, const char *key, const struct service *s)
{
	buf_printf(out, "%s=", key);
	put_word(out, s->state_dir);
	buf_put_str(out, " ");
	put_word(out, s->directory);
	for (const char *const *w = s->writable; w != NULL && *w != NULL; w++) {
		buf_put_str(out, " ");
		put_word(out, *w);
	}
	buf_put_str(out, "\n");
}

static bool has_dollar(const struct service *s)
{
	for (const char *const *w = s->words; *w != NULL; w++) {
		if (strchr(*w, '$') != NULL)
			return true;
	}
	return strchr(s->program, '$') != NULL;
}

/* With ":" systemd leaves "$" alone, which it does not in the path of a program. Older
 * ones do not know it, so it is there only if it is needed. */
static void put_command(struct buf *out, const struct service *s)
{
	buf_printf(out, "ExecStart=%s", has_dollar(s) ? ":" : "");
	put_word(out, s->program);
	for (const char *const *w = s->words; *w != NULL; w++) {
		buf_put_str(out, " ");
		put_word(out, *w);
	}
	buf_put_str(out, "\n");
}

/* ---- what systemd does not take ---- */

static bool name_is_valid(const char *name)
{
	static const char also[] = ":-_.@";
	size_t n = strlen(name);

	if (n == 0 || n > NAME_MAX_BYTES || name[0] == '-' || name[0] == '@' ||
		name[n - 1] == '@')
		return false;
	for (; *name != '\0'; name++) {
		bool is_letter = (*name >= 'a' && *name <= 'z') ||
			(*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9');

		if (!is_letter && strchr(also, *name) == NULL)
			return false;
	}
	return true;
}

static enum err unit_check(const struct service *s, struct why *why)
{
	size_t n = strlen(s->directory);

	if (!name_is_valid(s->name))
		return err_set(why, ERR_USAGE,
			"service_name \"%.60s\": systemd takes letters, digits and :-_.@"
			" only, and neither - nor @ in front",
			s->name);
	if (strpbrk(s->program, "'\"\\") != NULL)
		return err_set(why, ERR_USAGE,
			"systemd runs no program with a quote or backslash in its path:"
			" move %.150s",
			s->program);
	if (s->directory[n - 1] == ' ' || s->directory[n - 1] == '\\')
		return err_set(why, ERR_USAGE,
			"systemd takes no directory with a space or backslash at its end:"
			" move the config out of \"%.120s\"",
			s->directory);
	return ERR_OK;
}

/* ---- the text ---- */

/* Only filters of system calls work for a service of a user: everything else needs
 * privileges that its manager does not have. */
static const char hardening[] =
	"NoNewPrivileges=yes\n"
	"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK\n"
	"RestrictNamespaces=yes\n"
	"RestrictRealtime=yes\n"
	"RestrictSUIDSGID=yes\n"
	"LockPersonality=yes\n"
	"MemoryDenyWriteExecute=yes\n"
	"SystemCallArchitectures=native\n"
	"SystemCallFilter=@system-service\n";

/*
 * Root's agent reads configs and keys of users, and rewrites a config with its owner; a
 * link may listen on a port below 1024. Home directories stay readable: a config may be
 * in one.
 */
static const char system_hardening[] =
	"CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER CAP_NET_BIND_SERVICE\n"
	"ProtectSystem=strict\n"
	"ProtectHome=read-only\n"
	"PrivateDevices=yes\n"
	"ProtectClock=yes\n"
	"ProtectHostname=yes\n"
	"ProtectControlGroups=yes\n"
	"ProtectKernelLogs=yes\n"
	"ProtectKernelModules=yes\n"
	"ProtectKernelTunables=yes\n";

static bool is_temporary(const char *path)
{
	return str_has_prefix(path, "/tmp/") || str_has_prefix(path, "/var/tmp/");
}

/* A private /tmp would hide these. */
static bool uses_tmp(const struct service *s)
{
	bool found = is_temporary(s->program) || is_temporary(s->directory) ||
		is_temporary(s->state_dir);

	for (const char *const *w = s->writable; w != NULL && *w != NULL; w++)
		found = found || is_temporary(*w);
	return found;
}

static void put_unit_section(struct buf *out, const struct service *s)
{
	buf_put_str(out, "[Unit]\nDescription=");
	put_plain(out, s->display);
	buf_put_str(out, ", with the tunnels of ");
	put_plain(out, s->directory);
	buf_put_str(out, "\nDocumentation=man:adit-agent(1)\n");
	/* At shutdown the network goes later, so that tunnels are unregistered. The agent
	 * itself waits for the network, and does not need it to start. */
	if (s->is_system)
		buf_put_str(out, "After=network.target\n");
	buf_put_str(out, "StartLimitIntervalSec=0\n");
}

static void put_service_section(struct buf *out, const struct service *s)
{
	buf_put_str(out,
		"\n[Service]\n"
		"Type=notify\n"
		"NotifyAccess=main\n"
		"WatchdogSec=60\n"
		"WorkingDirectory=");
	put_plain(out, s->directory);
	buf_put_str(out, "\n");
	for (const char *const *e = s->environment; e != NULL && *e != NULL; e++) {
		buf_put_str(out, "Environment=");
		put_word(out, *e);
		buf_put_str(out, "\n");
	}
	put_command(out, s);
	buf_put_str(out,
		"Restart=always\n"
		"RestartSec=5\n"
		"TimeoutStopSec=20\n"
		"LimitNOFILE=infinity\n"
		"LimitCORE=0\n"
		"UMask=0077\n"
		"\n");
	buf_put_str(out, hardening);
	if (!s->is_system)
		return;
	buf_put_str(out, system_hardening);
	if (!uses_tmp(s))
		buf_put_str(out, "PrivateTmp=yes\n");
	put_paths(out, "ReadWritePaths", s);
}

enum err systemd_unit_print(const struct service *s, struct buf *out, struct why *why)
{
	enum err rc = unit_check(s, why);

	if (rc != ERR_OK)
		return rc;
	buf_put_str(out,
		"# " SERVICE_MARKER ", and replaced by it. Put changes into a\n"
		"# drop-in: systemctl ");
	buf_put_str(out, s->is_system ? "" : "--user ");
	buf_printf(out, "edit %s\n", s->name);
	put_unit_section(out, s);
	put_service_section(out, s);
	buf_put_str(out, "\n[Install]\nWantedBy=default.target\n");
	return out->failed == ERR_OK ? ERR_OK :
				       err_set(why, out->failed, "no memory for a unit");
}
