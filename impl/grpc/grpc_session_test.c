/* Client and server sessions talking to each other in memory, in virtual time: random conversations, cut
 * connections, and memory that runs out. */
#include <stdio.h>
#include <stdlib.h>

#include "testing/alloc.h"
#include "testing/suite.h"
#include "zrpc/grpc_client.h"
#include "zrpc/grpc_server.h"
#include "zrpc/pb.h"

#define S         ZRPC_SECOND
#define CALLS_MAX 400

static const struct zrpc_grpc_method methods[] = {
    {.path = "/Replication/Ping",
     .request = &zrpc__pb__ping_req__descriptor,
     .response = &zrpc__pb__ping_res__descriptor},
};
static const struct zrpc_grpc_service services[] = {{.methods = methods, .n_methods = 1}};

/* A call and what is known of it on either side. */
struct test_call {
    struct zrpc_grpc_call call;
    struct zrpc_buf request;
    bool begun, done;
    bool cancelled; /* by us */
    bool seen;      /* by the server */
    bool answered_ok;
    enum zrpc_grpc_status answered; /* by the server, if not OK */
};

static struct talk {
    struct zrpc_grpc_client *client;
    struct zrpc_grpc_server *server;
    struct zrpc_buf to_server, to_client; /* on the wire */
    zrpc_time now;
    uint64_t random;
    struct test_call calls[CALLS_MAX];
    size_t n_calls, n_done;
    struct zrpc_grpc_server_call *taken[CALLS_MAX];
    size_t n_taken;
} t;

static uint64_t rnd(uint64_t below)
{
    t.random = t.random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (t.random >> 33) % below;
}

static int start(uint64_t seed)
{
    const struct zrpc_keepalive_config patient = {.timeout = 1000 * S}; /* bytes move at random */
    struct zrpc_grpc_server_options server = {
        .services = services, .n_services = 1, .max_streams = 20, .keepalive = patient};
    struct zrpc_grpc_client_options client = {.keepalive = patient};
    int rc;

    t = (struct talk){.now = 1000 * S, .random = seed};
    rc = zrpc_grpc_client_new(&client, t.now, &t.client, NULL);
    return rc < 0 ? rc : zrpc_grpc_server_new(&server, t.now, &t.server, NULL);
}

static void drop_taken(size_t i, enum zrpc_grpc_status status, const char *text, struct zrpc_buf *response)
{
    zrpc_grpc_server_finish(t.server, t.taken[i], status, text, response, NULL);
    t.taken[i] = t.taken[--t.n_taken];
}

static void stop(void)
{
    while (t.n_taken > 0)
        drop_taken(0, ZRPC_GRPC_CANCELLED, "", NULL);
    zrpc_grpc_client_free(t.client);
    zrpc_grpc_server_free(t.server);
    zrpc_buf_dispose(&t.to_client);
    zrpc_buf_dispose(&t.to_server);
    for (size_t i = 0; i < t.n_calls; i++)
        zrpc_buf_dispose(&t.calls[i].request);
}

/* A ping whose message is its number and some padding. */
static int make_request(struct zrpc_buf *out, size_t number, size_t padding)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    char *text = calloc(1, 16 + padding);
    int rc;

    if (text == NULL)
        return ZRPC_ERR_NOMEM;
    snprintf(text, 16, "%zu ", number);
    memset(text + strlen(text), 'x', padding);
    req.message = text;
    rc = zrpc_grpc_put_message(&req.base, SIZE_MAX, out, NULL);
    free(text);
    return rc;
}

static int begin(zrpc_time deadline, size_t padding)
{
    struct test_call *c = &t.calls[t.n_calls++];
    int rc = make_request(&c->request, t.n_calls - 1, padding);

    if (rc < 0)
        return rc;
    c->call = (struct zrpc_grpc_call){
        .path = "/Replication/Ping", .request = zrpc_buf_view(&c->request), .deadline = deadline};
    rc = zrpc_grpc_client_begin(t.client, t.now, &c->call, NULL);
    c->begun = rc == 0;
    return rc;
}

static struct test_call *call_of(const struct zrpc_grpc_server_call *call)
{
    ProtobufCMessage *req = NULL;
    size_t number = CALLS_MAX;

    if (zrpc_pb_decode(call->method->request, zrpc_buf_view(&call->reader.message), &req, NULL) < 0)
        return NULL;
    CHECK_INT(sscanf(((Zrpc__Pb__PingReq *)req)->message, "%zu", &number), 1);
    protobuf_c_message_free_unpacked(req, NULL);
    return CHECK(number < t.n_calls) ? &t.calls[number] : NULL;
}

static void take_calls(void)
{
    struct zrpc_grpc_server_call *call;

    while ((call = zrpc_grpc_server_next(t.server)) != NULL) {
        struct test_call *c = call_of(call);

        t.taken[t.n_taken++] = call;
        if (c != NULL) {
            CHECK(!c->seen);
            c->seen = true;
        }
    }
}

/* Ping and its answer are encoded alike: field 1, a string. */
static int answer(size_t i, enum zrpc_grpc_status status)
{
    struct zrpc_grpc_server_call *call = t.taken[i];
    struct test_call *c = call_of(call);
    struct zrpc_buf response = {0};
    static const uint8_t zero[1];
    uint8_t length[4];
    int rc = 0;

    if (c == NULL)
        status = ZRPC_GRPC_RESOURCE_EXHAUSTED;
    if (status == ZRPC_GRPC_OK) {
        zrpc_put_u32(length, (uint32_t)call->reader.message.len);
        rc = zrpc_buf_append(&response, zrpc_view(zero, 1), NULL);
        if (rc == 0)
            rc = zrpc_buf_append(&response, zrpc_view(length, 4), NULL);
        if (rc == 0)
            rc = zrpc_buf_append(&response, zrpc_buf_view(&call->reader.message), NULL);
    }
    if (rc < 0)
        status = ZRPC_GRPC_RESOURCE_EXHAUSTED;
    if (c != NULL) {
        c->answered_ok = status == ZRPC_GRPC_OK;
        c->answered = status;
    }
    rc = zrpc_grpc_server_finish(t.server, call, status, "as told", &response, NULL);
    t.taken[i] = t.taken[--t.n_taken];
    return rc;
}

/* Moves some bytes, in random portions. False: the connection broke. */
static bool move(size_t most)
{
    struct zrpc_view out;
    size_t n;
    int rc;

    if (zrpc_grpc_client_output(t.client, &out, NULL) < 0)
        return false;
    n = out.len < most ? out.len : most;
    if (zrpc_buf_append(&t.to_server, zrpc_view(out.data, n), NULL) < 0)
        return false;
    zrpc_grpc_client_sent(t.client, n);
    if (zrpc_grpc_server_output(t.server, &out, NULL) < 0)
        return false;
    n = out.len < most ? out.len : most;
    if (zrpc_buf_append(&t.to_client, zrpc_view(out.data, n), NULL) < 0)
        return false;
    zrpc_grpc_server_sent(t.server, n);

    n = t.to_server.len < most ? t.to_server.len : most;
    rc = zrpc_grpc_server_input(t.server, t.now, zrpc_view(zrpc_buf_view(&t.to_server).data, n), NULL);
    zrpc_buf_consume(&t.to_server, n);
    n = t.to_client.len < most ? t.to_client.len : most;
    if (rc == 0)
        rc = zrpc_grpc_client_input(t.client, t.now, zrpc_view(zrpc_buf_view(&t.to_client).data, n), NULL);
    zrpc_buf_consume(&t.to_client, n);
    return rc == 0;
}

static bool quiet(void)
{
    struct zrpc_view a, b;

    return zrpc_grpc_client_output(t.client, &a, NULL) == 0 &&
           zrpc_grpc_server_output(t.server, &b, NULL) == 0 &&
           a.len + b.len + t.to_client.len + t.to_server.len == 0;
}

/* What a finished call may be, given all that happened to it. */
static void check_result(struct test_call *c)
{
    const struct zrpc_grpc_result *r = &c->call.result;

    CHECK(c->begun && !c->done);
    c->done = true;
    CHECK_INT(r->error.code == 0, r->status == ZRPC_GRPC_OK);
    switch (r->status) {
    case ZRPC_GRPC_OK:
        CHECK(c->answered_ok);
        CHECK_BYTES(zrpc_buf_view(&c->call.response), zrpc_view(c->call.request.data + ZRPC_GRPC_PREFIX_LEN,
                                                                c->call.request.len - ZRPC_GRPC_PREFIX_LEN));
        break;
    case ZRPC_GRPC_CANCELLED:
        CHECK(c->cancelled);
        break;
    case ZRPC_GRPC_DEADLINE_EXCEEDED:
        CHECK(t.now >= c->call.deadline);
        break;
    case ZRPC_GRPC_UNAVAILABLE:
        CHECK(!r->unprocessed || !c->seen);
        break;
    default:
        CHECK_INT(r->status, c->answered);
        CHECK_STR(r->error.text, "as told");
    }
    zrpc_buf_dispose(&c->call.response);
}

static void collect(void)
{
    struct zrpc_grpc_call *done;

    while ((done = zrpc_grpc_client_next_done(t.client)) != NULL) {
        check_result((struct test_call *)done);
        t.n_done++;
    }
}

static void something_happens(void)
{
    static const enum zrpc_grpc_status statuses[] = {
        ZRPC_GRPC_OK, ZRPC_GRPC_OK, ZRPC_GRPC_OK, ZRPC_GRPC_UNKNOWN, ZRPC_GRPC_INTERNAL, ZRPC_GRPC_DATA_LOSS};

    switch (rnd(8)) {
    case 0:
    case 1:
        if (t.n_calls < CALLS_MAX)
            begin(rnd(3) > 0 ? ZRPC_NEVER : t.now + (zrpc_time)rnd(20) * S,
                  rnd(10) > 0 ? rnd(50) : rnd(200000));
        break;
    case 2:
        if (t.n_calls > 0) {
            struct test_call *c = &t.calls[rnd(t.n_calls)];

            c->cancelled = c->cancelled || c->call.open;
            zrpc_grpc_client_cancel(t.client, &c->call);
        }
        break;
    case 3:
    case 4:
        if (t.n_taken > 0)
            CHECK_OK(answer(rnd(t.n_taken), statuses[rnd(sizeof statuses / sizeof statuses[0])]));
        break;
    case 5:
        t.now += (zrpc_time)rnd(4 * S);
        break;
    default:
        CHECK(move(rnd(4) > 0 ? 1 + rnd(100) : 1 + rnd(200000)));
    }
    CHECK_OK(zrpc_grpc_client_tick(t.client, t.now, NULL));
    CHECK_OK(zrpc_grpc_server_tick(t.server, t.now, NULL));
    take_calls();
    collect();
}

static size_t begun(void)
{
    size_t n = 0;

    for (size_t i = 0; i < t.n_calls; i++)
        n += t.calls[i].begun;
    return n;
}

/* Time stands still, so that all that was said arrives before anybody gives up. */
static void finish_talk(void)
{
    do {
        while (t.n_taken > 0)
            CHECK_OK(answer(0, ZRPC_GRPC_OK));
        CHECK(move(SIZE_MAX));
        take_calls();
    } while (!quiet() || t.n_taken > 0);
    collect();
    CHECK_INT(t.n_done, begun());
}

static void random_conversations(void)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        CHECK_OK(start(seed));
        for (int i = 0; i < 600; i++)
            something_happens();
        finish_talk();
        CHECK_INT(zrpc_grpc_server_open_calls(t.server), 0);
        stop();
    }
}

static void graceful_ends_in_the_middle(void)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        size_t before = 10 + seed * 3;

        CHECK_OK(start(seed));
        for (size_t i = 0; i < before; i++)
            something_happens();
        if (seed % 2 == 0)
            CHECK_OK(zrpc_grpc_server_shutdown(t.server, t.now, NULL));
        else
            zrpc_grpc_client_shutdown(t.client);
        for (size_t i = 0; i < 100; i++)
            something_happens();
        finish_talk();
        t.now += 2 * S;
        CHECK_OK(zrpc_grpc_server_tick(t.server, t.now, NULL));
        finish_talk();
        CHECK(zrpc_grpc_server_ended(t.server));
        CHECK(zrpc_grpc_client_ended(t.client));
        stop();
    }
}

static void connections_cut_anywhere(void)
{
    const struct zrpc_error gone = {.code = ZRPC_ERR_RESET, .text = "cut"};

    for (uint64_t seed = 1; seed <= 200; seed++) {
        CHECK_OK(start(seed));
        for (size_t i = 0; i < 5 + seed; i++)
            something_happens();
        /* What is on the wire may still arrive. */
        if (seed % 2 == 0) {
            CHECK_OK(zrpc_grpc_server_input(t.server, t.now, zrpc_buf_view(&t.to_server), NULL));
            take_calls();
        }
        zrpc_grpc_client_fail(t.client, 0, &gone);
        zrpc_grpc_server_cancel_all(t.server);
        collect();
        CHECK_INT(t.n_done, begun());
        for (size_t i = 0; i < t.n_taken; i++)
            CHECK(atomic_load(&t.taken[i]->context.cancelled));
        stop();
    }
}

/* A call from the beginning to the end, as far as memory allows. */
static int one_call(size_t size)
{
    int rc = start(1), result = ZRPC_ERR_NOMEM;

    if (rc == 0)
        rc = begin(t.now + 5 * S, size);
    while (rc == 0 && move(SIZE_MAX)) {
        take_calls();
        while (rc == 0 && t.n_taken > 0)
            rc = answer(0, ZRPC_GRPC_OK);
        if (rc == 0 && quiet())
            break;
    }
    if (t.client != NULL)
        zrpc_grpc_client_fail(t.client, 0, &(struct zrpc_error){.code = ZRPC_ERR_NOMEM, .text = "broken"});
    if (t.n_calls > 0 && t.calls[0].begun) {
        CHECK(zrpc_grpc_client_next_done(t.client) == &t.calls[0].call);
        result = t.calls[0].call.result.error.code;
        zrpc_buf_dispose(&t.calls[0].call.response);
    }
    stop();
    return result;
}

static void check_scarcity(size_t size)
{
    long n = 0, made;

    do {
        int rc;

        zrpc_alloc_fail_at(++n);
        rc = one_call(size);
        made = zrpc_alloc_count();
        /* However it ends, it ends; and with memory enough it succeeds. */
        CHECK(made < n ? rc == 0 : true);
    } while (made >= n);
    zrpc_alloc_fail_at(0);
    CHECK(n > 40);
    CHECK_OK(one_call(size));
}

/* The larger one has to wait for leave. */
static void memory_runs_out_at_every_step(void)
{
    check_scarcity(300);
    check_scarcity(100000);
}

static const struct zrpc_test tests[] = {
    {"random conversations", random_conversations},
    {"graceful ends in the middle", graceful_ends_in_the_middle},
    {"connections cut anywhere", connections_cut_anywhere},
    {"memory runs out at every step", memory_runs_out_at_every_step},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("grpc_session", tests, argc, argv);
}
