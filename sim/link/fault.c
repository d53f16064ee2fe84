#include "sim/link/fault.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const action_names[] = {
#define ACTION_NAME(name, text) [ZRPC_LINK_##name] = (text),
    ZRPC_LINK_ACTION_MAP(ACTION_NAME)
#undef ACTION_NAME
};

static const char *const direction_names[] = {
    [ZRPC_LINK_TO_SERVER] = "to-server", [ZRPC_LINK_TO_CLIENT] = "to-client", [ZRPC_LINK_BOTH] = "both"};

const char *zrpc_link_action_name(enum zrpc_link_action action)
{
    return action_names[action];
}

const char *zrpc_link_direction_name(enum zrpc_link_direction direction)
{
    return direction_names[direction];
}

static int lookup(const char *what, const char *const names[], size_t n, const char *text,
                  struct zrpc_error *err)
{
    char list[256] = "";
    size_t used = 0;

    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], text) == 0)
            return (int)i;
    for (size_t i = 0; i < n && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", names[i]);
    return zrpc_fail(err, ZRPC_ERR_USAGE, "unknown %s \"%s\", expected one of %s", what, text, list);
}

int zrpc_link_action_parse(const char *text, enum zrpc_link_action *out, struct zrpc_error *err)
{
    int i = lookup("action", action_names, ZRPC_LINK_ACTION_COUNT, text, err);

    if (i < 0)
        return i;
    *out = (enum zrpc_link_action)i;
    return 0;
}

int zrpc_link_direction_parse(const char *text, enum zrpc_link_direction *out, struct zrpc_error *err)
{
    int i = lookup("direction", direction_names, 3, text, err);

    if (i < 0)
        return i;
    *out = (enum zrpc_link_direction)i;
    return 0;
}

/* Which of a fault's values each action uses, besides direction, connection and position. */
enum {
    LASTS = 1,
    DELAY = 2,
    JITTER = 4,
    RATE = 8,
    SIZES = 16,
    GAP = 32,
    LENGTH = 64,
    MASK = 128,
    QUIET = 256
};

static const struct rule {
    unsigned needs, takes;
    bool on_accept; /* strikes before there are streams */
} rules[ZRPC_LINK_ACTION_COUNT] = {
    [ZRPC_LINK_LATENCY] = {0, LASTS | DELAY | JITTER, false},
    [ZRPC_LINK_BANDWIDTH] = {0, LASTS | RATE, false},
    [ZRPC_LINK_SLICE] = {0, LASTS | SIZES | GAP, false},
    [ZRPC_LINK_STALL] = {0, LASTS, false},
    [ZRPC_LINK_BLACKHOLE] = {0, LASTS, false},
    [ZRPC_LINK_RESET] = {0, QUIET, false},
    [ZRPC_LINK_DROP] = {0, QUIET, false},
    [ZRPC_LINK_SLOW_CLOSE] = {DELAY, DELAY, false},
    [ZRPC_LINK_CORRUPT] = {0, LENGTH | MASK, false},
    [ZRPC_LINK_REFUSE] = {0, LASTS, true},
    [ZRPC_LINK_DELAY_ACCEPT] = {LASTS, LASTS, true},
};

static const struct {
    unsigned bit;
    const char *name;
} values[] = {{LASTS, "for"}, {DELAY, "delay"},   {JITTER, "jitter"}, {RATE, "rate"},  {SIZES, "sizes"},
              {GAP, "gap"},   {LENGTH, "length"}, {MASK, "mask"},     {QUIET, "quiet"}};

static unsigned given(const struct zrpc_link_fault *f)
{
    return (f->lasts != 0 ? LASTS : 0u) | (f->delay != 0 ? DELAY : 0u) | (f->jitter != 0 ? JITTER : 0u) |
           (f->rate != 0 ? RATE : 0u) | (f->n_sizes != 0 ? SIZES : 0u) | (f->gap != 0 ? GAP : 0u) |
           (f->length != 0 ? LENGTH : 0u) | (f->mask != 0 ? MASK : 0u) | (f->quiet ? QUIET : 0u);
}

static int check_accept(const struct zrpc_link_fault *f, struct zrpc_error *err)
{
    const char *name = action_names[f->action];

    if (f->at.edge != ZRPC_LINK_AT_ONCE || f->at.meanwhile || f->direction != ZRPC_LINK_BOTH)
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "%s strikes before there are bytes: it has no position or direction", name);
    if (f->connection != 0 && f->at.not_before != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s of one connection comes when that connects, not at a time",
                         name);
    return 0;
}

int zrpc_link_fault_check(const struct zrpc_link_fault *f, struct zrpc_error *err)
{
    const struct rule *rule = &rules[f->action];
    unsigned has = given(f);

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if ((rule->needs & ~has & values[i].bit) != 0)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "%s needs \"%s\"", action_names[f->action], values[i].name);
        if ((has & ~rule->takes & values[i].bit) != 0)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "%s has no \"%s\"", action_names[f->action],
                             values[i].name);
    }
    for (size_t i = 0; i < f->n_sizes; i++)
        if (f->sizes[i] == 0)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "slice: a size of 0");
    if (f->at.edge == ZRPC_LINK_INSIDE && f->at.thing == ZRPC_LINK_LABEL && f->at.byte >= 64)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "the label has bytes 0 to 63, not %" PRIu64, f->at.byte);
    if (f->at.edge == ZRPC_LINK_CLOSED && f->action != ZRPC_LINK_RESET && f->action != ZRPC_LINK_DROP)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "once the stream is closed, only reset and drop can come");
    if ((f->at.meanwhile || f->at.answer) && f->direction == ZRPC_LINK_BOTH)
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "\"meanwhile\" and \"answer\" need a direction, to-server or to-client");
    return rule->on_accept ? check_accept(f, err) : 0;
}

struct text {
    char *out;
    size_t size, used;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(t->out + t->used, t->size - t->used, fmt, args);
    va_end(args);
    if (n > 0)
        t->used = t->used + (size_t)n < t->size ? t->used + (size_t)n : t->size - 1;
}

static void add_duration(struct text *t, const char *key, zrpc_time d)
{
    char text[ZRPC_DURATION_TEXT_MAX];

    if (d != 0)
        add(t, ", %s: %s", key, zrpc_duration_format(d, text));
}

static void add_position(struct text *t, const struct zrpc_link_position *at)
{
    char text[ZRPC_LINK_POSITION_TEXT_MAX];

    if (at->edge != ZRPC_LINK_AT_ONCE)
        add(t, ", at: %s", zrpc_link_position_format(at, text));
    add_duration(t, "after", at->not_before);
    if (at->watch != ZRPC_LINK_BOTH)
        add(t, ", watch: %s", direction_names[at->watch]);
    if (at->meanwhile && at->other_byte == ZRPC_LINK_THE_END)
        add(t, ", meanwhile: end");
    else if (at->meanwhile)
        add(t, ", meanwhile: %" PRIu64, at->other_byte);
    if (at->answer)
        add(t, ", answer: true");
}

const char *zrpc_link_fault_format(const struct zrpc_link_fault *f, char out[static ZRPC_LINK_FAULT_TEXT_MAX])
{
    struct text t = {.out = out, .size = ZRPC_LINK_FAULT_TEXT_MAX};

    add(&t, "{action: %s", action_names[f->action]);
    if (f->connection != 0)
        add(&t, ", connection: %" PRIu32, f->connection);
    if (f->direction != ZRPC_LINK_BOTH)
        add(&t, ", direction: %s", direction_names[f->direction]);
    add_position(&t, &f->at);
    add_duration(&t, "for", f->lasts);
    add_duration(&t, "delay", f->delay);
    add_duration(&t, "jitter", f->jitter);
    if (f->rate != 0)
        add(&t, ", rate: %" PRIu64, f->rate);
    for (size_t i = 0; i < f->n_sizes; i++)
        add(&t, "%s%" PRIu32 "%s", i == 0 ? ", sizes: [" : ", ", f->sizes[i], i + 1 == f->n_sizes ? "]" : "");
    add_duration(&t, "gap", f->gap);
    if (f->length != 0)
        add(&t, ", length: %" PRIu64, f->length);
    if (f->mask != 0)
        add(&t, ", mask: 0x%02x", f->mask);
    if (f->quiet)
        add(&t, ", quiet: true");
    add(&t, "}");
    return out;
}

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t zrpc_link_hash(uint64_t seed, uint64_t a, uint64_t b)
{
    return mix(mix(mix(seed) ^ a) ^ b);
}
