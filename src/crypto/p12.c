/* PKCS#12 files. */
#include "crypto/p12.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "base/mem.h"
#include "base/rand.h"
#include "crypto/pem.h"

#define PEM_MAX (4 * P12_FILE_MAX) /* what a file becomes as PEM */
#define MODERN_ITERATIONS 100000
#define LEGACY_ITERATIONS 2048
#define GROUP_CHARS 5

/* ---- passwords ---- */

void p12_make_password(char out[P12_PASSWORD_CHARS + 1])
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";

	for (size_t i = 0; i < P12_PASSWORD_CHARS; i++)
		out[i] = i % (GROUP_CHARS + 1) == GROUP_CHARS ?
			'-' :
			letters[rand_below(sizeof(letters) - 1)];
	out[P12_PASSWORD_CHARS] = '\0';
}

/* ---- writing ---- */

static STACK_OF(X509) * read_chain(struct span pem)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *cert;

	while (chain != NULL && (cert = pem_next_certificate(&pem)) != NULL) {
		if (sk_X509_push(chain, cert) > 0)
			continue;
		X509_free(cert);
		sk_X509_pop_free(chain, X509_free);
		chain = NULL;
	}
	return chain;
}

static enum err put_p12(PKCS12 *p12, struct buf *out)
{
	int n = i2d_PKCS12(p12, NULL);
	uint8_t *room;
	enum err rc;

	if (n <= 0)
		return ERR_CRYPTO;
	rc = buf_reserve(out, (size_t)n, &room);
	if (rc == ERR_OK)
		buf_commit(out, (size_t)i2d_PKCS12(p12, &room));
	return rc;
}

static enum err build(const struct p12_order *o, X509 *cert, EVP_PKEY *key,
	STACK_OF(X509) * chain, struct buf *out)
{
	bool is_legacy = o->encryption == P12_LEGACY;
	int nid = is_legacy ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc;
	int iterations = is_legacy ? LEGACY_ITERATIONS : MODERN_ITERATIONS;
	/* Without a MAC at first: its digest is not a parameter of that call. */
	PKCS12 *p12 = PKCS12_create(o->password, o->name, key, cert, chain, nid, nid,
		iterations, -1, 0);
	enum err rc = ERR_CRYPTO;

	if (p12 != NULL &&
		PKCS12_set_mac(p12, o->password, -1, NULL, 0, iterations,
			is_legacy ? EVP_sha1() : EVP_sha256()) == 1)
		rc = put_p12(p12, out);
	PKCS12_free(p12);
	return rc;
}

enum err p12_write(const struct p12_order *o, struct buf *out, struct why *why)
{
	struct span pem = o->cert;
	X509 *cert = pem_next_certificate(&pem);
	EVP_PKEY *key = pem_read_key(o->key, NULL);
	STACK_OF(X509) *chain = read_chain(o->chain);
	enum err rc;

	if (cert == NULL || key == NULL)
		rc = err_set(why, ERR_SYNTAX, "there is no certificate or no key (PEM)");
	else if (X509_check_private_key(cert, key) != 1)
		rc = err_set(why, ERR_SYNTAX,
			"the key does not belong to the certificate");
	else if (chain == NULL)
		rc = err_set(why, ERR_NOMEM, "no memory for a PKCS#12 file");
	else
		rc = build(o, cert, key, chain, out);
	if (rc == ERR_CRYPTO)
		err_set(why, rc, "cannot make a PKCS#12 file");
	ERR_clear_error();
	sk_X509_pop_free(chain, X509_free);
	EVP_PKEY_free(key);
	X509_free(cert);
	return rc;
}

/* ---- reading ---- */

void p12_wipe(struct p12 *p)
{
	buf_fini(&p->cert);
	buf_wipe(&p->key);
	buf_fini(&p->chain);
}

/* A file that is being read. */
struct reading {
	const char *password; /* NULL: none, which is not the empty one */
	int password_n;
	int64_t iterations; /* that it has demanded so far */

	EVP_PKEY *key;
	STACK_OF(X509) * certs;
	struct why *why;
};

static enum err malformed(struct reading *r)
{
	return err_set(r->why, ERR_SYNTAX, "not a PKCS#12 file with a key");
}

/* Their sum has a bound: a file may have many keys. */
static enum err check_iterations(struct reading *r, const ASN1_INTEGER *n)
{
	int64_t more = 1;

	if (n != NULL && (ASN1_INTEGER_get_int64(&more, n) != 1 || more < 1))
		return malformed(r);
	if (more > P12_ITERATIONS_MAX - r->iterations)
		return err_set(r->why, ERR_LIMIT,
			"the PKCS#12 file demands more than %d iterations of key derivation",
			P12_ITERATIONS_MAX);
	r->iterations += more;
	return ERR_OK;
}

static enum err unsupported(struct reading *r, const ASN1_OBJECT *what)
{
	char name[80];

	OBJ_obj2txt(name, sizeof(name), what, 0);
	return err_set(r->why, ERR_CRYPTO,
		"the PKCS#12 file is encrypted with %s, which is not supported: export it "
		"again with AES or 3DES",
		name);
}

static enum err check_pbes2(struct reading *r, const ASN1_TYPE *parameter)
{
	PBE2PARAM *pbe = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), parameter);
	PBKDF2PARAM *kdf = NULL;
	enum err rc;

	if (pbe == NULL)
		return malformed(r);
	if (OBJ_obj2nid(pbe->keyfunc->algorithm) != NID_id_pbkdf2) {
		rc = unsupported(r, pbe->keyfunc->algorithm);
	} else {
		kdf = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM),
			pbe->keyfunc->parameter);
		rc = kdf != NULL ? check_iterations(r, kdf->iter) : malformed(r);
	}
	PBKDF2PARAM_free(kdf);
	PBE2PARAM_free(pbe);
	return rc;
}

/* Before the work is done that a file demands. */
static enum err check_encryption(struct reading *r, const X509_ALGOR *a)
{
	const ASN1_OBJECT *what;
	const void *value;
	PBEPARAM *pbe;
	enum err rc;
	int type;

	X509_ALGOR_get0(&what, &type, &value, a);
	switch (OBJ_obj2nid(what)) {
	case NID_pbes2:
		return check_pbes2(r, a->parameter);
	case NID_pbe_WithSHA1And3_Key_TripleDES_CBC:
	case NID_pbe_WithSHA1And2_Key_TripleDES_CBC:
		pbe = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), a->parameter);
		rc = pbe != NULL ? check_iterations(r, pbe->iter) : malformed(r);
		PBEPARAM_free(pbe);
		return rc;
	default:
		return unsupported(r, what);
	}
}

static enum err check_password(struct reading *r, PKCS12 *p12, const char *password)
{
	const ASN1_INTEGER *iterations = NULL;
	enum err rc;

	if (PKCS12_mac_present(p12) != 1)
		return err_set(r->why, ERR_SYNTAX,
			"the PKCS#12 file has no MAC, so that its password cannot be checked");
	PKCS12_get0_mac(NULL, NULL, NULL, &iterations, p12);
	rc = check_iterations(r, iterations);
	if (rc != ERR_OK)
		return rc;
	r->password = password;
	r->password_n = (int)strlen(password);
	if (PKCS12_verify_mac(p12, r->password, r->password_n) == 1)
		return ERR_OK;
	/* Some programs write "no password" in another way. */
	if (r->password_n == 0 && PKCS12_verify_mac(p12, NULL, 0) == 1) {
		r->password = NULL;
		return ERR_OK;
	}
	return err_set(r->why, ERR_DENIED,
		"the password of the PKCS#12 file is wrong, or the file is damaged");
}

/* Takes @key. */
static enum err take_key(struct reading *r, EVP_PKEY *key)
{
	if (key == NULL)
		return malformed(r);
	if (r->key != NULL) {
		EVP_PKEY_free(key);
		return err_set(r->why, ERR_SYNTAX,
			"the PKCS#12 file has more than one private key");
	}
	r->key = key;
	return ERR_OK;
}

static enum err take_encrypted_key(struct reading *r, const PKCS12_SAFEBAG *bag)
{
	const X509_SIG *sealed = PKCS12_SAFEBAG_get0_pkcs8(bag);
	const X509_ALGOR *algorithm = NULL;
	PKCS8_PRIV_KEY_INFO *info;
	enum err rc;

	if (sealed == NULL)
		return malformed(r);
	X509_SIG_get0(sealed, &algorithm, NULL);
	rc = check_encryption(r, algorithm);
	if (rc != ERR_OK)
		return rc;
	info = PKCS12_decrypt_skey(bag, r->password, r->password_n);
	rc = take_key(r, info != NULL ? EVP_PKCS82PKEY(info) : NULL);
	PKCS8_PRIV_KEY_INFO_free(info); /* wipes it */
	return rc;
}

static enum err take_certificate(struct reading *r, const PKCS12_SAFEBAG *bag)
{
	X509 *cert;

	if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
		return ERR_OK;
	if (sk_X509_num(r->certs) == P12_CERTIFICATES_MAX)
		return err_set(r->why, ERR_LIMIT,
			"the PKCS#12 file has more than %d certificates",
			P12_CERTIFICATES_MAX);
	cert = PKCS12_SAFEBAG_get1_cert(bag);
	if (cert == NULL)
		return malformed(r);
	if (sk_X509_push(r->certs, cert) > 0)
		return ERR_OK;
	X509_free(cert);
	return err_set(r->why, ERR_NOMEM, "no memory for a PKCS#12 file");
}

/* Other things, such as revocation lists, are ignored. */
static enum err take_bag(struct reading *r, const PKCS12_SAFEBAG *bag)
{
	const PKCS8_PRIV_KEY_INFO *info;

	switch (PKCS12_SAFEBAG_get_nid(bag)) {
	case NID_keyBag:
		info = PKCS12_SAFEBAG_get0_p8inf(bag);
		return take_key(r, info != NULL ? EVP_PKCS82PKEY(info) : NULL);
	case NID_pkcs8ShroudedKeyBag:
		return take_encrypted_key(r, bag);
	case NID_certBag:
		return take_certificate(r, bag);
	default:
		return ERR_OK;
	}
}

static enum err open_safe(struct reading *r, PKCS7 *safe, STACK_OF(PKCS12_SAFEBAG) * *out)
{
	enum err rc = ERR_OK;

	if (PKCS7_type_is_data(safe) && safe->d.data != NULL) {
		*out = PKCS12_unpack_p7data(safe);
	} else if (PKCS7_type_is_encrypted(safe) && safe->d.encrypted != NULL &&
		safe->d.encrypted->enc_data != NULL) {
		rc = check_encryption(r, safe->d.encrypted->enc_data->algorithm);
		if (rc == ERR_OK)
			*out = PKCS12_unpack_p7encdata(safe, r->password, r->password_n);
	}
	return rc == ERR_OK && *out == NULL ? malformed(r) : rc;
}

static enum err take_safe(struct reading *r, PKCS7 *safe)
{
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	enum err rc = open_safe(r, safe, &bags);

	for (int i = 0; rc == ERR_OK && i < sk_PKCS12_SAFEBAG_num(bags); i++)
		rc = take_bag(r, sk_PKCS12_SAFEBAG_value(bags, i));
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	return rc;
}

static enum err take_safes(struct reading *r, PKCS12 *p12)
{
	STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
	enum err rc = safes != NULL ? ERR_OK : malformed(r);

	for (int i = 0; rc == ERR_OK && i < sk_PKCS7_num(safes); i++)
		rc = take_safe(r, sk_PKCS7_value(safes, i));
	sk_PKCS7_pop_free(safes, PKCS7_free);
	return rc;
}

/* The certificate of the key goes into .cert, whatever its place in the file. */
static enum err give(struct reading *r, struct p12 *out)
{
	enum err rc = r->key != NULL ? pem_put_key(&out->key, r->key) : malformed(r);

	for (int i = 0; rc == ERR_OK && i < sk_X509_num(r->certs); i++) {
		X509 *cert = sk_X509_value(r->certs, i);
		bool is_own = out->cert.n == 0 &&
			X509_check_private_key(cert, r->key) == 1;

		rc = pem_put_certificate(is_own ? &out->cert : &out->chain, cert);
	}
	if (rc == ERR_OK && out->cert.n == 0)
		rc = err_set(r->why, ERR_SYNTAX,
			"the PKCS#12 file has no certificate for its key");
	return rc;
}

static enum err read_all(struct reading *r, PKCS12 *p12, const char *password,
	struct p12 *out)
{
	enum err rc = check_password(r, p12, password);

	if (rc == ERR_OK)
		rc = take_safes(r, p12);
	return rc == ERR_OK ? give(r, out) : rc;
}

enum err p12_read(struct span file, const char *password, struct p12 *out,
	struct why *why)
{
	struct reading r = { .why = why };
	const uint8_t *p = file.p;
	struct p12 got;
	PKCS12 *p12;
	enum err rc;

	if (file.n > P12_FILE_MAX || strlen(password) > P12_PASSWORD_MAX)
		return err_set(why, ERR_LIMIT,
			"the PKCS#12 file has more than %d bytes, or the password more than "
			"%d",
			P12_FILE_MAX, P12_PASSWORD_MAX);
	buf_init(&got.cert, PEM_MAX);
	buf_init(&got.key, PEM_MAX);
	buf_init(&got.chain, PEM_MAX);
	p12 = d2i_PKCS12(NULL, &p, (long)file.n);
	r.certs = sk_X509_new_null();
	if (r.certs == NULL)
		rc = err_set(why, ERR_NOMEM, "no memory for a PKCS#12 file");
	else
		rc = p12 != NULL ? read_all(&r, p12, password, &got) : malformed(&r);
	ERR_clear_error();
	PKCS12_free(p12);
	EVP_PKEY_free(r.key);
	sk_X509_pop_free(r.certs, X509_free);
	if (rc == ERR_OK)
		*out = got;
	else
		p12_wipe(&got);
	return rc;
}
