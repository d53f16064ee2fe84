#include "conformance/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "conformance/peer.h"

struct zrpc_run_memory {
    struct zrpc_run_memory *next;
    void (*release)(void *what);
    void *what;
};

int zrpc_run_init(struct zrpc_run *run, const struct zrpc_case *tc, const struct zrpc_profile *profile,
                  const char *endpoint, struct zrpc_error *err)
{
    pthread_condattr_t attr;

    *run = (struct zrpc_run){.tc = tc, .profile = profile, .endpoint = endpoint, .started = zrpc_now()};
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&run->lock, NULL);
    pthread_cond_init(&run->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (zrpc_trace_init(&run->trace, run->started, err) < 0 || zrpc_peer_spare(run, err) < 0) {
        zrpc_run_dispose(run);
        return ZRPC_ERR_NOMEM;
    }
    return 0;
}

void zrpc_run_finish(struct zrpc_run *run)
{
    struct zrpc_run_memory *block;

    zrpc_peer_end_all(run);
    while ((block = run->memory) != NULL) {
        run->memory = block->next;
        block->release(block->what);
        free(block);
    }
    run->ended = zrpc_now();
    if (!run->decided)
        run->decided_at = run->ended;
    run->decided = true; /* undecided until now: the verdict is PASS, which is 0 */
}

void zrpc_run_dispose(struct zrpc_run *run)
{
    zrpc_trace_dispose(&run->trace);
    free(run->expected);
    free(run->got);
    pthread_cond_destroy(&run->wake);
    pthread_mutex_destroy(&run->lock);
}

/* Takes ownership of `got`. Other threads of the run may wait on connections: they are woken. */
static void decide(struct zrpc_run *run, enum zrpc_verdict verdict, const char *expected, char *got)
{
    bool first;

    pthread_mutex_lock(&run->lock);
    first = !run->decided;
    if (!first) {
        free(got);
    } else {
        run->decided = true;
        run->decided_at = zrpc_now();
        run->verdict = verdict;
        run->expected = expected == NULL ? NULL : strdup(expected);
        run->got = got;
        pthread_cond_broadcast(&run->wake);
    }
    pthread_mutex_unlock(&run->lock);
    if (!first)
        return;
    zrpc_trace_step(&run->trace, run->decided_at, "%s: %s", zrpc_verdict_name(verdict),
                    run->got == NULL ? "?" : run->got);
    zrpc_peer_cancel_all(run);
}

static char *format(const char *fmt, va_list args)
{
    struct zrpc_buf text = {0};
    char *out;

    zrpc_text_vadd(&text, fmt, args);
    out = zrpc_text_take(&text);
    zrpc_buf_dispose(&text);
    return out;
}

void zrpc_run_cancel(struct zrpc_run *run, const char *reason)
{
    decide(run, ZRPC_VERDICT_INCONCLUSIVE, NULL, strdup(reason));
}

bool zrpc_run_going(struct zrpc_run *run)
{
    bool going;

    pthread_mutex_lock(&run->lock);
    going = !run->decided;
    pthread_mutex_unlock(&run->lock);
    return going;
}

void zrpc_run_step(struct zrpc_run *run, const char *fmt, ...)
{
    va_list args;
    char *text;

    if (!zrpc_run_going(run))
        return;
    va_start(args, fmt);
    text = format(fmt, args);
    va_end(args);
    if (text != NULL)
        zrpc_trace_step(&run->trace, zrpc_now(), "%s", text);
    free(text);
}

void zrpc_run_fail(struct zrpc_run *run, const char *expected, const char *fmt, ...)
{
    va_list args;
    char *got;

    va_start(args, fmt);
    got = format(fmt, args);
    va_end(args);
    decide(run, zrpc_verdict_missed(run->tc == NULL ? ZRPC_MUST : run->tc->level), expected, got);
}

void zrpc_run_violation(struct zrpc_run *run, const char *requirement, const char *expected, const char *fmt,
                        ...)
{
    struct zrpc_buf text = {0};
    va_list args;
    char *got;

    va_start(args, fmt);
    got = format(fmt, args);
    va_end(args);
    zrpc_text_add(&text, "%s (%s, which holds in every case)", expected, requirement);
    decide(run, ZRPC_VERDICT_FAIL, zrpc_text_str(&text), got);
    zrpc_buf_dispose(&text);
}

void zrpc_run_skip(struct zrpc_run *run, const char *fmt, ...)
{
    va_list args;
    char *reason;

    va_start(args, fmt);
    reason = format(fmt, args);
    va_end(args);
    decide(run, ZRPC_VERDICT_SKIP, NULL, reason);
}

void zrpc_run_inconclusive(struct zrpc_run *run, const char *fmt, ...)
{
    va_list args;
    char *reason;

    va_start(args, fmt);
    reason = format(fmt, args);
    va_end(args);
    decide(run, ZRPC_VERDICT_INCONCLUSIVE, NULL, reason);
}

void zrpc_run_sleep(struct zrpc_run *run, zrpc_time duration)
{
    zrpc_time until = zrpc_now() + duration;
    struct timespec ts = {.tv_sec = until / ZRPC_SECOND, .tv_nsec = until % ZRPC_SECOND};

    pthread_mutex_lock(&run->lock);
    while (!run->decided && pthread_cond_timedwait(&run->wake, &run->lock, &ts) == 0)
        ;
    pthread_mutex_unlock(&run->lock);
}

const struct zrpc_offer *zrpc_run_offer(struct zrpc_run *run, enum zrpc_offer_id id)
{
    const struct zrpc_offer *offer = &run->profile->offers[id];

    if (offer->present)
        return offer;
    zrpc_run_skip(run, "the target's profile has no %s", zrpc_offer_name(id));
    return NULL;
}

unsigned long zrpc_run_target_kib(const struct zrpc_run *run, const char *field)
{
    char path[64], line[256];
    unsigned long kib = 0;
    FILE *file = NULL;

    snprintf(path, sizeof path, "/proc/%ld/status", run->target_pid);
    if (run->target_pid != 0)
        file = fopen(path, "r");
    while (file != NULL && kib == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            (void)sscanf(line + strlen(field), ": %lu kB", &kib);
    if (file != NULL)
        fclose(file);
    return kib;
}

int zrpc_run_defer(struct zrpc_run *run, void (*release)(void *what), void *what)
{
    struct zrpc_run_memory *block = malloc(sizeof *block);

    if (block == NULL) {
        release(what);
        zrpc_run_inconclusive(run, "out of memory");
        return ZRPC_ERR_NOMEM;
    }
    pthread_mutex_lock(&run->lock);
    *block = (struct zrpc_run_memory){.next = run->memory, .release = release, .what = what};
    run->memory = block;
    pthread_mutex_unlock(&run->lock);
    return 0;
}

void *zrpc_run_alloc(struct zrpc_run *run, size_t len)
{
    void *bytes = calloc(1, len);

    if (bytes == NULL) {
        zrpc_run_inconclusive(run, "out of memory");
        return NULL;
    }
    return zrpc_run_defer(run, free, bytes) == 0 ? bytes : NULL;
}

struct zrpc_view zrpc_run_bytes(struct zrpc_run *run, size_t len)
{
    uint8_t *bytes = zrpc_run_alloc(run, len);
    uint32_t state = 0x9e3779b9;

    if (bytes == NULL)
        return zrpc_view(NULL, 0);
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
    return zrpc_view(bytes, len);
}

const char *zrpc_run_unique(struct zrpc_run *run, const char *prefix)
{
    size_t size = strlen(prefix) + 18;
    char *text = zrpc_run_alloc(run, size);
    uint64_t number;

    if (text == NULL)
        return prefix;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        number = (uint64_t)zrpc_now();
    snprintf(text, size, "%s-%016" PRIx64, prefix, number);
    return text;
}

struct parallel {
    struct zrpc_run *run;
    void (*fn)(struct zrpc_run *run, unsigned i);
    unsigned i;
    pthread_t thread;
    bool started;
};

static void *parallel_main(void *arg)
{
    struct parallel *p = arg;

    p->fn(p->run, p->i);
    return NULL;
}

void zrpc_run_parallel(struct zrpc_run *run, unsigned n, void (*fn)(struct zrpc_run *run, unsigned i))
{
    struct parallel *all = zrpc_run_alloc(run, n * sizeof *all);

    if (all == NULL)
        return;
    for (unsigned i = 0; i < n; i++) {
        all[i] = (struct parallel){.run = run, .fn = fn, .i = i};
        all[i].started = pthread_create(&all[i].thread, NULL, parallel_main, &all[i]) == 0;
        if (!all[i].started)
            zrpc_run_inconclusive(run, "cannot start a thread");
    }
    for (unsigned i = 0; i < n; i++)
        if (all[i].started)
            pthread_join(all[i].thread, NULL);
}
