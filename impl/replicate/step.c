#include <errno.h>
#include <poll.h>

#include "replicate/internal.h"

#define TICK (200 * ZRPC_MILLISECOND)

struct run {
    struct zrpc_step *step;
    struct zrpc_conduit conduit;
    struct zrpc_cancel cancel; /* of both sides */
    struct zrpc_cancel over;   /* raised when both have ended */
    pthread_t sender, receiver;
    bool receiving; /* there is a receiver */
    _Atomic uint64_t bytes;
    int send_rc, receive_rc;
    struct zrpc_error send_error, receive_error;
};

static void count(void *ctx, uint64_t bytes)
{
    atomic_store(&((struct run *)ctx)->bytes, bytes);
}

static void *receive(void *ctx)
{
    struct run *r = ctx;
    const struct zrpc_replicate_call call = {.cancel = &r->cancel};
    Zrpc__Pb__ReceiveReq req = ZRPC__PB__RECEIVE_REQ__INIT;
    struct zrpc_source source = zrpc_conduit_source(&r->conduit);

    req.filesystem = (char *)(uintptr_t)r->step->filesystem;
    req.clearresumetoken = !r->step->used_token;
    r->receive_rc = r->step->to.ops->receive(r->step->to.ctx, &call, &req, &source, &r->receive_error);
    /* A sender that has nothing to say at the moment would not notice. */
    if (r->receive_rc != 0)
        zrpc_cancel_raise(&r->cancel);
    return NULL;
}

/* Only now that the sender has agreed, and how, may the receiver drop what it has kept. */
static int open_sink(void *ctx, const Zrpc__Pb__SendRes *res, struct zrpc_sink *sink, struct zrpc_error *err)
{
    struct run *r = ctx;
    int errnum;

    r->step->began = true;
    r->step->used_token = r->step->token[0] != '\0' && res->usedresumetoken;
    r->step->expected = res->expectedsize > 0 ? res->expectedsize : 0;
    errnum = pthread_create(&r->receiver, NULL, receive, r);
    if (errnum != 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errnum, "thread of a receive");
    r->receiving = true;
    *sink = zrpc_conduit_sink(&r->conduit);
    return 0;
}

static void *send_and_join(void *ctx)
{
    struct run *r = ctx;
    const struct zrpc_replicate_call call = {.cancel = &r->cancel, .progress = count, .progress_ctx = r};
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;
    Zrpc__Pb__SendRes *res = NULL;

    req.filesystem = (char *)(uintptr_t)r->step->filesystem;
    req.from = (char *)(uintptr_t)r->step->send_from;
    req.to = (char *)(uintptr_t)r->step->send_to;
    req.resumetoken = (char *)(uintptr_t)r->step->token;
    r->send_rc = r->step->from.ops->send(r->step->from.ctx, &call, &req, open_sink, r, &res, &r->send_error);
    if (res != NULL)
        zrpc__pb__send_res__free_unpacked(res, NULL);
    zrpc_conduit_hang_up(&r->conduit, &r->send_error);
    if (r->receiving)
        pthread_join(r->receiver, NULL);
    zrpc_cancel_raise(&r->over);
    return NULL;
}

static void oversee(struct run *r)
{
    struct zrpc_step *s = r->step;
    struct pollfd fds[] = {zrpc_cancel_wait(&r->over), zrpc_cancel_wait(s->cancel)};
    zrpc_time next = zrpc_now() + TICK;

    while (!zrpc_cancelled(&r->over)) {
        int n = poll(fds, 2, zrpc_poll_timeout(zrpc_now(), next));

        if (n > 0 && fds[1].revents != 0) {
            zrpc_cancel_raise(&r->cancel);
            fds[1].fd = -1;
        }
        s->bytes = atomic_load(&r->bytes);
        if (zrpc_now() >= next) {
            s->tick(s->tick_ctx, s->bytes);
            next = zrpc_now() + TICK;
        }
    }
    pthread_join(r->sender, NULL);
    s->bytes = atomic_load(&r->bytes);
}

static int side(const char *name, const struct zrpc_error *why, struct zrpc_error *err)
{
    return zrpc_fail(err, why->code, "%s: %s", name, why->text);
}

static int verdict(const struct run *r, struct zrpc_error *err)
{
    if (r->receiving && r->receive_rc == 0 && r->conduit.drained)
        return 0;
    if (zrpc_cancelled(r->step->cancel))
        return zrpc_fail(err, ZRPC_ERR_CANCELLED, "cancelled within the stream");
    if (r->receiving && r->receive_rc == 0)
        return zrpc_fail(err, ZRPC_ERR_MESSAGE, "receiver: success before the stream's end");
    if (r->receiving && !r->conduit.refused)
        return side("receiver", &r->receive_error, err);
    if (r->send_rc == 0)
        return zrpc_fail(err, ZRPC_ERR_MESSAGE, "sender: agreed, but sent no stream");
    return side("sender", &r->send_error, err);
}

int zrpc_step_run(struct zrpc_step *s, struct zrpc_error *err)
{
    struct run r = {.step = s, .cancel = ZRPC_CANCEL_NONE, .over = ZRPC_CANCEL_NONE};
    int rc = zrpc_conduit_init(&r.conduit, err);

    if (rc != 0)
        return rc;
    rc = zrpc_cancel_init(&r.cancel, err);
    if (rc == 0)
        rc = zrpc_cancel_init(&r.over, err);
    if (rc == 0) {
        rc = pthread_create(&r.sender, NULL, send_and_join, &r);
        if (rc != 0)
            rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "thread of a send");
    }
    if (rc == 0) {
        oversee(&r);
        rc = verdict(&r, err);
    }
    zrpc_cancel_dispose(&r.over);
    zrpc_cancel_dispose(&r.cancel);
    zrpc_conduit_dispose(&r.conduit);
    return rc;
}
