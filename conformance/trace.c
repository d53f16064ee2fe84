#include "conformance/trace.h"

#include <stdio.h>
#include <stdlib.h>

#define KEPT        (ZRPC_TRACE_HEAD + ZRPC_TRACE_TAIL)
#define FOLD_WITHIN 16 /* how far back the connection's last event is looked for */

int zrpc_trace_init(struct zrpc_trace *t, zrpc_time start, struct zrpc_error *err)
{
    *t = (struct zrpc_trace){.start = start, .events = calloc(KEPT, sizeof *t->events)};
    if (t->events == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "a trace");
    pthread_mutex_init(&t->lock, NULL);
    return 0;
}

static void forget(struct zrpc_trace_event *ev)
{
    free((char *)ev->text);
    free((char *)ev->detail);
    *ev = (struct zrpc_trace_event){0};
}

void zrpc_trace_dispose(struct zrpc_trace *t)
{
    if (t->events == NULL)
        return;
    for (size_t i = 0; i < KEPT; i++)
        forget(&t->events[i]);
    free(t->events);
    pthread_mutex_destroy(&t->lock);
    *t = (struct zrpc_trace){0};
}

/* Where event number i is, or would go. */
static struct zrpc_trace_event *slot(const struct zrpc_trace *t, size_t i)
{
    return &t->events[i < ZRPC_TRACE_HEAD ? i : ZRPC_TRACE_HEAD + (i - ZRPC_TRACE_HEAD) % ZRPC_TRACE_TAIL];
}

/* The last event of the connection, if *ev can be folded into it. Events of no connection are folded past
 * others, but not past a step. */
static struct zrpc_trace_event *foldable(struct zrpc_trace *t, const struct zrpc_trace_event *ev)
{
    struct zrpc_trace_event *last;

    for (size_t back = 1; ev->fold != 0 && back <= t->n && back <= FOLD_WITHIN; back++) {
        last = slot(t, t->n - back);
        if (last->conn == ev->conn && last->fold == ev->fold && last->kind == ev->kind)
            return last;
        if ((last->conn == ev->conn && ev->conn != 0) || last->kind == ZRPC_TRACE_STEP)
            return NULL;
    }
    return NULL;
}

void zrpc_trace_add(struct zrpc_trace *t, zrpc_time now, const struct zrpc_trace_event *ev)
{
    struct zrpc_trace_event *into, fresh = *ev;

    pthread_mutex_lock(&t->lock);
    into = foldable(t, ev);
    if (into != NULL) {
        into->until = now - t->start;
        into->count++;
        into->bytes += ev->bytes;
        goto out;
    }
    fresh.at = fresh.until = now - t->start;
    fresh.count = 1;
    fresh.text = strdup(ev->text);
    fresh.detail = ev->detail == NULL ? NULL : strdup(ev->detail);
    if (fresh.text == NULL) {
        free((char *)fresh.detail);
        goto out;
    }
    into = slot(t, t->n++);
    forget(into);
    *into = fresh;
out:
    pthread_mutex_unlock(&t->lock);
}

void zrpc_trace_step(struct zrpc_trace *t, zrpc_time now, const char *fmt, ...)
{
    struct zrpc_trace_event ev = {.kind = ZRPC_TRACE_STEP};
    struct zrpc_buf text = {0};
    va_list args;

    va_start(args, fmt);
    zrpc_text_vadd(&text, fmt, args);
    va_end(args);
    ev.text = zrpc_text_str(&text);
    zrpc_trace_add(t, now, &ev);
    zrpc_buf_dispose(&text);
}

size_t zrpc_trace_kept(const struct zrpc_trace *t)
{
    return t->n < KEPT ? t->n : KEPT;
}

size_t zrpc_trace_missing(const struct zrpc_trace *t)
{
    return t->n - zrpc_trace_kept(t);
}

const struct zrpc_trace_event *zrpc_trace_get(const struct zrpc_trace *t, size_t i)
{
    return slot(t, i < ZRPC_TRACE_HEAD ? i : i + zrpc_trace_missing(t));
}

const char *zrpc_trace_arrow(enum zrpc_trace_kind kind)
{
    static const char *const arrows[] = {
        [ZRPC_TRACE_SENT] = "-->",
        [ZRPC_TRACE_RECEIVED] = "<--",
        [ZRPC_TRACE_WIRE] = "***",
        [ZRPC_TRACE_STEP] = "===",
    };

    return arrows[kind];
}

const char *zrpc_trace_kind_name(enum zrpc_trace_kind kind)
{
    static const char *const kinds[] = {
        [ZRPC_TRACE_SENT] = "sent",
        [ZRPC_TRACE_RECEIVED] = "received",
        [ZRPC_TRACE_WIRE] = "wire",
        [ZRPC_TRACE_STEP] = "step",
    };

    return kinds[kind];
}

void zrpc_trace_add_summary(struct zrpc_buf *text, const struct zrpc_trace_event *ev)
{
    if (ev->count > 1)
        zrpc_text_add(text, "%llu × ", (unsigned long long)ev->count);
    zrpc_text_add(text, "%s", ev->text);
    if (ev->bytes > 0)
        zrpc_text_add(text, ", %llu byte%s", (unsigned long long)ev->bytes, ev->bytes == 1 ? "" : "s");
    if (ev->count > 1)
        zrpc_text_add(text, "%s, until %.3f", ev->bytes > 0 ? " in all" : "",
                      (double)ev->until / ZRPC_SECOND);
}

void zrpc_trace_add_line(struct zrpc_buf *text, const struct zrpc_trace_event *ev)
{
    char conn[16] = "  ";

    if (ev->conn > 0)
        snprintf(conn, sizeof conn, "#%u", ev->conn);
    zrpc_text_add(text, "%8.3f  %-3s %s ", (double)ev->at / ZRPC_SECOND, conn, zrpc_trace_arrow(ev->kind));
    zrpc_trace_add_summary(text, ev);
    if (ev->detail != NULL)
        zrpc_text_add(text, "  %s", ev->detail);
}
