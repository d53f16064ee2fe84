/*
 * Logging: logfmt lines through the caller's sink. Library code never prints.
 *
 *     zrpc_log(log, ZRPC_LOG_INFO, "accepted", "peer", address, "identity", identity, NULL);
 *
 * A logger is a small value: copying one with zrpc_log_with() adds a field to every line. A NULL logger
 * discards. Sinks are called from any thread and must be thread-safe; the one for stderr is.
 */
#ifndef ZRPC_LOG_H
#define ZRPC_LOG_H

#include <stddef.h>

enum zrpc_log_level { ZRPC_LOG_ERROR, ZRPC_LOG_WARN, ZRPC_LOG_INFO, ZRPC_LOG_DEBUG };

#define ZRPC_LOG_FIELDS_MAX 512

/* Bytes; beyond it values are cut, marked with "...", then fields left out. */
#define ZRPC_LOG_LINE_MAX 4000

/* `line` is one logfmt line, from level= on, without newline, zero-terminated, valid during the call only:
 *     level=info FIELDS msg="..." key=value
 * Values are quoted where they must be; what is not UTF-8 or not printable is escaped. */
typedef void zrpc_log_sink(void *ctx, enum zrpc_log_level level, const char *line);

struct zrpc_log {
    zrpc_log_sink *sink;
    void *ctx;
    enum zrpc_log_level level;        /* lines above it are discarded */
    char fields[ZRPC_LOG_FIELDS_MAX]; /* formatted fields common to all lines, each with a leading space */
};

/* Lines go to stderr, each in one write, with time=RFC3339 (UTC) in front. */
void zrpc_log_init_stderr(struct zrpc_log *log, enum zrpc_log_level level);
/* *out = *parent plus one field, if it fits. out may be parent; parent may be NULL, then out discards too. */
void zrpc_log_with(struct zrpc_log *out, const struct zrpc_log *parent, const char *key, const char *value);
/* Pairs of strings (key, value) up to a NULL key. A NULL value is written as an empty string. */
void zrpc_log(const struct zrpc_log *log, enum zrpc_log_level level, const char *msg, ...)
    __attribute__((sentinel));

/* "error", "warn", "info", "debug" to a level: 0, or ZRPC_ERR_USAGE. */
int zrpc_log_level_parse(const char *text, enum zrpc_log_level *out);

#endif
