/* Keys and certificates in PEM text. */
#include "crypto/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

int pem_no_password(char *to, int size, int is_writing, void *was_asked)
{
	(void)to;
	(void)size;
	(void)is_writing;
	if (was_asked != NULL)
		*(bool *)was_asked = true;
	return -1;
}

/* OpenSSL takes no text at NULL. */
static BIO *pem_open(struct span pem)
{
	return BIO_new_mem_buf(pem.n > 0 ? (const void *)pem.p : "", (int)pem.n);
}

EVP_PKEY *pem_read_key(struct span pem, bool *is_encrypted)
{
	BIO *bio = pem_open(pem);
	bool was_asked = false;
	EVP_PKEY *key = bio != NULL ?
		PEM_read_bio_PrivateKey(bio, NULL, pem_no_password, &was_asked) :
		NULL;

	if (is_encrypted != NULL)
		*is_encrypted = was_asked;
	BIO_free(bio);
	ERR_clear_error();
	return key;
}

X509 *pem_next_certificate(struct span *pem)
{
	BIO *bio = pem_open(*pem);
	struct span passed;
	X509 *cert = NULL;

	if (bio != NULL) {
		cert = PEM_read_bio_X509(bio, NULL, pem_no_password, NULL);
		(void)span_cut(pem, pem->n - BIO_ctrl_pending(bio), &passed);
	}
	BIO_free(bio);
	ERR_clear_error();
	return cert;
}

int64_t pem_seconds_of(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

int64_t pem_end_of(struct span pem)
{
	X509 *leaf = pem_next_certificate(&pem);
	int64_t end = leaf != NULL ? pem_seconds_of(X509_get0_notAfter(leaf)) : 0;

	X509_free(leaf);
	return end;
}

/* Appends what was written into @bio, and frees it. */
static enum err put_bio(struct buf *out, BIO *bio, bool is_written)
{
	enum err rc = ERR_NOMEM;
	char *text;

	if (is_written) {
		long n = BIO_get_mem_data(bio, &text);

		rc = buf_put(out, text, (size_t)n);
	}
	BIO_free(bio);
	ERR_clear_error();
	return rc;
}

enum err pem_put_certificate(struct buf *out, X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());

	return put_bio(out, bio, bio != NULL && PEM_write_bio_X509(bio, cert) == 1);
}

enum err pem_put_key(struct buf *out, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when it is freed */

	return put_bio(out, bio,
		bio != NULL &&
			PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL,
				NULL) == 1);
}
