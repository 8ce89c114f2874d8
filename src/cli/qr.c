/* QR codes on a terminal. */
#include "cli/qr.h"

#include "cli/terminal.h"

#ifdef HAVE_QRENCODE
#include <qrencode.h>

#define QR_MARGIN 2 /* light modules around it: half of what ISO 18004 asks, and enough */

static bool qr_is_dark(const QRcode *code, int x, int y)
{
	if (x < 0 || y < 0 || x >= code->width || y >= code->width)
		return false;
	return (code->data[y * code->width + x] & 1) != 0;
}

/* Light is drawn and dark left out, on white paper or not: colours make it sure. */
static void qr_put(FILE *out, const QRcode *code, bool has_colours)
{
	static const char *const halves[] = { "█", "▀", "▄", " " };

	for (int y = -QR_MARGIN; y < code->width + QR_MARGIN; y += 2) {
		fputs(has_colours ? "\033[97;40m" : "", out);
		for (int x = -QR_MARGIN; x < code->width + QR_MARGIN; x++) {
			/* A code has an odd width: the last line has one row only. */
			bool has_lower = y + 1 < code->width + QR_MARGIN;
			unsigned upper = qr_is_dark(code, x, y);
			unsigned lower = !has_lower || qr_is_dark(code, x, y + 1);

			fputs(halves[upper * 2 + lower], out);
		}
		fputs(has_colours ? "\033[0m\n" : "\n", out);
	}
}

bool qr_draw(FILE *out, const char *text, unsigned columns, bool has_colours)
{
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
	bool fits = code != NULL && (unsigned)code->width + 2 * QR_MARGIN <= columns;

	if (fits)
		qr_put(out, code, has_colours);
	QRcode_free(code);
	return fits;
}

#else

bool qr_draw(FILE *out, const char *text, unsigned columns, bool has_colours)
{
	(void)out;
	(void)text;
	(void)columns;
	(void)has_colours;
	return false;
}

#endif

void qr_print(FILE *out, int terminal, const char *text)
{
	if (terminal_is_smart(terminal) && terminal_has_utf8())
		(void)qr_draw(out, text, terminal_columns(terminal),
			terminal_has_colours(terminal));
}
