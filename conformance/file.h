/*
 * Whole files.
 */
#ifndef ZRPC_CONFORMANCE_FILE_H
#define ZRPC_CONFORMANCE_FILE_H

#include "zrpc/bytes.h"

#define ZRPC_FILE_MAX (1 << 20) /* bytes of a text */

/* Appends the file's content. ZRPC_ERR_USAGE where it cannot be read, ZRPC_ERR_LIMIT for more than `max`
 * bytes; *out then has a part of it. */
int zrpc_file_load(const char *path, size_t max, struct zrpc_buf *out, struct zrpc_error *err);
/* A text, zero-terminated; free it. A zero byte in the file is ZRPC_ERR_USAGE. */
int zrpc_file_read(const char *path, char **text, struct zrpc_error *err);

#endif
