/* The envelope of answers of the relay's API: {"ok":true,"data":…}. portal-protocol 2. */
#ifndef TUNNEL_PORTAL_ENVELOPE_H
#define TUNNEL_PORTAL_ENVELOPE_H

#include "http/api.h"
#include "tunnel/portal/message.h"

/* To the older of two agents with the same identity. */
#define ENVELOPE_REPLACED "another agent has registered with the same identity since"

extern const struct api_envelope relay_envelope;

void envelope_refuse(struct api_call *call, enum message_error error, const char *text);

#endif
