/* A gRPC server session that is told anything: it yields calls whose request is whole, each once, and what it
 * says in return is HTTP/2 that a client understands. */
#include "testing/fuzz/fuzz.h"

#include <nghttp2/nghttp2.h>

#include "zrpc/grpc_server.h"
#include "zrpc/replication.h"

#define START    (1000 * ZRPC_SECOND)
#define HELD_MAX 256

static const struct zrpc_handler_ops no_ops;
static const struct zrpc_handler handler = {.ops = &no_ops};

struct rig {
    struct zrpc_grpc_server *server;
    nghttp2_session *reader; /* of what the server says */
    zrpc_time now;
    struct zrpc_grpc_server_call *held[HELD_MAX];
    size_t n_held;
};

static void read_output(struct rig *r, size_t most)
{
    struct zrpc_view out;

    if (zrpc_grpc_server_output(r->server, &out, NULL) < 0)
        return;
    out.len = out.len < most ? out.len : most;
    REQUIRE(out.len == 0 || nghttp2_session_mem_recv(r->reader, out.data, out.len) >= 0);
    zrpc_grpc_server_sent(r->server, out.len);
}

static void finish(struct rig *r, uint8_t choice)
{
    struct zrpc_grpc_server_call *call;
    struct zrpc_buf response = {0};

    if (r->n_held == 0)
        return;
    call = r->held[--r->n_held];
    REQUIRE(zrpc_buf_append(&response, zrpc_view("\0\0\0\0\0", 5), NULL) == 0);
    REQUIRE(zrpc_grpc_server_finish(r->server, call, (enum zrpc_grpc_status)(choice % 17), "why \xc3\xbc",
                                    &response, NULL) == 0);
    REQUIRE(response.base == NULL);
}

static void take(struct rig *r)
{
    struct zrpc_grpc_server_call *call;

    while (r->n_held < HELD_MAX && (call = zrpc_grpc_server_next(r->server)) != NULL) {
        REQUIRE(zrpc_grpc_reader_complete(&call->reader));
        REQUIRE(call->method != NULL && call->reader.message.len <= ZRPC_GRPC_REQUEST_MAX_DEFAULT);
        r->held[r->n_held++] = call;
    }
}

static bool step(struct rig *r, struct zrpc_view *in)
{
    uint8_t what = fuzz_byte(in), n = fuzz_byte(in);

    take(r);
    switch (what % 8) {
    case 0:
        finish(r, n);
        break;
    case 1:
        r->now += n * ZRPC_SECOND / 10;
        return zrpc_grpc_server_tick(r->server, r->now, NULL) == 0;
    case 2:
        read_output(r, n);
        break;
    case 3:
        read_output(r, SIZE_MAX);
        break;
    case 4:
        return n > 8 || zrpc_grpc_server_shutdown(r->server, r->now, NULL) == 0;
    default:
        return zrpc_grpc_server_input(r->server, r->now, zrpc_view_take(in, n < in->len ? n : in->len),
                                      NULL) == 0;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char hello[] = NGHTTP2_CLIENT_MAGIC "\0\0\0\4\0\0\0\0\0";
    const struct zrpc_grpc_service service = zrpc_replication_service(&handler);
    const struct zrpc_grpc_server_options options = {
        .services = &service, .n_services = 1, .max_streams = 100};
    struct zrpc_view in = zrpc_view(data, size);
    nghttp2_session_callbacks *callbacks;
    struct rig r = {.now = START};

    REQUIRE(nghttp2_session_callbacks_new(&callbacks) == 0);
    REQUIRE(nghttp2_session_client_new(&r.reader, callbacks, NULL) == 0);
    REQUIRE(zrpc_grpc_server_new(&options, r.now, &r.server, NULL) == 0);
    if (fuzz_byte(&in) % 16 != 0)
        REQUIRE(zrpc_grpc_server_input(r.server, r.now, zrpc_view(hello, sizeof hello - 1), NULL) == 0);
    while (in.len > 0 && step(&r, &in))
        REQUIRE(zrpc_grpc_server_memory(r.server).peak <= zrpc_grpc_server_memory(r.server).budget);
    while (r.n_held > 0)
        finish(&r, 1);
    zrpc_grpc_server_free(r.server);
    nghttp2_session_del(r.reader);
    nghttp2_session_callbacks_del(callbacks);
    return 0;
}
