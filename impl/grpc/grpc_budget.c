#include "grpc/grpc_server_impl.h"

#include <stdlib.h>

#define WINDOW ((size_t)NGHTTP2_INITIAL_WINDOW_SIZE + 1) /* what a stream may send without leave */
/* What real clients take (ZR-GRPC-019), and the bytes before it. */
#define RESPONSE_SHARE ((4u << 20) + ZRPC_GRPC_PREFIX_LEN)

void zrpc_grpc_server_budget_init(struct zrpc_grpc_server *s)
{
    struct zrpc_grpc_server_options *o = &s->options;
    size_t largest = o->response_max + ZRPC_GRPC_PREFIX_LEN, need;

    s->open_windows = o->max_streams * WINDOW;
    /* The request may outlive its stream. */
    s->share = WINDOW + (largest < RESPONSE_SHARE ? largest : RESPONSE_SHARE);
    need = s->open_windows + o->request_max + WINDOW + largest;
    if (o->budget < need)
        o->budget = need;
    s->granted_max = o->budget / 8 > o->request_max ? o->budget / 8 : o->request_max;
    s->large.end = &s->large.first;
    s->ready.end = &s->ready.first;
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

/*
 * What the budget has left: a window that was given counts as if its bytes had come, a handler that runs as
 * if it had answered.
 */
static size_t room(const struct zrpc_grpc_server *s)
{
    size_t used = s->open_windows + s->granted + s->unsent + s->taken * s->share;

    return used < s->options.budget ? s->options.budget - used : 0;
}

void zrpc_grpc_server_account(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    size_t held = call->reader.message.cap + call->response.cap;

    s->held += held - call->held;
    call->held = held;
    s->peak = s->held > s->peak ? s->held : s->peak;
}

struct zrpc_grpc_server_memory zrpc_grpc_server_memory(const struct zrpc_grpc_server *s)
{
    return (struct zrpc_grpc_server_memory){.held = s->held, .peak = s->peak, .budget = s->options.budget};
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

/* There has to be room for a handler's share too, or all of it could go to requests that none can take. */
int zrpc_grpc_server_give_leave(struct zrpc_grpc_server *s)
{
    struct zrpc_grpc_server_call *call;
    int rv = 0;

    while (rv == 0 && (call = s->large.first) != NULL && call->reader.length + s->share <= room(s) &&
           s->granted + call->reader.length <= s->granted_max) {
        zrpc_grpc_server_leave_queue(call);
        call->granted = call->reader.length;
        s->granted += call->granted;
        rv = nghttp2_submit_window_update(s->h2.ng, NGHTTP2_FLAG_NONE, call->stream_id,
                                          (int32_t)call->granted);
    }
    return rv;
}

bool zrpc_grpc_server_prompt(const struct zrpc_grpc_server *s, const struct zrpc_grpc_server_call *call)
{
    return call->method->prompt && !s->options.no_prompt;
}

struct zrpc_grpc_server_call *zrpc_grpc_server_startable(const struct zrpc_grpc_server *s)
{
    struct zrpc_grpc_server_call *call = s->ready.first;

    if (call == NULL || room(s) < s->share)
        return NULL;
    while (call != NULL && !zrpc_grpc_server_prompt(s, call) && s->at_work >= s->options.handlers_max)
        call = call->next_queued;
    return call;
}

void zrpc_grpc_server_take(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    zrpc_grpc_server_leave_queue(call);
    call->stage = ZRPC_GRPC_TAKEN;
    s->taken++;
    s->at_work += !zrpc_grpc_server_prompt(s, call);
}

void zrpc_grpc_server_drop_request(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call)
{
    zrpc_grpc_server_leave_queue(call);
    if (call->stage == ZRPC_GRPC_TAKEN) {
        s->taken--;
        s->at_work -= !zrpc_grpc_server_prompt(s, call);
    }
    call->stage = ZRPC_GRPC_FINISHED;
    s->granted -= call->granted;
    call->granted = 0;
    zrpc_buf_dispose(&call->reader.message);
    zrpc_grpc_server_account(s, call);
}

/*
 * Responses.
 */
bool zrpc_grpc_server_keep_response(struct zrpc_grpc_server *s, struct zrpc_grpc_server_call *call,
                                    struct zrpc_buf *response)
{
    if (response->cap > s->share && response->cap > room(s))
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
    s->unsent -= call->response.cap;
    zrpc_buf_dispose(&call->response);
    zrpc_grpc_server_account(s, call);
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
