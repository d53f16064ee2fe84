#include "testing/suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "testing/alloc.h"
#include "zrpc/replicate_plan.h"

/*
 * Versions in one line: "@a=1 #b=1 @c=2!9": a name, a guid, and the createtxg, which is the place in the line
 * times ten where it is not given.
 */
static void parse(const char *text, struct zrpc_zfs_versions *out)
{
    char copy[1024], *save = NULL;
    uint64_t txg = 0;

    snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        struct zrpc_zfs_version v = {.type = word[0] == '@' ? ZRPC_ZFS_SNAPSHOT : ZRPC_ZFS_BOOKMARK};
        char *equals = strchr(word, '='), *bang = strchr(word, '!');

        txg += 10;
        if (!CHECK(equals != NULL))
            return;
        *equals = '\0';
        snprintf(v.name, sizeof v.name, "%.255s", word + 1);
        v.guid = strtoull(equals + 1, NULL, 10);
        v.createtxg = bang == NULL ? txg : strtoull(bang + 1, NULL, 10);
        CHECK_OK(zrpc_zfs_versions_push(out, &v, NULL));
    }
}

/* "@a>@b @b>@c", a full step without what is before '>'. */
static const char *steps(const struct zrpc_plan *p)
{
    static char text[1024];
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < zrpc_plan_steps(p); i++) {
        struct zrpc_plan_step s = zrpc_plan_step(p, i);

        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s>@%s", i == 0 ? "" : " ",
                                 s.from == NULL ? "" : (s.from->type == ZRPC_ZFS_SNAPSHOT ? "@" : "#"),
                                 s.from == NULL ? "" : s.from->name, s.to->name);
    }
    return text;
}

#define CURSOR "#zrepl_replication_cursor"

static void table(void)
{
    static const struct {
        const char *sender, *receiver;
        enum zrpc_plan_kind kind;
        const char *steps;
        bool move_cursor;
        const char *why;
    } rows[] = {
        {"", "", ZRPC_PLAN_EMPTY, "", false, ""},
        {"#b=1", "", ZRPC_PLAN_EMPTY, "", false, ""},
        {"@a=1", "", ZRPC_PLAN_STEPS, ">@a", false, ""},
        {"@a=1 @b=2 @c=3", "", ZRPC_PLAN_STEPS, ">@a @a>@b @b>@c", false, ""},
        {CURSOR "=1 @b=2 @c=3", "", ZRPC_PLAN_STEPS, ">@b @b>@c", false, ""},
        {"@a=1 @b=2", "#b=2", ZRPC_PLAN_STEPS, ">@a @a>@b", false, ""}, /* its bookmarks are nothing to it */
        {"@a=1", "@a=1", ZRPC_PLAN_UP_TO_DATE, "", true, ""},
        {"@a=1 " CURSOR "=1!10", "@a=1", ZRPC_PLAN_UP_TO_DATE, "", false, ""},
        {"@a=1 @b=2 @c=3", "@a=1", ZRPC_PLAN_STEPS, "@a>@b @b>@c", true, ""},
        {"@a=1 @b=2 @c=3", "@a=1 @b=2", ZRPC_PLAN_STEPS, "@b>@c", true, ""},
        {"@a=1 @b=2 " CURSOR "=1!10 @c=3", "@a=1 @b=2", ZRPC_PLAN_STEPS, "@b>@c", true, ""},
        {"@a=1 @b=2 " CURSOR "=2!20 @c=3", "@a=1 @b=2", ZRPC_PLAN_STEPS, "@b>@c", false, ""},
        /* The cursor, or any bookmark, stands in for a snapshot that is gone; a snapshot is better. */
        {CURSOR "=1 @b=2 @c=3", "@a=1", ZRPC_PLAN_STEPS, CURSOR ">@b @b>@c", false, ""},
        {"#x=1 @a=1!10 @b=2", "@a=1", ZRPC_PLAN_STEPS, "@a>@b", true, ""},
        {"@a=1 #x=1!10 @b=2", "@a=1", ZRPC_PLAN_STEPS, "@a>@b", true, ""},
        {CURSOR "=1", "@a=1", ZRPC_PLAN_UP_TO_DATE, "", false, ""},
        /* Names do not count. */
        {"@a=1 @b=2", "@other=1", ZRPC_PLAN_STEPS, "@a>@b", true, ""},
        /* Nor does the order of the lists, or a txg on the other side. */
        {"@c=3!30 @a=1!10 @b=2!20", "@b=2!7 @a=1!5", ZRPC_PLAN_STEPS, "@b>@c", true, ""},
        /* The receiver may have lost older ones, and the sender may have pruned in between. */
        {"@a=1 @b=2 @c=3", "@b=2", ZRPC_PLAN_STEPS, "@b>@c", true, ""},
        {"@b=2!20 @e=5!50", "@a=1 @b=2", ZRPC_PLAN_STEPS, "@b>@e", true, ""},
        /* Conflicts. */
        {"@a=1 @b=2", "@a=1 @x=9", ZRPC_PLAN_DIVERGED, "", false,
         "since @a, the last version in common; only the "
         "receiver has @x"},
        {"#a=1 @b=2", "@a=1 @x=9 @y=8", ZRPC_PLAN_DIVERGED, "", false, "since #a"},
        {"@a=1 @b=2", "@a=1 @x=9 @y=8", ZRPC_PLAN_DIVERGED, "", false, "@y @x"},
        {"@a=1", "@x=9", ZRPC_PLAN_UNRELATED, "", false, "the sender has @a, the receiver @x"},
        {"", "@x=9", ZRPC_PLAN_UNRELATED, "", false, "the sender has none, the receiver @x"},
        {"@a=1 @b=2 @x=3", "@x=7 @a=1!20", ZRPC_PLAN_NAME_TAKEN, "", true, "another snapshot of the name @x"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct zrpc_zfs_versions sender = {0}, receiver = {0};
        struct zrpc_plan plan;
        int kept;

        parse(rows[i].sender, &sender);
        parse(rows[i].receiver, &receiver);
        if (!CHECK_OK(zrpc_plan_make(&sender, &receiver, &plan, NULL)))
            return;
        kept = CHECK_INT(plan.kind, rows[i].kind) + CHECK_STR(steps(&plan), rows[i].steps) +
               CHECK_INT(plan.move_cursor, rows[i].move_cursor) + CHECK_CONTAINS(plan.why, rows[i].why);
        if (kept != 4)
            printf("    row %zu: \"%s\", \"%s\"\n", i, rows[i].sender, rows[i].receiver);
        CHECK((plan.why[0] != '\0') == zrpc_plan_is_conflict(&plan));
        zrpc_plan_dispose(&plan);
        zrpc_zfs_versions_dispose(&sender);
        zrpc_zfs_versions_dispose(&receiver);
    }
}

static void long_lists_are_cut(void)
{
    struct zrpc_zfs_versions sender = {0}, receiver = {0};
    struct zrpc_plan plan;

    parse("@a=1", &sender);
    for (uint64_t i = 0; i < 1000; i++) {
        struct zrpc_zfs_version v = {.guid = 100 + i, .createtxg = i + 1};

        memset(v.name, 'x', 200);
        CHECK_OK(zrpc_zfs_versions_push(&receiver, &v, NULL));
    }
    CHECK_OK(zrpc_plan_make(&sender, &receiver, &plan, NULL));
    CHECK_INT(plan.kind, ZRPC_PLAN_UNRELATED);
    CHECK_CONTAINS(plan.why, "(and 1000 more)");
    zrpc_plan_dispose(&plan);
    zrpc_zfs_versions_dispose(&sender);
    zrpc_zfs_versions_dispose(&receiver);
}

/*
 * Two sides with a history: snapshots, receives as zfs has them, pruning on both sides, bookmarks, a receiver
 * that snapshots by itself, lists in any order.
 */
static uint64_t state;

static unsigned any(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

struct side {
    struct zrpc_zfs_versions l;
    uint64_t txg;
};

static void add(struct side *s, enum zrpc_zfs_version_type type, const char *name, uint64_t guid,
                uint64_t txg)
{
    struct zrpc_zfs_version v = {.type = type, .guid = guid, .createtxg = txg};

    snprintf(v.name, sizeof v.name, "%.200s", name);
    CHECK_OK(zrpc_zfs_versions_push(&s->l, &v, NULL));
}

static void drop(struct side *s, size_t i)
{
    s->l.items[i] = s->l.items[--s->l.len];
}

static const struct zrpc_zfs_version *newest(const struct zrpc_zfs_versions *l)
{
    const struct zrpc_zfs_version *best = NULL;

    for (size_t i = 0; i < l->len; i++)
        if (l->items[i].type == ZRPC_ZFS_SNAPSHOT &&
            (best == NULL || l->items[i].createtxg > best->createtxg))
            best = &l->items[i];
    return best;
}

static bool has_guid(const struct zrpc_zfs_versions *l, uint64_t guid, bool snapshots_only)
{
    for (size_t i = 0; i < l->len; i++)
        if (l->items[i].guid == guid && (!snapshots_only || l->items[i].type == ZRPC_ZFS_SNAPSHOT))
            return true;
    return false;
}

static void change(struct side *sender, struct side *receiver, uint64_t *guid)
{
    char name[32];
    size_t i = sender->l.len == 0 ? 0 : any((unsigned)sender->l.len);

    snprintf(name, sizeof name, "s%u", any(40));
    switch (any(7)) {
    case 0:
    case 1:
    case 2:
        if (zrpc_zfs_versions_find(&sender->l, ZRPC_ZFS_SNAPSHOT, name) == NULL)
            add(sender, ZRPC_ZFS_SNAPSHOT, name, ++*guid, ++sender->txg);
        return;
    case 3:
        if (sender->l.len > 0 && sender->l.items[i].type == ZRPC_ZFS_SNAPSHOT) {
            struct zrpc_zfs_version v = sender->l.items[i];

            snprintf(name, sizeof name, "b%u", any(1000000));
            add(sender, ZRPC_ZFS_BOOKMARK, name, v.guid, v.createtxg);
        }
        return;
    case 4:
        if (sender->l.len > 0)
            drop(sender, i);
        return;
    case 5:
        if (receiver->l.len > 0)
            drop(receiver, any((unsigned)receiver->l.len));
        return;
    default:
        if (any(6) == 0)
            add(receiver, ZRPC_ZFS_SNAPSHOT, name, ++*guid, ++receiver->txg);
    }
}

/* As `zfs recv` would have it. */
static bool take(struct side *receiver, const struct zrpc_plan_step *s)
{
    const struct zrpc_zfs_version *last = newest(&receiver->l);

    if ((s->from == NULL) != (last == NULL) || (last != NULL && last->guid != s->from->guid) ||
        zrpc_zfs_versions_find(&receiver->l, ZRPC_ZFS_SNAPSHOT, s->to->name) != NULL)
        return false;
    add(receiver, ZRPC_ZFS_SNAPSHOT, s->to->name, s->to->guid, ++receiver->txg);
    return true;
}

/* What a plan promises, whatever the history: its steps work, and then the receiver has all there is. */
static void check_plan(const struct side *sender, struct side *receiver, const struct zrpc_plan *plan)
{
    const struct zrpc_zfs_version *last = newest(&receiver->l), *goal = newest(&sender->l);
    bool known = last != NULL && has_guid(&sender->l, last->guid, false);
    size_t stop = any(8), n = zrpc_plan_steps(plan);

    CHECK_INT(zrpc_plan_is_conflict(plan) && plan->kind != ZRPC_PLAN_NAME_TAKEN, last != NULL && !known);
    if (zrpc_plan_is_conflict(plan)) {
        CHECK_INT(n, 0);
        return;
    }
    for (size_t i = 0; i < n && i < stop; i++) {
        struct zrpc_plan_step s = zrpc_plan_step(plan, i);

        CHECK(take(receiver, &s));
        CHECK(has_guid(&sender->l, s.to->guid, true));
    }
    if (n > stop || goal == NULL)
        return; /* interrupted: the next plan goes on */
    last = newest(&receiver->l);
    CHECK(last != NULL);
    if (n > 0)
        CHECK(last != NULL && last->guid == goal->guid);
    for (size_t i = 0; i < sender->l.len; i++)
        if (sender->l.items[i].type == ZRPC_ZFS_SNAPSHOT && plan->path.len > 0 &&
            sender->l.items[i].createtxg > plan->path.items[0].createtxg)
            CHECK(has_guid(&receiver->l, sender->l.items[i].guid, true));
}

static void properties(void)
{
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct side sender = {0}, receiver = {0};
        uint64_t guid = 0;

        state = seed;
        for (int round = 0; round < 30; round++) {
            struct zrpc_plan plan;

            for (unsigned i = any(6); i > 0; i--)
                change(&sender, &receiver, &guid);
            if (!CHECK_OK(zrpc_plan_make(&sender.l, &receiver.l, &plan, NULL)))
                break;
            check_plan(&sender, &receiver, &plan);
            if (zrpc_plan_is_conflict(&plan) && any(3) == 0)
                receiver.l.len = 0; /* somebody resolves it */
            zrpc_plan_dispose(&plan);
        }
        zrpc_zfs_versions_dispose(&sender.l);
        zrpc_zfs_versions_dispose(&receiver.l);
    }
}

static int make_one(void *arg)
{
    struct zrpc_zfs_versions *lists = arg;
    struct zrpc_plan plan;
    int rc = zrpc_plan_make(&lists[0], &lists[1], &plan, NULL);

    if (rc == 0)
        zrpc_plan_dispose(&plan);
    return rc;
}

static void memory(void)
{
    struct zrpc_zfs_versions lists[2] = {{0}, {0}};

    parse("@a=1 @b=2 @c=3", &lists[0]);
    parse("@a=1", &lists[1]);
    CHECK(zrpc_alloc_each(make_one, lists) >= 3);
    zrpc_zfs_versions_dispose(&lists[0]);
    zrpc_zfs_versions_dispose(&lists[1]);
}

static const struct zrpc_test tests[] = {
    {"who has what, and what follows", table},
    {"long lists are cut in messages", long_lists_are_cut},
    {"a plan's steps work, and lead to the end", properties},
    {"memory", memory},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("replicate_plan", tests, argc, argv);
}
