#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "replicate/internal.h"

struct replication {
    struct zrpc_replicate_peer from, to;
    const struct zrpc_replicate_options *options;
    struct zrpc_replicate_result *result;
    struct zrpc_backoff backoff;
    unsigned tries; /* in a row, without progress */
    Zrpc__Pb__ListFilesystemRes *ours, *theirs;
};

/* One filesystem, planned anew with each attempt. */
struct work {
    struct replication *r;
    const char *path;
    struct zrpc_replicate_event event; /* what is known of it */
    struct zrpc_plan plan;
    bool planned;
    int64_t *sizes;
    const Zrpc__Pb__Filesystem *theirs; /* NULL: the receiver does not have it */
    uint64_t before;                    /* bytes of the streams before this one */
    char *resumed;                      /* the token that the last stream went on from */
};

static struct zrpc_replicate_call call_of(const struct replication *r)
{
    return (struct zrpc_replicate_call){.cancel = r->options->cancel};
}

static void tell(struct work *w, enum zrpc_replicate_event_type type)
{
    w->event.type = type;
    w->event.plan = w->planned ? &w->plan : NULL;
    w->event.sizes = w->sizes;
    if (w->r->options->on_event != NULL)
        w->r->options->on_event(w->r->options->event_ctx, &w->event);
}

/* Waits for the next attempt: 0, or the failure, which is final. */
static int try_again(struct work *w, int rc, struct zrpc_error *err)
{
    struct replication *r = w->r;
    zrpc_time now = zrpc_now();

    if (rc == ZRPC_ERR_CANCELLED || rc == ZRPC_ERR_NOMEM || rc == ZRPC_ERR_USAGE)
        return rc;
    if (zrpc_cancelled(r->options->cancel))
        return zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled");
    if (++r->tries >= r->options->attempts)
        return rc;
    w->event.error = err;
    w->event.wait = zrpc_backoff_next(&r->backoff);
    tell(w, ZRPC_REPLICATE_RETRY);
    w->event.error = NULL;
    if (zrpc_await((struct pollfd){.fd = -1}, now + w->event.wait, r->options->cancel, err) ==
        ZRPC_ERR_CANCELLED)
        return ZRPC_ERR_CANCELLED;
    if (r->from.ops->recover != NULL)
        r->from.ops->recover(r->from.ctx);
    if (r->to.ops->recover != NULL)
        r->to.ops->recover(r->to.ctx);
    return 0;
}

static void made_progress(struct replication *r)
{
    r->tries = 0;
    zrpc_backoff_reset(&r->backoff);
}

static int list_both(struct replication *r, bool ours, struct zrpc_error *err)
{
    struct zrpc_replicate_call call = call_of(r);
    Zrpc__Pb__ListFilesystemRes *theirs = NULL;
    int rc = 0;

    if (ours) {
        rc = r->from.ops->list_filesystems(r->from.ctx, &call, &r->ours, err);
        if (rc != 0)
            return zrpc_error_prefix(err, rc, "sender: list filesystems");
    }
    rc = r->to.ops->list_filesystems(r->to.ctx, &call, &theirs, err);
    if (rc != 0)
        return zrpc_error_prefix(err, rc, "receiver: list filesystems");
    if (r->theirs != NULL)
        zrpc__pb__list_filesystem_res__free_unpacked(r->theirs, NULL);
    r->theirs = theirs;
    return 0;
}

static const Zrpc__Pb__Filesystem *find_theirs(const struct replication *r, const char *path)
{
    for (size_t i = 0; i < r->theirs->n_filesystems; i++)
        if (strcmp(r->theirs->filesystems[i]->path, path) == 0)
            return r->theirs->filesystems[i];
    return NULL;
}

/* What a peer says about its versions is not believed before it has been looked at. */
static int take_version(const Zrpc__Pb__FilesystemVersion *v, struct zrpc_zfs_versions *out,
                        struct zrpc_error *err)
{
    struct zrpc_zfs_version taken = {.guid = v->guid, .createtxg = v->createtxg};
    int rc = zrpc_zfs_name_check(v->name, err);

    if (rc != 0)
        return zrpc_error_prefix(err, ZRPC_ERR_MESSAGE, "version");
    if (v->type == ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Snapshot)
        taken.type = ZRPC_ZFS_SNAPSHOT;
    else if (v->type == ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Bookmark)
        taken.type = ZRPC_ZFS_BOOKMARK;
    else
        return zrpc_fail(err, ZRPC_ERR_MESSAGE, "version \"%s\" is of unknown type %d", v->name,
                         (int)v->type);
    memcpy(taken.name, v->name, strlen(v->name) + 1);
    return zrpc_zfs_versions_push(out, &taken, err);
}

static int get_versions(const struct work *w, const struct zrpc_replicate_peer *peer, const char *whose,
                        struct zrpc_zfs_versions *out, struct zrpc_error *err)
{
    struct zrpc_replicate_call call = call_of(w->r);
    Zrpc__Pb__ListFilesystemVersionsRes *res = NULL;
    int rc = peer->ops->list_versions(peer->ctx, &call, w->path, &res, err);

    for (size_t i = 0; rc == 0 && i < res->n_versions; i++)
        rc = take_version(res->versions[i], out, err);
    if (res != NULL)
        zrpc__pb__list_filesystem_versions_res__free_unpacked(res, NULL);
    return rc != 0 ? zrpc_error_prefix(err, rc, "%s: list versions", whose) : 0;
}

static void forget_plan(struct work *w)
{
    if (w->planned)
        zrpc_plan_dispose(&w->plan);
    w->planned = false;
    free(w->sizes);
    w->sizes = NULL;
}

static int compare(struct work *w, struct zrpc_error *err)
{
    struct zrpc_zfs_versions ours = {0}, theirs = {0};
    int rc = get_versions(w, &w->r->from, "sender", &ours, err);

    w->theirs = find_theirs(w->r, w->path);
    if (rc == 0 && w->theirs != NULL && !w->theirs->isplaceholder)
        rc = get_versions(w, &w->r->to, "receiver", &theirs, err);
    if (rc == 0)
        rc = zrpc_plan_make(&ours, &theirs, &w->plan, err);
    w->planned = rc == 0;
    zrpc_zfs_versions_dispose(&ours);
    zrpc_zfs_versions_dispose(&theirs);
    return rc;
}

/* A step's versions as a SendReq has them. */
struct names {
    char from[ZRPC_ZFS_NAME_MAX + 1], to[ZRPC_ZFS_NAME_MAX + 1];
};

static void name_step(const struct zrpc_plan *plan, size_t i, struct names *n)
{
    struct zrpc_plan_step s = zrpc_plan_step(plan, i);

    n->from[0] = '\0';
    if (s.from != NULL)
        snprintf(n->from, sizeof n->from, "%c%s", s.from->type == ZRPC_ZFS_SNAPSHOT ? '@' : '#',
                 s.from->name);
    snprintf(n->to, sizeof n->to, "@%s", s.to->name);
}

static const char *token_of(const struct work *w, size_t step)
{
    return step == 0 && w->theirs != NULL ? w->theirs->resumetoken : "";
}

static int dry_run(const struct work *w, size_t step, const char *token, int64_t *size,
                   struct zrpc_error *err)
{
    struct zrpc_replicate_call call = call_of(w->r);
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;
    Zrpc__Pb__SendRes *res = NULL;
    struct names names;
    int rc;

    name_step(&w->plan, step, &names);
    req.filesystem = (char *)(uintptr_t)w->path;
    req.from = names.from;
    req.to = names.to;
    req.resumetoken = (char *)(uintptr_t)token;
    req.dryrun = true;
    rc = w->r->from.ops->send(w->r->from.ctx, &call, &req, NULL, NULL, &res, err);
    if (rc == 0 && res->expectedsize > 0)
        *size = res->expectedsize;
    if (res != NULL)
        zrpc__pb__send_res__free_unpacked(res, NULL);
    return rc != 0 ? zrpc_error_prefix(err, rc, "sender: dry run of %s", names.to) : 0;
}

static int measure(struct work *w, struct zrpc_error *err)
{
    size_t n = zrpc_plan_steps(&w->plan);
    int rc = 0;

    if (n == 0)
        return 0;
    w->sizes = calloc(n, sizeof *w->sizes);
    if (w->sizes == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for %zu steps", n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const char *token = token_of(w, i);

        rc = dry_run(w, i, token, &w->sizes[i], err);
        if (rc == ZRPC_ERR_HANDLER && token[0] != '\0')
            rc = dry_run(w, i, "", &w->sizes[i], err);
    }
    return rc;
}

/* From the given step on; -1 as soon as one is unknown. */
static int64_t size_from(const struct work *w, size_t step)
{
    int64_t sum = 0;

    for (size_t i = step; i < zrpc_plan_steps(&w->plan); i++) {
        if (w->sizes[i] == 0 || w->sizes[i] > INT64_MAX - sum)
            return -1;
        sum += w->sizes[i];
    }
    return sum;
}

static void update(struct work *w, uint64_t bytes)
{
    int64_t later = size_from(w, w->event.step + 1), here = w->event.step_size;

    w->event.step_bytes = bytes;
    w->event.bytes = w->before + bytes;
    w->event.bytes_left = -1;
    if (here > 0 && later >= 0)
        w->event.bytes_left = later + (here > (int64_t)bytes ? here - (int64_t)bytes : 0);
}

static void on_tick(void *ctx, uint64_t bytes)
{
    struct work *w = ctx;

    update(w, bytes);
    tell(w, ZRPC_REPLICATE_PROGRESS);
}

static int move_cursor(struct work *w, const char *snapshot, struct zrpc_error *err)
{
    struct zrpc_replicate_call call = call_of(w->r);
    int rc = w->r->from.ops->set_cursor(w->r->from.ctx, &call, w->path, snapshot, err);

    return rc != 0 ? zrpc_error_prefix(err, rc, "sender: move the replication cursor to @%s", snapshot) : 0;
}

static int stream(struct work *w, size_t step, const char *token, bool *began, struct zrpc_error *err)
{
    struct names names;
    struct zrpc_step s = {
        .from = w->r->from,
        .to = w->r->to,
        .cancel = w->r->options->cancel,
        .filesystem = w->path,
        .send_from = names.from,
        .send_to = names.to,
        .token = token,
        .tick = on_tick,
        .tick_ctx = w,
    };
    int rc;

    name_step(&w->plan, step, &names);
    w->event.step = step;
    w->event.resuming = token[0] != '\0';
    w->event.step_size = w->sizes[step];
    update(w, 0);
    tell(w, ZRPC_REPLICATE_STEP);
    rc = zrpc_step_run(&s, err);
    w->event.resuming = s.used_token;
    if (s.expected > 0)
        w->event.step_size = s.expected;
    update(w, s.bytes);
    w->before += s.bytes;
    w->r->result->bytes += s.bytes;
    *began = s.began;
    free(w->resumed);
    w->resumed = s.used_token ? strdup(token) : NULL;
    return rc != 0 ? zrpc_error_prefix(err, rc, "%s%s%s", names.from, names.from[0] == '\0' ? "" : " to ",
                                       names.to)
                   : 0;
}

/* The token first. A sender that will not go on from it is asked for the whole stream. */
static int take_step(struct work *w, size_t step, struct zrpc_error *err)
{
    const char *token = token_of(w, step);
    const struct zrpc_zfs_version *to;
    bool began = false;
    int rc = stream(w, step, token, &began, err);

    if (rc == ZRPC_ERR_HANDLER && !began && token[0] != '\0')
        rc = stream(w, step, "", &began, err);
    if (rc != 0)
        return rc;
    w->r->result->steps++;
    made_progress(w->r);
    tell(w, ZRPC_REPLICATE_STEPPED);
    to = zrpc_plan_step(&w->plan, step).to;
    return to->createtxg > w->plan.cursor ? move_cursor(w, to->name, err) : 0; /* it is never set back */
}

/* What a broken stream has added to what was there before is progress too. A stream from the beginning is
 * not: it may break at the same place for ever. */
static void look_for_progress(struct work *w)
{
    const char *token = token_of(w, 0);

    if (w->resumed != NULL && token[0] != '\0' && strcmp(token, w->resumed) != 0)
        made_progress(w->r);
    free(w->resumed);
    w->resumed = NULL;
}

static int attempt(struct work *w, bool relist, struct zrpc_error *err)
{
    int rc = relist ? list_both(w->r, false, err) : 0;

    forget_plan(w);
    if (rc == 0)
        rc = compare(w, err);
    if (rc == 0)
        look_for_progress(w);
    if (rc == 0)
        rc = measure(w, err);
    if (rc != 0)
        return rc;
    w->event.step = 0;
    w->event.step_size = 0;
    w->event.bytes_left = size_from(w, 0);
    tell(w, ZRPC_REPLICATE_PLANNED);
    if (w->r->options->dry_run || zrpc_plan_is_conflict(&w->plan))
        return 0;
    if (w->plan.move_cursor)
        rc = move_cursor(w, w->plan.path.items[0].name, err);
    for (size_t i = 0; rc == 0 && i < zrpc_plan_steps(&w->plan); i++)
        rc = take_step(w, i, err);
    return rc;
}

/* A negative answer ends the whole run. */
static int replicate_one(struct replication *r, const char *path, size_t index, size_t count,
                         struct zrpc_error *err)
{
    struct work w = {.r = r, .path = path, .event = {.filesystem = path, .index = index, .count = count}};
    struct zrpc_error why = {0};
    bool relist = false;
    int rc;

    made_progress(r);
    while ((rc = attempt(&w, relist, &why)) != 0 && (rc = try_again(&w, rc, &why)) == 0)
        relist = true;
    w.event.error = rc != 0 ? &why : NULL;
    if (rc != 0) {
        r->result->failed++;
        tell(&w, ZRPC_REPLICATE_FAILED);
    } else if (zrpc_plan_is_conflict(&w.plan)) {
        r->result->conflicts++;
        tell(&w, ZRPC_REPLICATE_CONFLICT);
    } else {
        r->result->done++;
        tell(&w, ZRPC_REPLICATE_DONE);
    }
    forget_plan(&w);
    free(w.resumed);
    return rc == ZRPC_ERR_CANCELLED || rc == ZRPC_ERR_NOMEM ? zrpc_fail(err, rc, "%s: %s", path, why.text)
                                                            : 0;
}

static bool wanted(const struct replication *r, const char *path)
{
    return r->options->glob == NULL || fnmatch(r->options->glob, path, 0) == 0;
}

/* Parents before their children. */
static int by_path(const void *a, const void *b)
{
    const Zrpc__Pb__Filesystem *const *x = a, *const *y = b;

    return strcmp((*x)->path, (*y)->path);
}

static int begin(struct replication *r, struct zrpc_error *err)
{
    struct work nothing = {.r = r};
    int rc;

    while ((rc = list_both(r, r->ours == NULL, err)) != 0 && (rc = try_again(&nothing, rc, err)) == 0)
        ;
    if (rc != 0)
        return rc;
    if (r->ours->n_filesystems > 0)
        qsort(r->ours->filesystems, r->ours->n_filesystems, sizeof r->ours->filesystems[0], by_path);
    for (size_t i = 0; i < r->ours->n_filesystems; i++)
        r->result->filesystems += wanted(r, r->ours->filesystems[i]->path) ? 1 : 0;
    return 0;
}

int zrpc_replicate(struct zrpc_replicate_peer from, struct zrpc_replicate_peer to,
                   const struct zrpc_replicate_options *options, struct zrpc_replicate_result *result,
                   struct zrpc_error *err)
{
    struct zrpc_replicate_options completed = *options;
    struct replication r = {.from = from, .to = to, .options = &completed, .result = result};
    size_t index = 0;
    int rc;

    if (completed.attempts == 0)
        completed.attempts = ZRPC_REPLICATE_ATTEMPTS_DEFAULT;
    *result = (struct zrpc_replicate_result){0};
    zrpc_backoff_init(&r.backoff, &completed.backoff, completed.seed);
    rc = begin(&r, err);
    for (size_t i = 0; rc == 0 && i < r.ours->n_filesystems; i++)
        if (wanted(&r, r.ours->filesystems[i]->path))
            rc = replicate_one(&r, r.ours->filesystems[i]->path, index++, result->filesystems, err);
    if (r.ours != NULL)
        zrpc__pb__list_filesystem_res__free_unpacked(r.ours, NULL);
    if (r.theirs != NULL)
        zrpc__pb__list_filesystem_res__free_unpacked(r.theirs, NULL);
    return rc;
}
