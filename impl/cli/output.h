/*
 * What tools print: texts that a peer has chosen, shown without obeying them, and whether standard output
 * took it all.
 */
#ifndef ZRPC_CLI_OUTPUT_H
#define ZRPC_CLI_OUTPUT_H

#include <jansson.h>
#include <stdio.h>

#include "zrpc/bytes.h"

/* The text with every character that acts on a terminal, or on lines, as \n, \t, \x1b or \u202e; bytes that
 * are not UTF-8 as \xff. All else stays. Cut where memory runs out. */
void cli_escape(struct zrpc_buf *out, const char *text);
/* The same, printed. */
void cli_print_escaped(FILE *out, const char *text);
/* As fprintf(3), everything escaped but a newline at the end of `fmt`. */
void cli_printf(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Indented, with a newline. Texts are escaped as JSON has it, and no less than above. */
void cli_print_json(FILE *out, const json_t *json);

/* "PROGRAM COMMAND: TEXT" and a newline on stderr, in one write, TEXT escaped. `command` may be NULL. */
void cli_complain(const char *program, const char *command, const char *text);
/* The same for each line of a text that is this side's own: the mistakes of a configuration. */
void cli_complain_lines(const char *program, const char *command, const char *text);

/* At the end of main: `status`, or EXIT_LOCAL with a word on stderr where standard output did not take
 * everything. */
int cli_finish(const char *program, int status);

#endif
