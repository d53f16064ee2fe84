#include "grpc/grpc_server_impl.h"

#include <stdlib.h>

#define WINDOW ((size_t)NGHTTP2_INITIAL_WINDOW_SIZE + 1) /* what a stream may send without leave */
/* What real clients take (ZR-GRPC-019), and the bytes before it. */
#define RESPONSE_SHARE ((4u << 20) + ZRPC_GRPC_PREFIX_LEN)

int zrpc_grpc_server_budget_init(struct zrpc_grpc_server *s, struct zrpc_error *err)
{
    const struct zrpc_grpc_server_options *o = &s->options;
    size_t largest = o->response_max + ZRPC_GRPC_PREFIX_LEN, need;
    struct grpc_limits limits = {
        .streams = o->ledger == NULL ? o->max_streams : o->max_streams * ZRPC_GRPC_CLIENT_STREAMS,
        .handlers = o->handlers_max,
        /* The request may outlive its stream. */
        .share = WINDOW + (largest < RESPONSE_SHARE ? largest : RESPONSE_SHARE),
    };

    limits.windows = limits.streams * WINDOW;
    need = limits.windows + o->request_max + WINDOW + largest;
    limits.budget = o->budget < need ? need : o->budget;
    limits.granted = limits.budget / 8 > o->request_max ? limits.budget / 8 : o->request_max;
    s->large.end = &s->large.first;
    s->ready.end = &s->ready.first;
    s->member.wake = o->wake;
    s->member.wake_ctx = o->wake_ctx;
    return zrpc_grpc_account_join(&s->member, o->ledger, o->client_identity == NULL ? "" : o->client_identity,
                                  &limits, err);
}

/*
 * Queues.
 */
void zrpc_grpc_server_enqueue(struct zrpc_grpc_server_queue *queue, struct zrpc_grpc_server_call *call)
{
    call->queue = queue;
    call->next_queued = NULL;
    call->queue_link = queue->end;
    *queue->end = call;
    queue->end = &call->next_queued;
}

void zrpc_grpc_server_leave_queue(struct zrpc_grpc_server_call *call)
{
    if (call->queue == NULL)
        return;
    *call->queue_link = call->next_queued;
    if (call->next_queued != NULL)
        call->next_queued->queue_link = call->queue_link;
    else
        call->queue->end = call->queue_link;
    call->queue = NULL;
}

void zrpc_grpc_server_account(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    size_t held = call->reader.message.cap + call->response.cap;

    if (held == call->held)
        return;
    zrpc_grpc_account_hold(&s->member, call->held, held);
    call->held = held;
}

struct zrpc_grpc_server_memory zrpc_grpc_server_memory(const struct zrpc_grpc_server *s)
{
    return zrpc_grpc_account_memory(&s->member);
}

/*
 * Requests.
 */
void zrpc_grpc_server_ask_leave(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    if (call->queue == NULL && call->granted == 0 && call->reader.have == ZRPC_GRPC_PREFIX_LEN &&
        call->reader.length > SMALL_REQUEST)
        zrpc_grpc_server_enqueue(&s->large, call);
}

int zrpc_grpc_server_give_leave(struct zrpc_grpc_server *s)
{
    struct zrpc_grpc_server_call *call;
    int rv = 0;

    while (rv == 0 && (call = s->large.first) != NULL &&
           zrpc_grpc_account_grant(&s->member, call->reader.length)) {
        zrpc_grpc_server_leave_queue(call);
        call->granted = call->reader.length;
        rv = nghttp2_submit_window_update(s->h2.ng, NGHTTP2_FLAG_NONE, call->stream_id,
                                          (int32_t)call->granted);
    }
    if (s->large.first == NULL)
        zrpc_grpc_account_no_grant(&s->member);
    return rv;
}

bool zrpc_grpc_server_prompt(const struct zrpc_grpc_server *s, const struct zrpc_grpc_server_call *call)
{
    return call->method->prompt && !s->options.no_prompt;
}

/* The first that is ready, or the first for which no handler's turn has to come. */
static struct zrpc_grpc_server_call *first_ready(const struct zrpc_grpc_server *s, bool prompt)
{
    struct zrpc_grpc_server_call *call = s->ready.first;

    while (call != NULL && prompt && !zrpc_grpc_server_prompt(s, call))
        call = call->next_queued;
    return call;
}

struct zrpc_grpc_server_call *zrpc_grpc_server_next(struct zrpc_grpc_server *s)
{
    struct zrpc_grpc_server_call *call = first_ready(s, false);

    if (call != NULL && !zrpc_grpc_account_start(&s->member, zrpc_grpc_server_prompt(s, call))) {
        call = zrpc_grpc_server_prompt(s, call) ? NULL : first_ready(s, true);
        if (call != NULL && !zrpc_grpc_account_start(&s->member, true))
            call = NULL;
    }
    if (s->ready.first == NULL)
        zrpc_grpc_account_no_start(&s->member);
    if (call == NULL)
        return NULL;
    zrpc_grpc_server_leave_queue(call);
    call->stage = ZRPC_GRPC_TAKEN;
    return call;
}

bool zrpc_grpc_server_startable(const struct zrpc_grpc_server *s)
{
    return (first_ready(s, false) != NULL && zrpc_grpc_account_may_start(&s->member, false)) ||
           (first_ready(s, true) != NULL && zrpc_grpc_account_may_start(&s->member, true));
}

/* What its request has cost until now, and a handler's. */
static struct grpc_use request_use(const struct zrpc_grpc_server *s, const struct zrpc_grpc_server_call *call)
{
    bool taken = call->stage == ZRPC_GRPC_TAKEN;

    return (struct grpc_use){
        .granted = call->granted, .taken = taken, .at_work = taken && !zrpc_grpc_server_prompt(s, call)};
}

/* Answers whether there is room for the response, of which only the size counts here. */
static bool end_request(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call, size_t response)
{
    struct grpc_use use = request_use(s, call);

    zrpc_grpc_server_leave_queue(call);
    call->stage = ZRPC_GRPC_FINISHED;
    call->granted = 0;
    zrpc_buf_dispose(&call->reader.message);
    zrpc_grpc_server_account(s, call);
    return zrpc_grpc_account_answer(&s->member, use, response);
}

void zrpc_grpc_server_drop_request(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    if (call->stage != ZRPC_GRPC_FINISHED)
        end_request(s, call, 0);
}

/*
 * Responses.
 */
bool zrpc_grpc_server_keep_response(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                                    struct zrpc_buf *response)
{
    if (!end_request(s, call, response->cap))
        return false;
    if (s->unsent == 0)
        s->progress_at = s->h2.now;
    call->progress_at = s->h2.now;
    call->response = *response;
    *response = (struct zrpc_buf){0};
    s->unsent += call->response.cap;
    zrpc_grpc_server_account(s, call);
    s->next_time = zrpc_earlier(s->next_time, zrpc_deadline(s->h2.now, s->options.stall_timeout));
    return true;
}

void zrpc_grpc_server_drop_response(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    size_t size = call->response.cap;

    if (size == 0)
        return;
    s->unsent -= size;
    zrpc_buf_dispose(&call->response);
    zrpc_grpc_server_account(s, call);
    zrpc_grpc_account_give_back(&s->member, (struct grpc_use){.unsent = size});
}

/* A stream's window is used up by that stream alone. The connection's is used up by all of them, so that one
 * may wait for long while others have their turn. */
zrpc_time zrpc_grpc_server_stuck_at(const struct zrpc_grpc_server *s,
                                    const struct zrpc_grpc_server_call *call)
{
    if (call->response.len == 0)
        return ZRPC_NEVER;
    if (nghttp2_session_get_stream_remote_window_size(s->h2.ng, call->stream_id) <= 0)
        return zrpc_deadline(call->progress_at, s->options.stall_timeout);
    if (nghttp2_session_get_remote_window_size(s->h2.ng) <= 0)
        return zrpc_deadline(s->progress_at, s->options.stall_timeout);
    return ZRPC_NEVER;
}
