/* The report of the demo. */
#include "cli/demo_report.h"

#include <inttypes.h>
#include <string.h>

#define REPORT_LINES 4
#define REPORT_WIDTH 68

/* What a stranger wrote is made fit for a terminal: one column for each byte. */
static void report_line(FILE *out, struct span line)
{
	char shown[REPORT_WIDTH + 1];
	size_t n = 0;

	for (; n < line.n && n < REPORT_WIDTH; n++)
		shown[n] = (char)(line.p[n] >= ' ' && line.p[n] <= '~' ? line.p[n] : ' ');
	shown[n] = '\0';
	fprintf(out, "         %s\n", shown);
}

static void report_body(FILE *out, struct span body)
{
	for (unsigned i = 0; i < REPORT_LINES && body.n > 0; i++) {
		const uint8_t *end = memchr(body.p, '\n', body.n);
		size_t n = end != NULL ? (size_t)(end - body.p) : body.n;

		report_line(out, span_of(body.p, n));
		n += end != NULL;
		body = span_of(body.p + n, body.n - n);
	}
	if (body.n > 0)
		fputs("         ...\n", out);
}

void demo_report_answer(FILE *out, const struct demo_answer *answer)
{
	fprintf(out, "answer   %u %s%s%s\n", answer->status, answer->reason,
		answer->type[0] != '\0' ? ", " : "", answer->type);
	report_body(out, buf_span(&answer->body));
}

void demo_report_figures(FILE *out, unsigned number, const struct demo_answer *answer)
{
	if (number == 0)
		fprintf(out, "\nvisit    status  first byte       bytes  connection\n");
	fprintf(out, "%5u    %6u  %7.2f ms  %10" PRIu64 "  %s\n", number + 1,
		answer->status, (double)answer->first_us / 1000, answer->bytes,
		answer->is_reused ? "reused" : "new");
}
