/*
 * The demo's second tunnel: a relay and an agent, and a visitor by name whose TLS ends at
 * the agent. All that the relay hears goes through taps, which look for the page in it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/demo_inside.h"

#define LEASE_NAME "hello"
#define LEASE_RELAY "relay.localhost"
#define LEASE_HOST LEASE_NAME "." LEASE_RELAY

/* ---- a directory for what they write ---- */

static enum err lease_make_directory(struct demo *d, struct why *why)
{
	const char *base = getenv("TMPDIR");
	struct demo_lease *l = &d->lease;
	int n = snprintf(l->directory, sizeof(l->directory), "%s/adit-demo-XXXXXX",
		base != NULL && *base == '/' ? base : "/tmp");

	if (n > 0 && (size_t)n < sizeof(l->directory) && mkdtemp(l->directory) != NULL)
		return ERR_OK;
	l->directory[0] = '\0';
	return err_sys(why, errno, "cannot make a directory for the relay's files");
}

/* What is in it, one level deep, and itself. */
static void lease_remove(const char *directory)
{
	char path[DEMO_PATH_MAX];
	struct dirent *entry;
	DIR *dir = opendir(directory);

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (unlink(path) != 0)
			rmdir(path);
	}
	if (dir != NULL)
		closedir(dir);
	rmdir(directory);
}

/* ---- what was shown ---- */

static void lease_report(struct demo *d)
{
	struct demo_lease *l = &d->lease;
	struct stat st = { 0 };
	char path[DEMO_PATH_MAX];

	snprintf(path, sizeof(path), "%s/privatekey.pem", l->directory);
	if (stat(path, &st) != 0 || (st.st_mode & 077) != 0) {
		demo_fail(d, "others than the relay can read %s", path);
		return;
	}
	fprintf(d->o->out,
		"The certificate was verified. Its key is the relay's, in a file that only the\n"
		"relay reads (mode %o): the agent, where TLS ends, had the handshake signed.\n",
		(unsigned)st.st_mode & 0777);
}

static void lease_check(struct demo *d)
{
	struct demo_lease *l = &d->lease;
	unsigned seen = demo_tap_found(l->to_visitor) + demo_tap_found(l->to_relay);

	if (d->page != NULL) {
		fprintf(d->o->out,
			"\nlook for \"%s\", a word of the page, on each wire:\n"
			"  visitor - relay   %8llu bytes   found %u times\n"
			"  relay - agent     %8llu bytes   found %u times\n"
			"  agent - page      %8llu bytes   found %u times\n\n",
			demo_page_marker(d->page),
			(unsigned long long)demo_tap_bytes(l->to_visitor),
			demo_tap_found(l->to_visitor),
			(unsigned long long)demo_tap_bytes(l->to_relay),
			demo_tap_found(l->to_relay),
			(unsigned long long)demo_tap_bytes(l->to_target),
			demo_tap_found(l->to_target));
		if (seen > 0 || demo_tap_found(l->to_target) == 0) {
			demo_fail(d,
				"the page was seen where it should not be, or not "
				"where it should");
			return;
		}
	}
	lease_report(d);
	if (d->state != DEMO_ENDING)
		demo_open(d);
}

/* ---- the visit ---- */

static enum err lease_trust(struct demo *d, struct why *why)
{
	char path[DEMO_PATH_MAX];
	struct tls_client_options o = { .ca_file = path, .alpn = "http/1.1" };

	snprintf(path, sizeof(path), "%s/fullchain.pem", d->lease.directory);
	return tls_context_new_client(&o, &d->lease.tls, why);
}

static void lease_visit(struct demo *d)
{
	struct demo_fetch_options o = {
		.host = DEMO_LOCAL,
		.name = LEASE_HOST,
		.port = demo_tap_port(d->lease.to_visitor),
		.name_port = d->lease.visitors_port,
	};
	struct why why = { "" };
	enum err rc = lease_trust(d, &why);

	if (rc != ERR_OK) {
		demo_fail(d, "%s", err_text(rc, &why));
		return;
	}
	o.tls = d->lease.tls;
	fprintf(d->o->out,
		"\nfetch    https://" LEASE_HOST ":%u/, twice\n"
		"         visitor -> relay -> agent -> %s, and TLS from visitor to agent\n",
		d->lease.visitors_port, d->page != NULL ? "page" : "target");
	demo_visit(d, DEMO_FETCHING_LEASE, &o, lease_check);
}

/* ---- the agent ---- */

static void lease_on_agent_line(void *arg, const char *line)
{
	struct demo *d = arg;

	if (d->state == DEMO_STARTING_EXPOSE &&
		strstr(line, "https://" LEASE_HOST) != NULL)
		lease_visit(d);
}

/* The ports that commands and figures name from here on. */
static void lease_print_wires(const struct demo *d)
{
	const struct demo_lease *l = &d->lease;

	fprintf(d->o->out,
		"\nwires    through which all passes, and is looked at:\n"
		"         port %u leads to the relay's API, port %u\n"
		"         port %u leads to the relay's visitors, port %u\n"
		"         port %u leads to the %s, port %u\n\n",
		demo_tap_port(l->to_relay), l->api_port, demo_tap_port(l->to_visitor),
		l->visitors_port, demo_tap_port(l->to_target),
		d->page != NULL ? "page" : "target", demo_target_port(d));
}

static void lease_start_agent(struct demo *d)
{
	struct demo_lease *l = &d->lease;
	char *target = str_printf(DEMO_LOCAL ":%u", demo_tap_port(l->to_target));
	char *relay = str_printf("https://" LEASE_RELAY ":%u",
		demo_tap_port(l->to_relay));
	char *identity = str_printf("%s/identity-of-agent.json", l->directory);
	const char *const argv[] = { "adit", "expose", target, "--name", LEASE_NAME,
		"--relays", relay, "--discovery=false", "--identity-path", identity,
		NULL };
	struct demo_start how = { .argv = argv, .on_line = lease_on_agent_line };
	struct why why = { "" };
	enum err rc = ERR_NOMEM;

	demo_await(d, DEMO_STARTING_EXPOSE);
	lease_print_wires(d);
	if (target != NULL && relay != NULL && identity != NULL)
		rc = demo_start(d, DEMO_EXPOSE, &how, &why);
	if (rc != ERR_OK)
		demo_fail(d, "%s", err_text(rc, &why));
	free(target);
	free(relay);
	free(identity);
}

/* ---- the relay ---- */

/* "Listening on 127.0.0.1:40123 for visitors" */
static void lease_read_port(const char *line, const char *for_whom, uint16_t *out)
{
	static const char listening[] = "Listening on " DEMO_LOCAL ":";
	const char *found = strstr(line, listening);
	char *end;
	unsigned long port;

	if (found == NULL)
		return;
	port = strtoul(found + strlen(listening), &end, 10);
	if (port <= UINT16_MAX && strcmp(end, for_whom) == 0)
		*out = (uint16_t)port;
}

static void lease_on_relay_line(void *arg, const char *line)
{
	struct demo *d = arg;
	struct demo_lease *l = &d->lease;

	if (d->state != DEMO_STARTING_RELAY)
		return;
	lease_read_port(line, " for visitors", &l->visitors_port);
	lease_read_port(line, " for the API", &l->api_port);
	if (l->visitors_port == 0 || l->api_port == 0)
		return;
	demo_tap_set_target(l->to_visitor, DEMO_LOCAL, l->visitors_port);
	demo_tap_set_target(l->to_relay, DEMO_LOCAL, l->api_port);
	lease_start_agent(d);
}

/* The three wires. What is published is reached through one of them. */
static enum err lease_open_taps(struct demo *d, struct why *why)
{
	struct demo_lease *l = &d->lease;
	struct demo_tap **const taps[] = { &l->to_visitor, &l->to_relay, &l->to_target };
	enum err rc = ERR_OK;

	for (size_t i = 0; i < mem_count(taps) && rc == ERR_OK; i++) {
		rc = demo_tap_open(d->loop, taps[i], why);
		if (rc == ERR_OK && d->page != NULL)
			demo_tap_watch(*taps[i], span_str(demo_page_marker(d->page)));
	}
	if (rc == ERR_OK)
		demo_tap_set_target(l->to_target, demo_target_host(d),
			demo_target_port(d));
	return rc;
}

void demo_lease_begin(struct demo *d)
{
	static const char url[] = "https://" LEASE_RELAY;
	const char *const argv[] = { "adit", "relay", "run", "--portal-url", url,
		"--host", DEMO_LOCAL, "--api-port", "0", "--sni-port", "0",
		"--identity-path", d->lease.directory, NULL };
	struct demo_start how = { .argv = argv, .on_line = lease_on_relay_line };
	struct why why = { "" };
	enum err rc = lease_make_directory(d, &why);

	fprintf(d->o->out,
		"\nNow by name, and with TLS that only the agent can read.\n\n");
	demo_await(d, DEMO_STARTING_RELAY);
	if (rc == ERR_OK)
		rc = lease_open_taps(d, &why);
	if (rc == ERR_OK)
		rc = demo_start(d, DEMO_RELAY, &how, &why);
	if (rc != ERR_OK)
		demo_fail(d, "%s", err_text(rc, &why));
}

void demo_lease_print_open(struct demo *d)
{
	fprintf(d->o->out,
		"         https://" LEASE_HOST
		":%u/ too: its certificate is the demo's own, so\n"
		"         curl --cacert %s/fullchain.pem https://" LEASE_HOST ":%u/\n",
		d->lease.visitors_port, d->lease.directory, d->lease.visitors_port);
}

void demo_lease_fini(struct demo *d)
{
	struct demo_lease *l = &d->lease;

	demo_tap_close(l->to_visitor);
	demo_tap_close(l->to_relay);
	demo_tap_close(l->to_target);
	tls_context_free(l->tls);
	if (l->directory[0] != '\0')
		lease_remove(l->directory);
}
