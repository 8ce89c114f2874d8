/* The machine and its certificates in the panel's API. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "crypto/authority.h"
#include "panel/panel_api_priv.h"
#include "panel/panel_priv.h"
#include "store/file.h"

#define SOON_DAYS 30
#define DAY_MS INT64_C(86400000)
#define PROC_MAX 65536
#define STATISTICS_MS 2000 /* they are read again after that */

/* ---- certificates ---- */

struct certificate_view {
	const char *type, *domain;
	char expires[PANEL_TIME_SIZE];
	int64_t days;
	const char *path;
	bool is_expiring;
	uint64_t ends_ms; /* not shown */
};

#define AT(member) FIELD_AT(struct certificate_view, member)

static const struct field certificate_rows[] = {
	{ "type", FIELD_TEXT, AT(type) },
	{ "domain", FIELD_TEXT, .is_nullable = true, AT(domain) },
	{ "expiresAt", FIELD_CHARS, AT(expires) },
	{ "daysUntilExpiry", FIELD_NUMBER, AT(days) },
	{ "path", FIELD_TEXT, AT(path) },
	{ "expiringSoon", FIELD_BOOL, AT(is_expiring) },
};

static const struct field_table certificate_fields =
	FIELD_TABLE_OF(struct certificate_view, certificate_rows);

struct certificates {
	struct certificate_view *v; /* owned, with texts of each */
	unsigned n;
	bool is_full; /* memory is out */
};

static void add_certificate(void *arg, const struct panel_certificate *c)
{
	struct certificates *all = arg;
	struct certificate_view *v = realloc(all->v,
		(all->n + 1) * sizeof(struct certificate_view));
	const int64_t left_ms = (int64_t)(c->ends_ms - clock_wall_ms());
	struct certificate_view *next;

	if (v == NULL) {
		all->is_full = true;
		return;
	}
	all->v = v;
	next = &v[all->n++];
	*next = (struct certificate_view){
		.type = c->type,
		.domain = c->domain != NULL ? strdup(c->domain) : NULL,
		.days = left_ms >= 0 ? left_ms / DAY_MS : -1,
		.path = strdup(c->path),
		.is_expiring = left_ms <= SOON_DAYS * DAY_MS,
		.ends_ms = c->ends_ms,
	};
	panel_print_time(c->ends_ms, next->expires);
}

static int by_end(const void *a, const void *b)
{
	const uint64_t one = ((const struct certificate_view *)a)->ends_ms;
	const uint64_t other = ((const struct certificate_view *)b)->ends_ms;

	return one < other ? -1 : one > other;
}

static void add_authority(struct panel *p, struct certificates *all)
{
	char *path = str_printf("%s/pki/ca.crt", p->o.state_dir);
	const struct authority *authority;
	struct panel_certificate c = { .type = "mtls-ca", .path = path };

	if (path != NULL && access(path, F_OK) == 0 &&
		panel_authority(p, &authority, NULL) == ERR_OK) {
		c.ends_ms = (uint64_t)authority_of(authority)->ends_s * 1000;
		add_certificate(all, &c);
	}
	free(path);
}

struct certificate_list {
	struct field_tables certs;
};

static const struct field list_rows[] = {
	{ "certs", FIELD_TABLES, FIELD_AT(struct certificate_list, certs),
		.of = &certificate_fields },
};

static const struct field_table list_fields = FIELD_TABLE_OF(struct certificate_list,
	list_rows);

static void get_certificates(void *panel, struct api_call *call)
{
	struct panel *p = panel;
	struct certificates all = { .n = 0 };
	struct certificate_list list;

	add_authority(p, &all);
	if (p->o.hooks->certificates != NULL)
		p->o.hooks->certificates(p->o.owner, add_certificate, &all);
	if (all.n > 0)
		qsort(all.v, all.n, sizeof(struct certificate_view), by_end);
	list.certs = (struct field_tables){ all.v, all.n };
	if (all.is_full)
		panel_refuse(call, 500, "Out of memory", NULL);
	else
		api_reply(call, &list);
	for (unsigned i = 0; i < all.n; i++) {
		free((char *)(uintptr_t)all.v[i].domain);
		free((char *)(uintptr_t)all.v[i].path);
	}
	free(all.v);
}

/* ---- the machine; 0 where the system has no such file ---- */

/* Reads a small file as text. Empty if it cannot be read. */
static const char *read_text(const char *path, struct buf *text)
{
	buf_init(text, PROC_MAX);
	if (file_read(path, text, NULL) != ERR_OK || buf_put_u8(text, '\0') != ERR_OK)
		buf_reset(text);
	return text->n > 0 ? (const char *)buf_front(text) : "";
}

/* Since the machine has started, in ticks: all, and those without work. */
static void read_ticks(uint64_t *all, uint64_t *idle)
{
	struct buf text;
	const char *at = read_text("/proc/stat", &text);
	char *end;

	*all = *idle = 0;
	at += strcspn(at, " "); /* "cpu  user nice system idle iowait ..." */
	for (unsigned i = 0; i < 8 && *at == ' '; i++) {
		uint64_t n = strtoull(at, &end, 10);

		if (end == at)
			break;
		*all += n;
		*idle += i == 3 || i == 4 ? n : 0;
		at = end;
	}
	buf_fini(&text);
}

/* The number of kilobytes after @key. */
static uint64_t memory_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at != NULL ? strtoull(at + strlen(key), NULL, 10) * 1024 : 0;
}

static void read_memory(struct panel_amount *out)
{
	struct buf text;
	const char *all = read_text("/proc/meminfo", &text);

	out->total = memory_of(all, "MemTotal:");
	out->free = memory_of(all, "MemAvailable:");
	out->used = out->total - out->free;
	buf_fini(&text);
}

static void read_disk(const char *path, struct panel_amount *out)
{
	struct statvfs st;

	if (statvfs(path, &st) != 0)
		return;
	out->total = (uint64_t)st.f_blocks * st.f_frsize;
	out->free = (uint64_t)st.f_bavail * st.f_frsize;
	out->used = out->total - (uint64_t)st.f_bfree * st.f_frsize;
}

static uint64_t read_uptime(void)
{
	struct buf text;
	uint64_t s = strtoull(read_text("/proc/uptime", &text), NULL, 10);

	buf_fini(&text);
	return s;
}

#undef AT
#define AT(member) FIELD_AT(struct panel_amount, member)

static const struct field amount_rows[] = {
	{ "total", FIELD_BYTES, AT(total) },
	{ "used", FIELD_BYTES, AT(used) },
	{ "free", FIELD_BYTES, AT(free) },
};

static const struct field_table amount_fields = FIELD_TABLE_OF(struct panel_amount,
	amount_rows);

#undef AT
#define AT(member) FIELD_AT(struct panel_statistics, member)

static const struct field cpu_rows[] = {
	{ "usage", FIELD_COUNT, AT(cpu_percent) },
	{ "cores", FIELD_COUNT, AT(cores) },
};

static const struct field_table cpu_fields = FIELD_TABLE_OF(struct panel_statistics,
	cpu_rows);

static const struct field statistics_rows[] = {
	{ "cpu", FIELD_TABLE, .at = 0, .size = sizeof(struct panel_statistics),
		.of = &cpu_fields },
	{ "memory", FIELD_TABLE, AT(memory), .of = &amount_fields },
	{ "disk", FIELD_TABLE, AT(disk), .of = &amount_fields },
	{ "uptime", FIELD_BYTES, AT(uptime_s) },
};

static const struct field_table statistics_fields =
	FIELD_TABLE_OF(struct panel_statistics, statistics_rows);

static void get_statistics(void *panel, struct api_call *call)
{
	struct panel *p = panel;
	struct panel_statistics *s = &p->statistics;
	const uint64_t now_ms = clock_now_ms();
	uint64_t all, idle;

	if (s->read_ms == 0 || now_ms - s->read_ms >= STATISTICS_MS) {
		read_ticks(&all, &idle);
		if (all > s->ticks)
			s->cpu_percent = (uint32_t)(100 -
				100 * (idle - s->idle_ticks) / (all - s->ticks));
		s->ticks = all;
		s->idle_ticks = idle;
		s->cores = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
		read_memory(&s->memory);
		read_disk(p->o.state_dir, &s->disk);
		s->uptime_s = read_uptime();
		s->read_ms = now_ms;
	}
	api_reply(call, s);
}

static const struct api_operation rows[] = {
	{ "GET", "/api/certs/", &panel_admin, get_certificates, .response = &list_fields,
		.summary = "Lists certificates, the first to end first." },
	{ "GET", "/api/system/stats/", &panel_monitor, get_statistics,
		.response = &statistics_fields,
		.summary = "Returns the load of the relay's machine." },
};

const struct api_table panel_system_table = API_TABLE_OF(rows);
