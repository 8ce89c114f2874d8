/* Challenges: sign-ins that wait for their signature. */
#include "tunnel/portal/challenges.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/str.h"
#include "net/prefix.h"

#define CLIENT_IP6_BITS 64  /* of the smallest customers */
#define NETWORK_IP6_BITS 48 /* of larger ones */

struct pending {
	struct list in_order; /* of their time */
	char id[RANDOM_ID_SIZE];
	struct prefix client, network;
	uint64_t until_ms; /* wall clock */
	struct buf text;
	void *payload;
	void (*free_payload)(void *payload);
	size_t bytes; /* of memory, with the payload */
	unsigned tries;
};

struct challenges {
	struct challenges_options o;
	struct list order;
	unsigned count;
	size_t bytes;
};

enum err challenges_new(const struct challenges_options *o, struct challenges **out)
{
	struct challenges *c = mem_new(c);

	if (c == NULL)
		return ERR_NOMEM;
	c->o = *o;
	list_init(&c->order);
	*out = c;
	return ERR_OK;
}

static void pending_free(struct pending *p)
{
	if (p == NULL)
		return;
	if (p->payload != NULL && p->free_payload != NULL)
		p->free_payload(p->payload);
	buf_fini(&p->text);
	free(p);
}

static void challenges_drop(struct challenges *c, struct pending *p)
{
	list_remove(&p->in_order);
	c->count--;
	c->bytes -= p->bytes;
	pending_free(p);
}

void challenges_free(struct challenges *c)
{
	struct pending *p;

	if (c == NULL)
		return;
	while ((p = list_first(&c->order, struct pending, in_order)) != NULL)
		challenges_drop(c, p);
	free(c);
}

/* The wall clock may be set back: challenges from the future are dropped, too. */
static bool pending_is_over(const struct pending *p, uint64_t now_ms)
{
	return p->until_ms < now_ms || p->until_ms > now_ms + CHALLENGES_TTL_S * 1000;
}

void challenges_sweep(struct challenges *c)
{
	uint64_t now_ms = clock_wall_ms();
	struct pending *p;

	while ((p = list_first(&c->order, struct pending, in_order)) != NULL &&
		pending_is_over(p, now_ms))
		challenges_drop(c, p);
}

/* All clients without an address share one prefix. */
static struct prefix prefix_of(const struct addr *client, uint8_t ip6_bits)
{
	struct prefix p;

	return prefix_of_client(client, ip6_bits, &p) ? p : (struct prefix){ .bits = 0 };
}

static bool challenges_are_too_many(const struct challenges *c, const struct addr *client)
{
	const struct prefix one = prefix_of(client, CLIENT_IP6_BITS),
			    network = prefix_of(client, NETWORK_IP6_BITS);
	unsigned of_client = 0, of_network = 0;
	struct list *it, *tmp;

	list_each(it, tmp, &c->order) {
		const struct pending *p = list_object(it, struct pending, in_order);

		of_client += prefix_eq(&p->client, &one);
		of_network += prefix_eq(&p->network, &network);
	}
	return of_client >= CHALLENGES_PER_CLIENT || of_network >= CHALLENGES_PER_NETWORK;
}

static void challenges_add(struct challenges *c, struct pending *p)
{
	while (!list_is_empty(&c->order) &&
		(c->count >= CHALLENGES_MAX ||
			c->bytes + p->bytes > CHALLENGES_BYTES_MAX))
		challenges_drop(c, list_object(c->order.next, struct pending, in_order));
	list_add(&c->order, &p->in_order);
	c->count++;
	c->bytes += p->bytes;
}

/* Times in the text are whole seconds. */
static enum err challenges_write(struct challenges *c,
	const struct challenge_request *req, struct pending *p)
{
	char nonce[SIWE_NONCE_CHARS + 1];
	char *uri = str_printf("%s://%s%s", c->o.is_plain ? "http" : "https", req->domain,
		c->o.path);
	struct siwe m = {
		.domain = span_str(req->domain),
		.statement = span_str(c->o.statement),
		.request_id = span_str(p->id),
		.issued_at.s = (int64_t)(p->until_ms / 1000) - CHALLENGES_TTL_S,
		.expires_at.s = (int64_t)(p->until_ms / 1000),
		.has_expiry = true,
	};
	enum err rc;

	if (uri == NULL)
		return ERR_NOMEM;
	siwe_make_nonce(nonce);
	m.uri = span_str(uri);
	m.nonce = span_str(nonce);
	str_copy(m.address, sizeof(m.address), req->address);
	rc = siwe_print(&m, &p->text);
	free(uri);
	return rc;
}

enum err challenges_open(struct challenges *c, const struct challenge_request *req,
	struct message_challenge *out, struct why *why)
{
	struct pending *p;
	enum err rc;

	challenges_sweep(c);
	if (challenges_are_too_many(c, req->client))
		return err_set(why, ERR_LIMIT, "too many pending challenges");
	p = mem_new(p);
	if (p == NULL)
		return err_set(why, ERR_NOMEM, "out of memory");
	buf_init(&p->text, sizeof(out->siwe_message) - 1);
	random_id_make(c->o.prefix, p->id);
	p->client = prefix_of(req->client, CLIENT_IP6_BITS);
	p->network = prefix_of(req->client, NETWORK_IP6_BITS);
	p->until_ms = clock_wall_ms() + CHALLENGES_TTL_S * 1000;
	rc = challenges_write(c, req, p);
	if (rc != ERR_OK) {
		pending_free(p);
		return err_set(why, rc == ERR_LIMIT ? ERR_SYNTAX : rc,
			"cannot write a sign-in message for that host");
	}
	p->payload = req->payload;
	p->free_payload = req->free_payload;
	p->bytes = sizeof(*p) + p->text.cap + req->payload_bytes;
	challenges_add(c, p);
	*out = (struct message_challenge){
		.expires_at = { .s = (int64_t)(p->until_ms / 1000),
			.ns = (uint32_t)(p->until_ms % 1000 * 1000000) },
	};
	str_copy(out->challenge_id, sizeof(out->challenge_id), p->id);
	memcpy(out->siwe_message, buf_span(&p->text).p, p->text.n);
	return ERR_OK;
}

static struct pending *challenges_find(struct challenges *c, const char *id)
{
	struct list *it, *tmp;

	challenges_sweep(c);
	list_each(it, tmp, &c->order) {
		struct pending *p = list_object(it, struct pending, in_order);

		if (strcmp(p->id, id) == 0)
			return p;
	}
	return NULL;
}

enum err challenges_verify(struct challenges *c, const char *id,
	const struct siwe_response *response, struct challenge_outcome *out,
	struct why *why)
{
	struct timestamp now = { .s = (int64_t)(clock_wall_ms() / 1000) };
	struct pending *p = challenges_find(c, id);
	char address[ADDRESS_TEXT_SIZE];
	enum err rc;

	if (p == NULL)
		return err_set(why, ERR_NOENT, "the challenge is unknown or has expired");
	rc = siwe_verify(buf_span(&p->text), response, now, address, why);
	if (rc != ERR_OK && ++p->tries >= CHALLENGES_TRIES_MAX)
		challenges_drop(c, p);
	if (rc != ERR_OK)
		return rc == ERR_TIMEOUT ? ERR_NOENT : rc;
	memcpy(out->address, address, sizeof(address));
	out->payload = p->payload;
	p->payload = NULL;
	challenges_drop(c, p);
	return ERR_OK;
}
