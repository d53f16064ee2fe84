#include "testing/loglines.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "testing/suite.h"

static void append(void *ctx, enum zrpc_log_level level, const char *line)
{
    struct loglines *l = ctx;

    (void)level;
    pthread_mutex_lock(&l->lock);
    if (zrpc_buf_append(&l->text, zrpc_view_of(line), NULL) == 0)
        zrpc_buf_append(&l->text, zrpc_view("\n", 1), NULL);
    pthread_mutex_unlock(&l->lock);
}

void loglines_init(struct loglines *l, struct zrpc_log *log)
{
    l->text = (struct zrpc_buf){0};
    pthread_mutex_init(&l->lock, NULL);
    *log = (struct zrpc_log){.sink = append, .ctx = l, .level = ZRPC_LOG_DEBUG};
}

void loglines_dispose(struct loglines *l)
{
    zrpc_buf_dispose(&l->text);
    pthread_mutex_destroy(&l->lock);
}

size_t loglines_count(struct loglines *l, const char *needle)
{
    size_t n = 0;

    pthread_mutex_lock(&l->lock);
    for (struct zrpc_view rest = zrpc_buf_view(&l->text); rest.len > 0;) {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.data) + 1;

        n += memmem(rest.data, len, needle, strlen(needle)) != NULL;
        zrpc_view_take(&rest, len);
    }
    pthread_mutex_unlock(&l->lock);
    return n;
}

void loglines_await(struct loglines *l, const char *needle, size_t n)
{
    for (int i = 0; i < 3000 && loglines_count(l, needle) < n; i++)
        usleep(10000);
    if (!CHECK_INT(loglines_count(l, needle), n)) {
        pthread_mutex_lock(&l->lock);
        printf("lines with %s among:\n%.*s", needle, (int)zrpc_buf_view(&l->text).len,
               (const char *)zrpc_buf_view(&l->text).data);
        pthread_mutex_unlock(&l->lock);
    }
}
