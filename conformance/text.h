/*
 * Text building in a zrpc_buf. The content is always zero-terminated behind its end, so zrpc_text_str() is a
 * C string. Running out of memory leaves the text as it was: texts are for people, never for decisions.
 */
#ifndef ZRPC_CONFORMANCE_TEXT_H
#define ZRPC_CONFORMANCE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>

#include "zrpc/bytes.h"

void zrpc_text_add(struct zrpc_buf *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void zrpc_text_vadd(struct zrpc_buf *text, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Valid until the text is next changed; "" for an empty one. */
const char *zrpc_text_str(const struct zrpc_buf *text);
/* The text as a malloc'ed string of its own, or NULL; the buffer is empty afterwards. */
char *zrpc_text_take(struct zrpc_buf *text);

/* The first `max` bytes for people: "quoted with \n escapes" where they are UTF-8 text, else hex; and how
 * many more there are. Bytes that no terminal or XML file takes never appear unescaped. */
void zrpc_text_add_bytes(struct zrpc_buf *text, struct zrpc_view bytes, uint64_t total, size_t max);
void zrpc_text_add_quoted(struct zrpc_buf *text, struct zrpc_view utf8);
/* Without the quotes, and only what would act on a terminal escaped, as \x1b. */
void zrpc_text_add_shown(struct zrpc_buf *text, struct zrpc_view utf8);

/* The text with &, <, > and quotes replaced, for XML and HTML. What XML 1.0 cannot hold becomes '?'. */
void zrpc_text_add_xml(struct zrpc_buf *text, const char *raw);

#endif
