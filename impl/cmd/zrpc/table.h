/*
 * Tables for people: columns as wide as their widest cell, counted in characters, not bytes.
 */
#ifndef ZRPC_CMD_TABLE_H
#define ZRPC_CMD_TABLE_H

#include <stddef.h>
#include <stdio.h>

/* cells[row * columns + column]; the first row is the heading. */
void print_table(FILE *out, const char *const *cells, size_t rows, size_t columns);

#endif
