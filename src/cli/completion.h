/* Completion: scripts for shells, made from the tables of personas, commands and
 * flags. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include <stdbool.h>
#include <stdio.h>

/* Prints the script for @shell: bash, zsh or fish. False: no such shell. */
bool completion_print(const char *shell, FILE *out);

#endif
