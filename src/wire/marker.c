/* Markers of reverse sessions. */
#include "wire/marker.h"

enum err marker_read(struct span *in, enum marker *out)
{
	uint8_t byte = MARKER_KEEPALIVE;

	while (byte == MARKER_KEEPALIVE)
		if (!span_u8(in, &byte))
			return ERR_AGAIN;
	if (byte != MARKER_RAW && byte != MARKER_TLS)
		return ERR_PROTO;
	*out = byte;
	return ERR_OK;
}
