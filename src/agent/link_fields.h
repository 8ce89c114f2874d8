/* The options of a link as fields: for the command line, and for links in a file. */
#ifndef AGENT_LINK_FIELDS_H
#define AGENT_LINK_FIELDS_H

#include "agent/link.h"
#include "text/field.h"

/* Of a struct link_client_options: those that a user gives in the same way everywhere.
 * They own their texts: field_fini(). */
extern const struct field_table link_fields;

#endif
