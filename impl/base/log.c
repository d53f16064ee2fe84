#include "zrpc/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "zrpc/bytes.h"

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* Text under way in memory of a fixed size, zero-terminated at all times. */
struct text {
    char *out;
    size_t size, len;
};

static bool text_add(struct text *t, const char *bytes, size_t n)
{
    if (n >= t->size - t->len)
        return false;
    memcpy(t->out + t->len, bytes, n);
    t->len += n;
    t->out[t->len] = '\0';
    return true;
}

/* How the character that v begins with is written inside quotes; *n is how many bytes of v it takes. */
static size_t escape(struct zrpc_view v, size_t *n, char out[static 8])
{
    static const char specials[] = "\"\"\\\\\nn\rr\tt"; /* pairs: the byte, what follows the backslash */
    uint8_t c = v.data[0];

    *n = zrpc_utf8_sequence(v);
    if (*n == 0) {
        *n = 1;
        return (size_t)snprintf(out, 8, "\\ufffd");
    }
    for (size_t i = 0; *n == 1 && i + 1 < sizeof specials; i += 2)
        if ((char)c == specials[i])
            return (size_t)snprintf(out, 8, "\\%c", specials[i + 1]);
    if (zrpc_utf8_printable(v) == 0)
        return (size_t)snprintf(out, 8, "\\u%04x", (unsigned)zrpc_utf8_code(v));
    memcpy(out, v.data, *n);
    return *n;
}

static bool needs_quotes(struct zrpc_view v)
{
    for (size_t i = 0; i < v.len; i++)
        if (v.data[i] == ' ' || v.data[i] == '=' || v.data[i] == '"' || v.data[i] == '\\')
            return true;
    while (v.len > 0) {
        size_t n = zrpc_utf8_printable(v);

        if (n == 0)
            return true;
        zrpc_view_take(&v, n);
    }
    return false;
}

static bool add_quoted(struct text *t, struct zrpc_view v)
{
    static const char cut[] = "...\"";
    size_t n;
    char escaped[8];

    if (!text_add(t, "\"", 1))
        return false;
    for (; v.len > 0; zrpc_view_take(&v, n)) {
        size_t len = escape(v, &n, escaped);

        if (t->size - t->len <= len + sizeof cut)
            return text_add(t, cut, sizeof cut - 1);
        text_add(t, escaped, len);
    }
    return text_add(t, "\"", 1);
}

/* Adds " key=value"; nothing at all where not even a cut value has room. */
static bool add_field(struct text *t, const char *key, const char *value)
{
    struct zrpc_view v = zrpc_view_of(value == NULL ? "" : value);
    size_t start = t->len;

    if (text_add(t, " ", 1) && text_add(t, key, strlen(key)) && text_add(t, "=", 1)) {
        if (!needs_quotes(v) && text_add(t, (const char *)v.data, v.len))
            return true;
        if (add_quoted(t, v))
            return true;
    }
    t->len = start;
    t->out[start] = '\0';
    return false;
}

static void write_stderr(void *ctx, enum zrpc_log_level level, const char *line)
{
    char out[96 + ZRPC_LOG_LINE_MAX] = "time=";
    size_t len = strlen(out);
    struct timespec now;
    struct tm tm;

    (void)ctx;
    (void)level;
    if (clock_gettime(CLOCK_REALTIME, &now) == 0 && gmtime_r(&now.tv_sec, &tm) != NULL)
        len += strftime(out + len, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    len += (size_t)snprintf(out + len, sizeof out - len, ".%03dZ %s\n", (int)(now.tv_nsec / 1000000), line);
    /* If stderr takes no line there is nowhere left to say so. */
    while (write(STDERR_FILENO, out, len) < 0 && errno == EINTR)
        continue;
}

void zrpc_log_init_stderr(struct zrpc_log *log, enum zrpc_log_level level)
{
    *log = (struct zrpc_log){.sink = write_stderr, .level = level};
}

void zrpc_log_with(struct zrpc_log *out, const struct zrpc_log *parent, const char *key, const char *value)
{
    struct text t;

    if (parent == NULL)
        *out = (struct zrpc_log){0};
    else if (parent != out)
        *out = *parent;
    t = (struct text){.out = out->fields, .size = sizeof out->fields, .len = strlen(out->fields)};
    add_field(&t, key, value);
}

void zrpc_log(const struct zrpc_log *log, enum zrpc_log_level level, const char *msg, ...)
{
    char line[ZRPC_LOG_LINE_MAX] = "";
    struct text t = {.out = line, .size = sizeof line};
    const char *key;
    va_list args;

    if (log == NULL || log->sink == NULL || level > log->level)
        return;
    text_add(&t, "level=", 6);
    text_add(&t, level_names[level], strlen(level_names[level]));
    text_add(&t, log->fields, strlen(log->fields));
    add_field(&t, "msg", msg);
    va_start(args, msg);
    while ((key = va_arg(args, const char *)) != NULL) {
        if (!add_field(&t, key, va_arg(args, const char *)))
            break;
    }
    va_end(args);
    log->sink(log->ctx, level, line);
}

int zrpc_log_level_parse(const char *text, enum zrpc_log_level *out)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(level_names[i], text) == 0) {
            *out = (enum zrpc_log_level)i;
            return 0;
        }
    }
    return ZRPC_ERR_USAGE;
}
