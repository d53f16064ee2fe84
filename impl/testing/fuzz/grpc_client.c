/* A gRPC client session that is told anything: every call that began ends exactly once, and those that the
 * server cannot have seen, and no others that were written, may be sent again. */
#include "testing/fuzz/fuzz.h"

#include "zrpc/grpc_client.h"

#define START     (1000 * ZRPC_SECOND)
#define CALLS_MAX 64

static struct zrpc_grpc_call calls[CALLS_MAX];

struct rig {
    struct zrpc_grpc_client *client;
    zrpc_time now;
    size_t n_calls, n_done;
};

static void begin(struct rig *r, uint8_t deadline)
{
    struct zrpc_grpc_call *call = &calls[r->n_calls];

    if (r->n_calls == CALLS_MAX)
        return;
    *call = (struct zrpc_grpc_call){.path = "/Replication/Ping",
                                    .request = zrpc_view("\0\0\0\0\0", 5),
                                    .deadline = deadline == 0 ? ZRPC_NEVER : r->now + deadline * ZRPC_SECOND};
    r->n_calls += zrpc_grpc_client_begin(r->client, r->now, call, NULL) == 0;
}

static void collect(struct rig *r)
{
    struct zrpc_grpc_call *call;

    while ((call = zrpc_grpc_client_next_done(r->client)) != NULL) {
        REQUIRE(call >= calls && call < calls + r->n_calls && !call->open);
        REQUIRE(call->path != NULL); /* not collected before */
        REQUIRE((call->result.status == ZRPC_GRPC_OK) == (call->result.error.code == 0));
        REQUIRE(call->result.status == ZRPC_GRPC_OK || call->response.base == NULL);
        REQUIRE(!call->result.unprocessed || call->result.status == ZRPC_GRPC_UNAVAILABLE);
        zrpc_buf_dispose(&call->response);
        call->path = NULL;
        r->n_done++;
    }
}

static void send(struct rig *r, size_t most)
{
    struct zrpc_view out;

    if (zrpc_grpc_client_output(r->client, &out, NULL) == 0)
        zrpc_grpc_client_sent(r->client, out.len < most ? out.len : most);
}

static bool step(struct rig *r, struct zrpc_view *in)
{
    uint8_t what = fuzz_byte(in), n = fuzz_byte(in);

    switch (what % 8) {
    case 0:
        begin(r, n % 8);
        break;
    case 1:
        r->now += n * ZRPC_SECOND / 10;
        return zrpc_grpc_client_tick(r->client, r->now, NULL) == 0;
    case 2:
        send(r, n);
        break;
    case 3:
        send(r, SIZE_MAX);
        break;
    case 4:
        if (r->n_calls > 0)
            zrpc_grpc_client_cancel(r->client, &calls[n % r->n_calls]);
        break;
    default:
        return zrpc_grpc_client_input(r->client, r->now, zrpc_view_take(in, n < in->len ? n : in->len),
                                      NULL) == 0;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct zrpc_error gone = {.code = ZRPC_ERR_END, .text = "gone"};
    const struct zrpc_grpc_client_options options = {.response_max = 1000};
    struct zrpc_view in = zrpc_view(data, size);
    struct rig r = {.now = START};

    REQUIRE(zrpc_grpc_client_new(&options, r.now, &r.client, NULL) == 0);
    begin(&r, 0);
    send(&r, SIZE_MAX);
    while (in.len > 0 && step(&r, &in))
        collect(&r);
    zrpc_grpc_client_fail(r.client, 0, &gone);
    collect(&r);
    REQUIRE(r.n_done == r.n_calls);
    zrpc_grpc_client_free(r.client);
    return 0;
}
