/* The identity that the protocol's worked examples share, for the tests beside this. */
#ifndef TUNNEL_PORTAL_IDENTITY_VECTOR_TEST_H
#define TUNNEL_PORTAL_IDENTITY_VECTOR_TEST_H

#include "tunnel/portal/identity.h"

#define VECTOR_NAME "demo-app"
#define VECTOR_ADDRESS "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
#define VECTOR_PUBLIC "038318535b54105d4a7aae60c08fc45f9687181b4fdfc625bd1a753fa7397fed75"
#define VECTOR_SECRET "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
#define VECTOR_TOKEN_SECRET "c2VjcmV0LXRva2VuLWZvci10ZXN0LXZlY3RvcnMtMDE"

#define VECTOR_FILE \
	"{\n" \
	"  \"name\": \"" VECTOR_NAME "\",\n" \
	"  \"address\": \"" VECTOR_ADDRESS "\",\n" \
	"  \"public_key\": \"" VECTOR_PUBLIC "\",\n" \
	"  \"private_key\": \"" VECTOR_SECRET "\",\n" \
	"  \"token_secret\": \"" VECTOR_TOKEN_SECRET "\"\n" \
	"}\n"

#endif
