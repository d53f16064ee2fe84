/*
 * A file as a stream's sink: what arrives is written beside it and takes its name only when the stream is
 * complete.
 */
#ifndef ZRPC_CMD_FILE_SINK_H
#define ZRPC_CMD_FILE_SINK_H

#include "zrpc/stream.h"

/* "-" is standard output; a path that exists and is no regular file is written to directly. */
int file_sink_open(const char *path, struct zrpc_sink *out, struct zrpc_error *err);

#endif
