#include "grpc/grpc_account.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MOST_OF_REST 3 /* a member may have that many times what it leaves */

struct grpc_account {
    struct grpc_limits limits;
    pthread_mutex_t lock; /* guards what follows, up to held_peak */
    struct grpc_use use;
    size_t held, held_peak;
    struct grpc_member *first, **end; /* the line of those that wait */
    /* the ledger's, under its lock */
    struct zrpc_grpc_ledger *ledger; /* NULL: in none */
    struct grpc_account *next;
    unsigned members;
    char identity[];
};

struct zrpc_grpc_ledger {
    pthread_mutex_t lock;
    struct grpc_account *accounts;
};

/*
 * What there is. With the account's lock held, all of these.
 */

/* A window that was given counts as if its bytes had come, a handler that runs as if it had answered. */
static size_t bytes(const struct grpc_account *a, const struct grpc_use *use)
{
    return use->granted + use->unsent + use->taken * a->limits.share;
}

static size_t room(const struct grpc_account *a)
{
    return a->limits.budget - a->limits.windows - bytes(a, &a->use);
}

/* Who has nothing yet may have all there is. */
static bool is_modest(const struct grpc_account *a, size_t own, size_t more, size_t left)
{
    if (more > left)
        return false;
    return a->ledger == NULL || own == 0 || own + more <= MOST_OF_REST * (left - more);
}

static bool has_room(const struct grpc_account *a, const struct grpc_member *m, size_t more)
{
    return is_modest(a, bytes(a, &m->use), more, room(a));
}

static bool has_handler(const struct grpc_account *a, const struct grpc_member *m)
{
    return has_room(a, m, a->limits.share) &&
           is_modest(a, m->use.at_work, 1, a->limits.handlers - a->use.at_work);
}

/* Nobody else who might have the handler has waited for longer. */
static bool has_turn(const struct grpc_account *a, const struct grpc_member *m)
{
    const struct grpc_member *other = a->first;

    while (other != NULL && other != m && !(other->handler && has_handler(a, other)))
        other = other->next;
    return other == NULL || other == m;
}

static bool may_start(const struct grpc_account *a, const struct grpc_member *m, bool prompt)
{
    return prompt ? has_room(a, m, a->limits.share) : has_handler(a, m) && has_turn(a, m);
}

static bool may_have(const struct grpc_account *a, const struct grpc_member *m)
{
    return (m->prompt && may_start(a, m, true)) || (m->handler && may_start(a, m, false)) ||
           (m->room > 0 && has_room(a, m, m->room));
}

static void add(struct grpc_use *use, const struct grpc_use *more)
{
    use->streams += more->streams;
    use->taken += more->taken;
    use->at_work += more->at_work;
    use->granted += more->granted;
    use->unsent += more->unsent;
}

static void subtract(struct grpc_use *use, const struct grpc_use *less)
{
    use->streams -= less->streams;
    use->taken -= less->taken;
    use->at_work -= less->at_work;
    use->granted -= less->granted;
    use->unsent -= less->unsent;
}

static void take(struct grpc_member *m, struct grpc_use use)
{
    add(&m->use, &use);
    add(&m->account->use, &use);
}

static void put_back(struct grpc_member *m, struct grpc_use use)
{
    subtract(&m->use, &use);
    subtract(&m->account->use, &use);
}

/*
 * The line. With the account's lock held too.
 */
static void leave_line(struct grpc_account *a, struct grpc_member *m)
{
    if (!m->waits)
        return;
    m->waits = m->woken = false;
    *m->link = m->next;
    if (m->next != NULL)
        m->next->link = m->link;
    else
        a->end = m->link;
}

static void join_line(struct grpc_account *a, struct grpc_member *m)
{
    m->woken = false;
    if (m->waits)
        return;
    m->waits = true;
    m->next = NULL;
    m->link = a->end;
    *a->end = m;
    a->end = &m->next;
}

/* After what it waits for has changed. */
static void find_place(struct grpc_account *a, struct grpc_member *m)
{
    if (m->prompt || m->handler || m->room > 0)
        join_line(a, m);
    else
        leave_line(a, m);
}

/* After m has given back something, or its turn. */
static void wake_others(struct grpc_account *a, const struct grpc_member *m)
{
    for (struct grpc_member *other = a->first; other != NULL; other = other->next) {
        if (other == m || other->woken || other->wake == NULL || !may_have(a, other))
            continue;
        other->woken = true;
        other->wake(other->wake_ctx);
    }
}

/*
 * Asking and giving back.
 */
bool zrpc_grpc_account_open_stream(struct grpc_member *m)
{
    struct grpc_account *a = m->account;
    bool open;

    pthread_mutex_lock(&a->lock);
    open = a->use.streams < a->limits.streams;
    take(m, (struct grpc_use){.streams = open});
    pthread_mutex_unlock(&a->lock);
    return open;
}

bool zrpc_grpc_account_start(struct grpc_member *m, bool prompt)
{
    struct grpc_account *a = m->account;
    bool started;

    pthread_mutex_lock(&a->lock);
    started = may_start(a, m, prompt);
    take(m, (struct grpc_use){.taken = started, .at_work = started && !prompt});
    if (started && !prompt)
        leave_line(a, m); /* others have their turns first */
    *(prompt ? &m->prompt : &m->handler) = !started;
    find_place(a, m);
    if (started && !prompt)
        wake_others(a, m);
    pthread_mutex_unlock(&a->lock);
    return started;
}

bool zrpc_grpc_account_may_start(const struct grpc_member *m, bool prompt)
{
    struct grpc_account *a = m->account;
    bool may;

    pthread_mutex_lock(&a->lock);
    may = may_start(a, m, prompt);
    pthread_mutex_unlock(&a->lock);
    return may;
}

/* There has to be room for a handler's share too, or all of it could go to requests that none can take. */
bool zrpc_grpc_account_grant(struct grpc_member *m, size_t length)
{
    struct grpc_account *a = m->account;
    bool granted;

    pthread_mutex_lock(&a->lock);
    granted = has_room(a, m, length + a->limits.share) && a->use.granted + length <= a->limits.granted;
    take(m, (struct grpc_use){.granted = granted ? length : 0});
    m->room = granted ? 0 : length + a->limits.share;
    find_place(a, m);
    pthread_mutex_unlock(&a->lock);
    return granted;
}

void zrpc_grpc_account_no_start(struct grpc_member *m)
{
    struct grpc_account *a = m->account;

    if (!m->prompt && !m->handler)
        return;
    pthread_mutex_lock(&a->lock);
    m->prompt = m->handler = false;
    find_place(a, m);
    wake_others(a, m);
    pthread_mutex_unlock(&a->lock);
}

void zrpc_grpc_account_no_grant(struct grpc_member *m)
{
    struct grpc_account *a = m->account;

    if (m->room == 0)
        return;
    pthread_mutex_lock(&a->lock);
    m->room = 0;
    find_place(a, m);
    pthread_mutex_unlock(&a->lock);
}

bool zrpc_grpc_account_answer(struct grpc_member *m, struct grpc_use use, size_t response)
{
    struct grpc_account *a = m->account;
    bool kept;

    pthread_mutex_lock(&a->lock);
    put_back(m, use);
    kept = response <= use.taken * a->limits.share || has_room(a, m, response);
    take(m, (struct grpc_use){.unsent = kept ? response : 0});
    wake_others(a, m);
    pthread_mutex_unlock(&a->lock);
    return kept;
}

void zrpc_grpc_account_give_back(struct grpc_member *m, struct grpc_use use)
{
    zrpc_grpc_account_answer(m, use, 0);
}

void zrpc_grpc_account_hold(struct grpc_member *m, size_t before, size_t now)
{
    struct grpc_account *a = m->account;

    pthread_mutex_lock(&a->lock);
    a->held += now - before;
    a->held_peak = a->held > a->held_peak ? a->held : a->held_peak;
    pthread_mutex_unlock(&a->lock);
}

struct zrpc_grpc_server_memory zrpc_grpc_account_memory(const struct grpc_member *m)
{
    struct grpc_account *a = m->account;
    struct zrpc_grpc_server_memory memory = {.budget = a->limits.budget};

    pthread_mutex_lock(&a->lock);
    memory.held = a->held;
    memory.peak = a->held_peak;
    pthread_mutex_unlock(&a->lock);
    return memory;
}

/*
 * The ledger.
 */
int zrpc_grpc_ledger_new(struct zrpc_grpc_ledger **out, struct zrpc_error *err)
{
    struct zrpc_grpc_ledger *ledger = calloc(1, sizeof *ledger);

    if (ledger == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a ledger of clients");
    pthread_mutex_init(&ledger->lock, NULL);
    *out = ledger;
    return 0;
}

void zrpc_grpc_ledger_free(struct zrpc_grpc_ledger *ledger)
{
    if (ledger == NULL)
        return;
    pthread_mutex_destroy(&ledger->lock);
    free(ledger);
}

static struct grpc_account *new_account(const char *identity, const struct grpc_limits *limits)
{
    size_t size = strlen(identity) + 1;
    struct grpc_account *a = calloc(1, sizeof *a + size);

    if (a == NULL)
        return NULL;
    a->limits = *limits;
    a->end = &a->first;
    memcpy(a->identity, identity, size);
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

/* With the ledger's lock held. NULL: no memory. */
static struct grpc_account *find_account(struct zrpc_grpc_ledger *ledger, const char *identity,
                                         const struct grpc_limits *limits)
{
    struct grpc_account *a = ledger->accounts;

    while (a != NULL && strcmp(a->identity, identity) != 0)
        a = a->next;
    if (a != NULL || (a = new_account(identity, limits)) == NULL)
        return a;
    a->ledger = ledger;
    a->next = ledger->accounts;
    ledger->accounts = a;
    return a;
}

int zrpc_grpc_account_join(struct grpc_member *m, struct zrpc_grpc_ledger *ledger, const char *identity,
                           const struct grpc_limits *limits, struct zrpc_error *err)
{
    if (ledger == NULL) {
        m->account = new_account("", limits);
    } else {
        pthread_mutex_lock(&ledger->lock);
        m->account = find_account(ledger, identity, limits);
        if (m->account != NULL)
            m->account->members++;
        pthread_mutex_unlock(&ledger->lock);
    }
    return m->account != NULL ? 0 : zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a client's account");
}

/* With the ledger's lock held: whether the account is out of it. */
static bool strike_out(struct zrpc_grpc_ledger *ledger, struct grpc_account *a)
{
    struct grpc_account **link = &ledger->accounts;

    if (--a->members > 0)
        return false;
    while (*link != a)
        link = &(*link)->next;
    *link = a->next;
    return true;
}

void zrpc_grpc_account_leave(struct grpc_member *m)
{
    struct grpc_account *a = m->account;
    bool unused = true;

    if (a == NULL)
        return;
    zrpc_grpc_account_no_grant(m);
    zrpc_grpc_account_no_start(m);
    m->account = NULL;
    if (a->ledger != NULL) {
        pthread_mutex_lock(&a->ledger->lock);
        unused = strike_out(a->ledger, a);
        pthread_mutex_unlock(&a->ledger->lock);
    }
    if (!unused)
        return;
    pthread_mutex_destroy(&a->lock);
    free(a);
}
