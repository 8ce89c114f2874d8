/* Help: the texts of --help, made from the tables. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"
#include "cli/persona.h"

/* All commands of @p. */
void help_print_persona(FILE *out, const struct persona *p);

/* One command: usage, flags, environment, examples; or one group and its commands. */
void help_print_command(FILE *out, const struct persona *p, const struct command *c);

#endif
