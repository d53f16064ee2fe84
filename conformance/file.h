/*
 * Whole files as text.
 */
#ifndef ZRPC_CONFORMANCE_FILE_H
#define ZRPC_CONFORMANCE_FILE_H

#include "zrpc/error.h"

#define ZRPC_FILE_MAX (1 << 20) /* bytes; more is ZRPC_ERR_LIMIT */

/* *text is zero-terminated, free it. A zero byte in the file, or a file that cannot be read, is
 * ZRPC_ERR_USAGE. */
int zrpc_file_read(const char *path, char **text, struct zrpc_error *err);

#endif
