#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "sim/rig/rig.h"

#define MARGIN (3 * ZRPC_SECOND) /* for a busy machine, where time may be speeded up */

int zrpc_rig_event_parse(enum zrpc_rig_event_kind kind, const char *text, struct zrpc_rig_event *out,
                         struct zrpc_error *err)
{
    char copy[100];
    const char *from = copy;
    char *at, *plus;
    zrpc_time lasts = ZRPC_NEVER;

    *out = (struct zrpc_rig_event){.kind = kind};
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
        goto invalid;
    at = strchr(copy, '@');
    if ((at != NULL) != (kind == ZRPC_RIG_STOP))
        goto invalid;
    if (at != NULL) {
        *at = '\0';
        if (strcmp(copy, "server") != 0 && strcmp(copy, "client") != 0)
            goto invalid;
        out->side = copy[0] == 's' ? ZRPC_RIG_SERVER : ZRPC_RIG_CLIENT;
        from = at + 1;
    }
    if ((plus = strchr(from, '+')) != NULL) {
        *plus = '\0';
        if (zrpc_duration_parse(plus + 1, &lasts, NULL) < 0 || lasts <= 0)
            goto invalid;
    }
    if (zrpc_duration_parse(from, &out->span.from, NULL) < 0 || out->span.from < 0)
        goto invalid;
    out->span.until = lasts == ZRPC_NEVER ? ZRPC_NEVER : zrpc_deadline(out->span.from, lasts);
    return 0;
invalid:
    return zrpc_fail(err, ZRPC_ERR_USAGE, "\"%s\": expected %sAT or %sAT+FOR, such as %s60s+20s", text,
                     kind == ZRPC_RIG_STOP ? "SIDE@" : "", kind == ZRPC_RIG_STOP ? "SIDE@" : "",
                     kind == ZRPC_RIG_STOP ? "server@" : "");
}

/* Whether, for this side, the other one is dead while the event lasts. */
static bool kills_the_other(const struct zrpc_rig_event *e, int side)
{
    return e->kind == ZRPC_RIG_OUTAGE || e->kind == ZRPC_RIG_BLACKHOLE ||
           (e->kind == ZRPC_RIG_STOP && (int)e->side != side);
}

static zrpc_time plus(zrpc_time at, zrpc_time d)
{
    return at == ZRPC_NEVER ? ZRPC_NEVER : at + d;
}

/* It missed the other's life because it had none itself. */
static bool was_stopped(const struct zrpc_rig_report *r, int side, zrpc_time at)
{
    for (size_t i = 0; i < r->config.n_events; i++) {
        const struct zrpc_rig_event *e = &r->config.events[i];

        if (e->kind == ZRPC_RIG_STOP && (int)e->side == side && at >= e->span.from &&
            at <= plus(e->span.until, ZRPC_HEARTBEAT_TIMEOUT_DEFAULT + MARGIN))
            return true;
    }
    return false;
}

static bool may_time_out(const struct zrpc_rig_report *r, int side, zrpc_time at)
{
    for (size_t i = 0; i < r->config.n_events; i++) {
        const struct zrpc_rig_event *e = &r->config.events[i];
        /* the other's last sign of life may be as old as the interval when it dies */
        zrpc_time first =
            e->span.from + ZRPC_HEARTBEAT_TIMEOUT_DEFAULT - ZRPC_HEARTBEAT_INTERVAL_DEFAULT - MARGIN;

        if (kills_the_other(e, side) && at >= first && at <= plus(e->span.until, MARGIN))
            return true;
    }
    return was_stopped(r, side, at);
}

/* It was ready and not run, for longer than the times that are judged leave room for. */
static bool was_held_up(const struct zrpc_rig_report *r, int side)
{
    const struct zrpc_rig_sample *samples = r->samples[side];

    for (size_t i = 0; i < r->config.n_events; i++)
        if (r->config.events[i].kind == ZRPC_RIG_STOP && (int)r->config.events[i].side == side)
            return false;
    return r->n_samples[side] > 0 && samples[r->n_samples[side] - 1].longest_delay >= MARGIN;
}

static zrpc_time longest_delay(const struct zrpc_rig_report *r)
{
    zrpc_time longest = 0;

    for (int side = 0; side < 2; side++)
        if (was_held_up(r, side) && r->samples[side][r->n_samples[side] - 1].longest_delay > longest)
            longest = r->samples[side][r->n_samples[side] - 1].longest_delay;
    return longest / ZRPC_MILLISECOND * ZRPC_MILLISECOND;
}

static enum zrpc_rig_verdict judge_end(const struct zrpc_rig_report *r, int side, FILE *out)
{
    const struct zrpc_rig_outcome *o = &r->outcomes[side], *other = &r->outcomes[1 - side];
    bool timed_out = zrpc_code_band(o->code) == ZRPC_BAND_TIMEOUT;
    char at[ZRPC_DURATION_TEXT_MAX];

    if (!o->ended || (timed_out && may_time_out(r, side, o->at)))
        return ZRPC_RIG_PASS;
    /* One that ends takes the other with it. */
    if (!timed_out && (other->ended || o->at >= r->duration - MARGIN))
        return ZRPC_RIG_PASS;
    fprintf(out, "the %s %s at %s, although the other side lived: %s\n",
            zrpc_rig_side_name((enum zrpc_rig_side)side), timed_out ? "timed out" : "ended",
            zrpc_duration_format(o->at / ZRPC_MILLISECOND * ZRPC_MILLISECOND, at), o->text);
    if (!was_held_up(r, 0) && !was_held_up(r, 1))
        return ZRPC_RIG_FAIL;
    fprintf(out, "but the machine held up the %s for %s\n", was_held_up(r, 0) ? "server" : "client",
            zrpc_duration_format(longest_delay(r), at));
    return ZRPC_RIG_INCONCLUSIVE;
}

/* When the side read anything for the last time before `until`. */
static zrpc_time last_received(const struct zrpc_rig_report *r, int side, zrpc_time until)
{
    zrpc_time last = 0;

    for (size_t i = 0; i < r->n_samples[side] && r->samples[side][i].at <= until; i++)
        last = r->samples[side][i].last_received;
    return last;
}

static enum zrpc_rig_verdict judge_event(const struct zrpc_rig_report *r, int side,
                                         const struct zrpc_rig_event *e, FILE *out)
{
    const struct zrpc_rig_outcome *o = &r->outcomes[side];
    zrpc_time last = last_received(r, side, zrpc_earlier(e->span.until, r->duration));
    zrpc_time latest = (last > e->span.from ? last : e->span.from) + ZRPC_HEARTBEAT_TIMEOUT_DEFAULT + MARGIN;
    char text[ZRPC_DURATION_TEXT_MAX];

    if (!kills_the_other(e, side) || e->span.from >= r->duration || latest > e->span.until ||
        (o->ended && o->at <= latest) || was_stopped(r, side, latest))
        return ZRPC_RIG_PASS;
    if (latest > r->duration && !o->ended) {
        fprintf(
            out,
            "the rig was over before the %s could miss the other side: run longer, or with smaller buffers\n",
            zrpc_rig_side_name((enum zrpc_rig_side)side));
        return ZRPC_RIG_INCONCLUSIVE;
    }
    fprintf(out, "the %s did not time out, although the other side was dead from %s on\n",
            zrpc_rig_side_name((enum zrpc_rig_side)side), zrpc_duration_format(e->span.from, text));
    return was_held_up(r, side) ? ZRPC_RIG_INCONCLUSIVE : ZRPC_RIG_FAIL;
}

/* A failure is one, whatever else could not be seen. */
static enum zrpc_rig_verdict worse(enum zrpc_rig_verdict a, enum zrpc_rig_verdict b)
{
    if (a == ZRPC_RIG_FAIL || b == ZRPC_RIG_FAIL)
        return ZRPC_RIG_FAIL;
    return a == ZRPC_RIG_PASS ? b : a;
}

enum zrpc_rig_verdict zrpc_rig_judge(const struct zrpc_rig_report *r, FILE *out)
{
    enum zrpc_rig_verdict verdict = ZRPC_RIG_PASS;

    for (int side = 0; side < 2; side++) {
        if (r->n_samples[side] < 2) {
            fprintf(out, "the %s never got going: %s\n", zrpc_rig_side_name((enum zrpc_rig_side)side),
                    r->outcomes[side].text);
            return ZRPC_RIG_FAIL;
        }
        verdict = worse(verdict, judge_end(r, side, out));
        for (size_t i = 0; i < r->config.n_events; i++)
            verdict = worse(verdict, judge_event(r, side, &r->config.events[i], out));
    }
    return verdict;
}

const char *zrpc_rig_verdict_name(enum zrpc_rig_verdict verdict)
{
    static const char *const names[] = {
        [ZRPC_RIG_PASS] = "PASS", [ZRPC_RIG_FAIL] = "FAIL", [ZRPC_RIG_INCONCLUSIVE] = "INCONCLUSIVE"};

    return names[verdict];
}

void zrpc_rig_summarise(const struct zrpc_rig_report *r, FILE *out)
{
    for (int side = 1; side >= 0; side--) {
        const struct zrpc_rig_outcome *o = &r->outcomes[side];
        const struct zrpc_rig_sample *last;
        char stall[ZRPC_DURATION_TEXT_MAX], at[ZRPC_DURATION_TEXT_MAX];
        uint32_t queue = 0;

        if (r->n_samples[side] == 0)
            continue;
        last = &r->samples[side][r->n_samples[side] - 1];
        for (size_t i = 0; i < r->n_samples[side]; i++) {
            const struct zrpc_rig_sample *s = &r->samples[side][i];
            uint32_t q = side == ZRPC_RIG_CLIENT ? s->out_queue : s->in_queue;

            queue = q > queue ? q : queue;
        }
        fprintf(out,
                "%s: %" PRIu64 " frames %s, at most %" PRIu32 " KiB in its kernel queue, heartbeats %" PRIu64
                " sent %" PRIu64 " received, %" PRIu64 " deadline renewals, longest stall %s\n",
                zrpc_rig_side_name((enum zrpc_rig_side)side), last->frames,
                side == ZRPC_RIG_CLIENT ? "sent" : "handled", queue / 1024, last->stats.heartbeats_sent,
                last->stats.heartbeats_received, last->stats.write_renewals,
                zrpc_duration_format(last->longest_stall / ZRPC_MILLISECOND * ZRPC_MILLISECOND, stall));
        if (o->ended)
            fprintf(out, "%s: ended at %s: %s: %s\n", zrpc_rig_side_name((enum zrpc_rig_side)side),
                    zrpc_duration_format(o->at / ZRPC_MILLISECOND * ZRPC_MILLISECOND, at),
                    zrpc_code_name(o->code), o->text);
    }
}
