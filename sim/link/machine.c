#include "sim/link/machine.h"

#include <stdlib.h>

void zrpc_link_machine_init(struct zrpc_link_machine *m, uint64_t seed, uint32_t number,
                            enum zrpc_link_protocol protocol, size_t capacity, zrpc_time now)
{
    *m = (struct zrpc_link_machine){.seed = seed, .number = number, .began = now};
    for (int d = 0; d < 2; d++) {
        enum zrpc_link_direction direction = (enum zrpc_link_direction)d;

        zrpc_link_pipe_init(&m->pipes[d], zrpc_link_hash(seed, number, (uint64_t)d), capacity);
        zrpc_link_observer_init(&m->observers[d], protocol, direction,
                                &m->observers[zrpc_link_opposite(direction)]);
    }
}

void zrpc_link_machine_dispose(struct zrpc_link_machine *m)
{
    for (int d = 0; d < 2; d++) {
        zrpc_link_pipe_dispose(&m->pipes[d]);
        zrpc_link_observer_dispose(&m->observers[d]);
    }
    free(m->triggers);
    m->triggers = NULL;
    m->n_triggers = 0;
}

static int append(struct zrpc_link_machine *m, const struct zrpc_link_trigger *t, struct zrpc_error *err)
{
    if (m->n_triggers == m->cap_triggers) {
        size_t cap = m->cap_triggers == 0 ? 8 : 2 * m->cap_triggers;
        struct zrpc_link_trigger *more = realloc(m->triggers, cap * sizeof *more);

        if (more == NULL) {
            m->out_of_memory = true;
            return zrpc_fail(err, ZRPC_ERR_NOMEM, "link: out of memory for a fault");
        }
        m->triggers = more;
        m->cap_triggers = cap;
    }
    m->triggers[m->n_triggers++] = *t;
    return 0;
}

static void drop_trigger(struct zrpc_link_machine *m, size_t i)
{
    m->n_triggers--;
    memmove(&m->triggers[i], &m->triggers[i + 1], (m->n_triggers - i) * sizeof m->triggers[0]);
}

static int add_one(struct zrpc_link_machine *m, zrpc_time now, const struct zrpc_link_fault *fault,
                   enum zrpc_link_direction d, struct zrpc_error *err)
{
    const struct zrpc_link_position *at = &fault->at;
    bool fresh = m->pipes[0].taken == 0 && m->pipes[1].taken == 0 && now == m->began;
    bool at_start = at->edge == ZRPC_LINK_AT_ONCE && at->not_before == 0 && fresh;
    struct zrpc_link_trigger t = {
        .fault = *fault,
        .watch = at->watch == ZRPC_LINK_BOTH ? d : at->watch,
        .resolved = at->edge == ZRPC_LINK_AT_BYTE || at_start,
        .anywhere = (at->edge == ZRPC_LINK_AT_ONCE && !at_start) || at->edge == ZRPC_LINK_CLOSED,
        .byte = at_start ? 0 : at->byte,
        .not_before = m->began + at->not_before,
    };

    t.fault.direction = d;
    t.timed = t.anywhere || at->not_before != 0 || t.watch != d;
    if (!t.resolved && !t.anywhere && at->edge != ZRPC_LINK_AT_END && at->ordinal == ZRPC_LINK_NEXT)
        t.fault.at.ordinal = m->observers[t.watch].counts[at->thing] + 1;
    return append(m, &t, err);
}

int zrpc_link_machine_add(struct zrpc_link_machine *m, zrpc_time now, const struct zrpc_link_fault *f,
                          struct zrpc_error *err)
{
    int rc = 0;

    if (f->action == ZRPC_LINK_REFUSE || f->action == ZRPC_LINK_DELAY_ACCEPT ||
        (f->connection != 0 && f->connection != m->number))
        return 0;
    if (f->direction != ZRPC_LINK_BOTH)
        return add_one(m, now, f, f->direction, err);
    rc = add_one(m, now, f, ZRPC_LINK_TO_SERVER, err);
    /* A drop strikes both directions by itself; two are needed only where each has its own position. */
    if (rc < 0 ||
        (f->action == ZRPC_LINK_DROP && (f->at.edge == ZRPC_LINK_AT_ONCE || f->at.watch != ZRPC_LINK_BOTH)))
        return rc;
    return add_one(m, now, f, ZRPC_LINK_TO_CLIENT, err);
}

static bool matches(const struct zrpc_link_position *at, const struct zrpc_link_sighting *s, uint64_t *byte)
{
    bool any_frame = at->thing == ZRPC_LINK_FRAME && s->frame != 0;
    uint32_t ordinal = any_frame ? s->frame : s->ordinal;

    if (at->edge == ZRPC_LINK_AT_END || at->edge == ZRPC_LINK_CLOSED ||
        (at->thing != s->thing && !any_frame) || (at->ordinal != ZRPC_LINK_EVERY && at->ordinal != ordinal))
        return false;
    *byte = at->edge == ZRPC_LINK_BEFORE         ? s->start
            : at->edge == ZRPC_LINK_AFTER_HEADER ? s->header_end
            : at->edge == ZRPC_LINK_AFTER        ? s->end
                                                 : s->start + at->byte;
    return at->edge != ZRPC_LINK_INSIDE || *byte < s->end;
}

/* What was seen turns protocol positions into bytes. */
static int resolve(struct zrpc_link_machine *m, enum zrpc_link_direction d,
                   const struct zrpc_link_sighting *s, struct zrpc_error *err)
{
    size_t n = m->n_triggers;

    for (size_t i = 0; i < n; i++) {
        struct zrpc_link_trigger t = m->triggers[i];
        int rc;

        if (t.resolved || t.anywhere || t.watch != d || !matches(&t.fault.at, s, &t.byte))
            continue;
        t.resolved = true;
        if (t.fault.at.ordinal != ZRPC_LINK_EVERY)
            m->triggers[i] = t;
        else if ((rc = append(m, &t, err)) < 0)
            return rc;
    }
    return 0;
}

void zrpc_link_machine_broken(struct zrpc_link_machine *m, enum zrpc_link_direction d)
{
    m->pipes[d].broken = true;
}

/* Nothing that this action does would show any more. A reset may follow an end of file. */
static bool is_over(const struct zrpc_link_pipe *p, enum zrpc_link_action action)
{
    if (action == ZRPC_LINK_RESET || action == ZRPC_LINK_DROP)
        return p->broken || p->end == ZRPC_LINK_END_RESET || p->forced == ZRPC_LINK_END_RESET;
    return zrpc_link_pipe_finished(p) || p->forced != ZRPC_LINK_NO_END || p->end_lost;
}

/* The other direction is where it is to be meanwhile. A drop cuts what it has delivered; a reset of the one
 * who sends there, what it has sent. */
static bool has_come(const struct zrpc_link_trigger *t, const struct zrpc_link_pipe *other)
{
    if (t->fault.at.other_byte == ZRPC_LINK_THE_END)
        return other->end != ZRPC_LINK_NO_END;
    return (t->fault.action == ZRPC_LINK_DROP ? other->passed : other->taken) >= t->fault.at.other_byte;
}

static bool can_come(const struct zrpc_link_trigger *t, const struct zrpc_link_pipe *other)
{
    if (has_come(t, other))
        return true;
    if (t->fault.at.other_byte == ZRPC_LINK_THE_END)
        return !other->broken && !other->source_gone;
    return !zrpc_link_pipe_ends_before(other, t->fault.at.other_byte) &&
           (t->fault.action != ZRPC_LINK_DROP || !zrpc_link_pipe_finished(other));
}

/* It can never strike, so nothing waits for it. */
static bool is_moot(const struct zrpc_link_machine *m, const struct zrpc_link_trigger *t)
{
    const struct zrpc_link_pipe *p = &m->pipes[t->watch];
    const struct zrpc_link_pipe *other = &m->pipes[zrpc_link_opposite(t->watch)];
    const struct zrpc_link_fault *f = &t->fault;

    if (is_over(&m->pipes[f->direction], f->action) &&
        (f->action != ZRPC_LINK_DROP || is_over(&m->pipes[zrpc_link_opposite(f->direction)], f->action)))
        return true;
    if (!t->resolved)
        return f->at.edge == ZRPC_LINK_AT_END && p->source_gone;
    if (f->at.meanwhile && !can_come(t, other))
        return true;
    return t->byte < p->passed ||
           (t->byte > p->passed &&
            (zrpc_link_pipe_finished(p) || (p->source_end != ZRPC_LINK_NO_END && t->byte > p->taken)));
}

static bool in_position(const struct zrpc_link_machine *m, const struct zrpc_link_trigger *t)
{
    if (is_moot(m, t) || !(t->resolved || t->anywhere) ||
        (t->fault.at.edge == ZRPC_LINK_CLOSED && m->pipes[t->watch].end == ZRPC_LINK_NO_END))
        return false;
    return (t->anywhere || m->pipes[t->watch].passed == t->byte) &&
           (!t->fault.at.meanwhile || has_come(t, &m->pipes[zrpc_link_opposite(t->watch)])) &&
           (!t->fault.at.answer || m->pipes[zrpc_link_opposite(t->watch)].forced == ZRPC_LINK_END_RESET);
}

/* Where a stream stands, for the record. */
static enum zrpc_link_edge edge_of(const struct zrpc_link_pipe *p)
{
    if (p->end == ZRPC_LINK_END_OF_FILE)
        return ZRPC_LINK_CLOSED;
    if (p->source_end != ZRPC_LINK_NO_END && p->passed == p->taken)
        return ZRPC_LINK_AT_END;
    return ZRPC_LINK_AT_BYTE;
}

static void report(struct zrpc_link_machine *m, const struct zrpc_link_trigger *t, zrpc_time now)
{
    enum zrpc_link_direction d = t->fault.direction;
    const struct zrpc_link_pipe *p = &m->pipes[d], *other = &m->pipes[zrpc_link_opposite(d)];
    struct zrpc_link_fault f = t->fault;

    if (m->struck == NULL)
        return;
    f.connection = m->number;
    f.lasts = 0;
    f.at = (struct zrpc_link_position){
        .edge = edge_of(p),
        .byte = p->passed,
        .not_before = t->timed ? now - m->began : 0,
        .watch = ZRPC_LINK_BOTH,
    };
    if (f.action == ZRPC_LINK_RESET || f.action == ZRPC_LINK_DROP) {
        f.quiet = true;
        f.at.answer = other->forced == ZRPC_LINK_END_RESET;
        f.at.meanwhile = !f.at.answer && !other->broken;
        f.at.other_byte = other->end != ZRPC_LINK_NO_END ? ZRPC_LINK_THE_END
                          : f.action == ZRPC_LINK_DROP   ? other->passed
                                                         : other->taken;
    }
    m->struck(m->ctx, &f);
}

/* The fault that ends `f` when its time is over: a setting becomes what it was. */
static struct zrpc_link_fault undo_of(const struct zrpc_link_machine *m, const struct zrpc_link_fault *f)
{
    const struct zrpc_link_pipe *p = &m->pipes[f->direction];
    struct zrpc_link_fault undo = {.action = ZRPC_LINK_RESUME};

    if (f->action == ZRPC_LINK_LATENCY)
        undo = p->latency;
    else if (f->action == ZRPC_LINK_BANDWIDTH)
        undo = p->bandwidth;
    else if (f->action == ZRPC_LINK_SLICE)
        undo = p->slice;
    undo.direction = f->direction;
    undo.lasts = 0;
    return undo;
}

static void strike(struct zrpc_link_machine *m, const struct zrpc_link_trigger *t, zrpc_time now)
{
    const struct zrpc_link_fault *f = &t->fault;
    struct zrpc_link_pipe *other = &m->pipes[zrpc_link_opposite(f->direction)];

    report(m, t, now);
    m->strikes++;
    m->quiet[f->direction] = f->quiet;
    if (f->lasts != 0) {
        struct zrpc_link_trigger undo = {.fault = undo_of(m, f),
                                         .watch = f->direction,
                                         .anywhere = true,
                                         .timed = true,
                                         .not_before = zrpc_deadline(now, f->lasts)};

        /* Without memory the connection fails at the next feed. */
        (void)append(m, &undo, NULL);
    }
    zrpc_link_pipe_apply(&m->pipes[f->direction], f);
    if (f->action == ZRPC_LINK_DROP)
        zrpc_link_pipe_apply(other, f);
    if (f->action == ZRPC_LINK_DROP || f->action == ZRPC_LINK_RESET)
        zrpc_link_pipe_source_gone(
            other, f->at.meanwhile && f->at.other_byte < other->taken ? f->at.other_byte : other->taken);
    if (f->action == ZRPC_LINK_DROP)
        zrpc_link_pipe_source_gone(&m->pipes[f->direction], m->pipes[f->direction].taken);
}

/* One that was reset by a fault knows nothing of the connection: it answers what comes next with a reset. A
 * fault by itself, for the record. */
static void answer_of_the_dead(struct zrpc_link_machine *m, enum zrpc_link_direction d, zrpc_time now)
{
    enum zrpc_link_direction back = zrpc_link_opposite(d);
    struct zrpc_link_trigger t = {
        .fault = {.action = ZRPC_LINK_RESET, .direction = back, .at = {.watch = ZRPC_LINK_BOTH}},
        .watch = back,
        .anywhere = true,
        .timed = true,
    };

    if (m->pipes[d].forced == ZRPC_LINK_END_RESET && !m->quiet[d] &&
        !is_over(&m->pipes[back], ZRPC_LINK_RESET))
        strike(m, &t, now);
}

int zrpc_link_machine_feed(struct zrpc_link_machine *m, enum zrpc_link_direction d, zrpc_time now,
                           struct zrpc_view in, struct zrpc_error *err)
{
    struct zrpc_view seen = in;
    struct zrpc_link_sighting s;
    int rc;

    if (m->out_of_memory)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "link: out of memory for a fault");
    if (m->pipes[d].source_gone)
        return 0;
    while (zrpc_link_observer_next(&m->observers[d], &seen, &s))
        if ((rc = resolve(m, d, &s, err)) < 0)
            return rc;
    answer_of_the_dead(m, d, now);
    return zrpc_link_pipe_feed(&m->pipes[d], now, in, err);
}

void zrpc_link_machine_feed_end(struct zrpc_link_machine *m, enum zrpc_link_direction d, zrpc_time now,
                                enum zrpc_link_end end)
{
    if (m->pipes[d].source_gone)
        return;
    zrpc_link_pipe_feed_end(&m->pipes[d], now, end);
    for (size_t i = 0; i < m->n_triggers; i++) {
        struct zrpc_link_trigger *t = &m->triggers[i];

        if (t->watch == d && t->fault.at.edge == ZRPC_LINK_AT_END && !t->resolved) {
            t->resolved = true;
            t->byte = m->pipes[d].taken;
        }
    }
    answer_of_the_dead(m, d, now);
}

static void strike_what_is_due(struct zrpc_link_machine *m, zrpc_time now)
{
    for (size_t i = 0; i < m->n_triggers;) {
        struct zrpc_link_trigger t = m->triggers[i];

        if (now < t.not_before || !in_position(m, &t)) {
            i++;
            continue;
        }
        drop_trigger(m, i);
        strike(m, &t, now);
    }
}

static bool sighting_decides(const struct zrpc_link_trigger *t, enum zrpc_link_direction d)
{
    return !t->resolved && !t->anywhere && t->watch == d &&
           (t->fault.at.edge == ZRPC_LINK_BEFORE || t->fault.at.edge == ZRPC_LINK_INSIDE);
}

/* How far direction d may go before something has to happen. */
static uint64_t limit_of(const struct zrpc_link_machine *m, enum zrpc_link_direction d)
{
    const struct zrpc_link_pipe *p = &m->pipes[d];
    uint64_t limit = UINT64_MAX, undecided = zrpc_link_observer_undecided(&m->observers[d]);

    for (size_t i = 0; i < m->n_triggers; i++) {
        const struct zrpc_link_trigger *t = &m->triggers[i];
        uint64_t here = UINT64_MAX;

        if (is_moot(m, t))
            continue;
        if (t->watch == d && t->resolved)
            here = t->byte;
        else if (t->watch != d && (t->resolved || t->anywhere) && t->fault.at.meanwhile)
            here = t->fault.at.other_byte;
        else if (sighting_decides(t, d) && p->source_end == ZRPC_LINK_NO_END)
            here = undecided;
        if (here >= p->passed && here < limit)
            limit = here;
    }
    return limit;
}

static zrpc_time trigger_wakeup(const struct zrpc_link_machine *m)
{
    zrpc_time when = ZRPC_NEVER;

    for (size_t i = 0; i < m->n_triggers; i++)
        if (in_position(m, &m->triggers[i]))
            when = zrpc_earlier(when, m->triggers[i].not_before);
    return when;
}

enum zrpc_link_step zrpc_link_machine_next(struct zrpc_link_machine *m, enum zrpc_link_direction d,
                                           zrpc_time now, struct zrpc_view *out, enum zrpc_link_end *end,
                                           zrpc_time *wakeup)
{
    struct zrpc_link_pipe *p = &m->pipes[d];
    enum zrpc_link_step step;
    uint64_t passed;

    /* A black hole moves on by itself, and may so come to the next position. */
    do {
        strike_what_is_due(m, now);
        passed = p->passed;
        step = zrpc_link_pipe_next(p, now, limit_of(m, d), out, end, wakeup);
    } while (step == ZRPC_LINK_WAIT && p->passed != passed);
    *wakeup = zrpc_earlier(step == ZRPC_LINK_WAIT ? *wakeup : ZRPC_NEVER, trigger_wakeup(m));
    return step;
}

void zrpc_link_machine_passed(struct zrpc_link_machine *m, enum zrpc_link_direction d, zrpc_time now,
                              size_t n)
{
    zrpc_link_pipe_passed(&m->pipes[d], now, n);
}

void zrpc_link_machine_ended(struct zrpc_link_machine *m, enum zrpc_link_direction d, enum zrpc_link_end end)
{
    zrpc_link_pipe_ended(&m->pipes[d], end);
}
