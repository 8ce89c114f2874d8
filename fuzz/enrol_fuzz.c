/* What a relay says to an agent that enrols: the first byte chooses the reader. */
#include <stdlib.h>
#include <string.h>

#include "agent/enrol.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The key of the certificate in the corpus. */
static const char key[] =
	"-----BEGIN EC PRIVATE KEY-----\n"
	"MHcCAQEEIBDlbI5h+X62b/koDUMfQK4cB+6C4lMv8PqT1QZi0w1toAoGCCqGSM49\n"
	"AwEHoUQDQgAEiLV2HAXl+pbY+zd1MNUTLhwdq1ZOujVu1uXno7SWVVk6I6HmYBRn\n"
	"fzSEZU2JToy2anIQaeEgiApxgSreT+5DNg==\n"
	"-----END EC PRIVATE KEY-----\n";

static void run_reply(const struct enrol_relay *relay, struct span body)
{
	char url[URL_TEXT_MAX];
	struct enrol_reply r;
	struct why why;

	if (enrol_reply_read(body, span_str(key), &r, &why) == ERR_OK)
		(void)!enrol_link_url(relay, &r, url, &why);
	enrol_reply_fini(&r);
}

static void run_texts(struct span in)
{
	char *text = span_dup(in), id[ENROL_ID_MAX];
	uint8_t pin[ENROL_PIN_BYTES];
	struct enrol_relay relay, again;

	if (text == NULL)
		return;
	(void)!enrol_pin_parse(text, pin, NULL);
	(void)!enrol_token_check(text, NULL);
	if (enrol_relay_parse(text, &relay, NULL) == ERR_OK) {
		if (enrol_relay_parse(relay.url, &again, NULL) != ERR_OK ||
			strcmp(again.url, relay.url) != 0 ||
			strchr(enrol_link_id(&relay, id), '/') != NULL)
			abort();
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct enrol_relay relay;
	struct span rest;
	struct why why;
	int64_t s;

	if (size == 0 || enrol_relay_parse("panel.example.com", &relay, NULL) != ERR_OK)
		return 0;
	rest = span_of(data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		run_reply(&relay, rest);
		break;
	case 1:
		(void)!enrol_refusal(&relay, 400, rest, &why);
		break;
	case 2:
		(void)!enrol_date_parse(rest, &s);
		(void)!enrol_clock_check(rest, 0, &why);
		break;
	default:
		run_texts(rest);
		break;
	}
	return 0;
}
