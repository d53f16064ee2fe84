/* What the connections of one client have together, and those of others have not: sessions that share a
 * ledger, each against a bare HTTP/2 peer, in virtual time. */
#include "zrpc/grpc_server.h"

#include <stdlib.h>
#include <string.h>

#include "testing/alloc.h"
#include "testing/h2peer.h"
#include "testing/suite.h"
#include "zrpc/pb.h"

#define S     ZRPC_SECOND
#define NOW   (1000 * S)
#define LARGE (256u << 10)

static const struct zrpc_grpc_method methods[] = {
    {.path = "/Replication/Ping",
     .request = &zrpc__pb__ping_req__descriptor,
     .response = &zrpc__pb__ping_res__descriptor},
    {.path = "/Replication/Prompt",
     .request = &zrpc__pb__ping_req__descriptor,
     .response = &zrpc__pb__ping_res__descriptor,
     .prompt = true},
};
static const struct zrpc_grpc_service services[] = {{.methods = methods, .n_methods = 2}};

/* A connection. Calls that the server yields are held until answer(). */
struct conn {
    struct zrpc_grpc_server *server;
    struct h2peer client;
    struct zrpc_grpc_server_call *held[H2PEER_STREAMS];
    size_t n_held;
    unsigned woken;
};

/* Sixteen streams for each connection, messages of up to 256 KiB, room for a few of them. */
static struct zrpc_grpc_server_options options;

static void be_woken(void *ctx)
{
    ((struct conn *)ctx)->woken++;
}

static struct conn *join(struct zrpc_grpc_ledger *ledger, const char *identity)
{
    struct conn *c = calloc(1, sizeof *c);
    struct zrpc_grpc_server_options own = options;

    own.services = services;
    own.n_services = 1;
    own.ledger = ledger;
    own.client_identity = identity;
    own.wake = be_woken;
    own.wake_ctx = c;
    CHECK_OK(zrpc_grpc_server_new(&own, NOW, &c->server, NULL));
    h2peer_init(&c->client, false, false);
    return c;
}

static struct zrpc_grpc_ledger *open_ledger(void)
{
    struct zrpc_grpc_ledger *ledger = NULL;

    options = (struct zrpc_grpc_server_options){
        .max_streams = 16, .request_max = LARGE, .response_max = LARGE, .budget = 3u << 20};
    CHECK_OK(zrpc_grpc_ledger_new(&ledger, NULL));
    return ledger;
}

static void take_calls(struct conn *c)
{
    struct zrpc_grpc_server_call *call;

    while ((call = zrpc_grpc_server_next(c->server)) != NULL)
        c->held[c->n_held++] = call;
}

static bool exchange(struct conn *c)
{
    struct zrpc_view out = h2peer_output(&c->client);
    size_t n = out.len;
    bool moved = n > 0;

    CHECK_OK(zrpc_grpc_server_input(c->server, NOW, out, NULL));
    zrpc_buf_consume(&c->client.output, n);
    take_calls(c);
    while (zrpc_grpc_server_output(c->server, &out, NULL) == 0 && out.len > 0) {
        h2peer_feed(&c->client, out);
        zrpc_grpc_server_sent(c->server, out.len);
        moved = true;
    }
    return moved;
}

static void pump(struct conn *c)
{
    while (exchange(c))
        continue;
    take_calls(c);
}

/* The last of the calls held, with a message of that size, prefix included. */
static void answer_with(struct conn *c, size_t size)
{
    struct zrpc_buf response = {0};

    if (!CHECK(c->n_held > 0))
        return;
    CHECK_OK(zrpc_buf_reserve(&response, size, NULL));
    memset(response.base, 0, size);
    zrpc_put_u32(response.base + 1, (uint32_t)(size - 5));
    response.len = size;
    CHECK_OK(zrpc_grpc_server_finish(c->server, c->held[--c->n_held], ZRPC_GRPC_OK, "", &response, NULL));
}

static void answer(struct conn *c)
{
    answer_with(c, 5);
}

static void leave(struct conn *c)
{
    while (c->n_held > 0)
        CHECK_OK(
            zrpc_grpc_server_finish(c->server, c->held[--c->n_held], ZRPC_GRPC_CANCELLED, "", NULL, NULL));
    zrpc_grpc_server_free(c->server);
    h2peer_dispose(&c->client);
    free(c);
}

#define HEADERS(path)                                                                             \
    {                                                                                             \
        ":method", "POST", ":scheme", "http", ":path", path, ":authority", "any", "content-type", \
            "application/grpc", "te", "trailers", NULL                                            \
    }
static const char *const ping[] = HEADERS("/Replication/Ping"), *const prompt[] =
                                                                    HEADERS("/Replication/Prompt");
static const struct zrpc_view hi = {(const uint8_t *)"\0\0\0\0\x04\x0a\x02hi", 9};

static struct h2peer_stream *call(struct conn *c, const char *const *headers, struct zrpc_view body)
{
    int32_t id = h2peer_request(&c->client, headers, body, false);

    pump(c);
    return h2peer_stream(&c->client, id);
}

static void set_initial_window(struct conn *c, uint32_t size)
{
    nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, size};

    CHECK_INT(nghttp2_submit_settings(c->client.ng, NGHTTP2_FLAG_NONE, &entry, 1), 0);
    pump(c);
}

/* A ping as large as may be; the caller's to free. */
static struct zrpc_view make_large_ping(void)
{
    Zrpc__Pb__PingReq req = ZRPC__PB__PING_REQ__INIT;
    struct zrpc_buf out = {0};

    req.message = calloc(1, LARGE - 8);
    memset(req.message, 'x', LARGE - 9); /* prefix, tag, three bytes of length */
    CHECK_OK(zrpc_grpc_put_message(&req.base, SIZE_MAX, &out, NULL));
    CHECK_INT(out.len, LARGE);
    free(req.message);
    return zrpc_buf_view(&out);
}

/*
 * Handlers.
 */
static void handlers_are_shared_by_a_client(void)
{
    struct zrpc_grpc_ledger *ledger = open_ledger();
    struct conn *first, *second, *third, *other;

    options.handlers_max = 4;
    options.budget = 10u << 20;
    first = join(ledger, "one");
    second = join(ledger, "one");
    other = join(ledger, "other");
    for (int i = 0; i < 6; i++)
        call(first, ping, hi);
    CHECK_INT(first->n_held, 3);
    for (int i = 0; i < 2; i++)
        call(second, ping, hi);
    CHECK_INT(second->n_held, 1); /* what the first has left */
    call(second, prompt, hi);     /* needs none of them */
    CHECK_INT(second->n_held, 2);
    for (int i = 0; i < 6; i++)
        call(other, ping, hi);
    CHECK_INT(other->n_held, 3);
    /* The last one is not for those that have some. */
    answer(first);
    take_calls(first);
    CHECK_INT(first->n_held, 2);
    CHECK_INT(second->woken, 0);
    third = join(ledger, "one");
    call(third, ping, hi);
    CHECK_INT(third->n_held, 1);
    leave(third);
    leave(first);
    leave(second);
    leave(other);
    zrpc_grpc_ledger_free(ledger);
}

static void connections_of_a_client_take_turns(void)
{
    struct zrpc_grpc_ledger *ledger = open_ledger();
    struct conn *busy, *second, *third;

    options.handlers_max = 1;
    busy = join(ledger, "one");
    second = join(ledger, "one");
    third = join(ledger, "one");
    for (int i = 0; i < 5; i++)
        call(busy, ping, hi);
    for (int i = 0; i < 2; i++)
        call(second, ping, hi);
    call(third, ping, hi);
    CHECK_INT(busy->n_held + second->n_held + third->n_held, 1);
    answer(busy); /* whose next call has waited for longest */
    CHECK_INT(busy->woken + second->woken + third->woken, 0);
    take_calls(busy);
    CHECK_INT(busy->n_held, 1);
    answer(busy);
    CHECK_INT(busy->woken + third->woken, 0);
    CHECK_INT(second->woken, 1);
    take_calls(busy); /* it is there first, but not its turn */
    take_calls(third);
    CHECK_INT(busy->n_held + third->n_held, 0);
    CHECK(zrpc_grpc_server_wakeup(busy->server) > NOW);
    CHECK(zrpc_grpc_server_wakeup(second->server) <= NOW);
    take_calls(second);
    CHECK_INT(second->n_held, 1);
    answer(second);
    CHECK_INT(third->woken, 1);
    take_calls(third);
    answer(third);
    CHECK_INT(busy->woken, 1);
    CHECK_INT(second->woken, 1);
    leave(busy);
    leave(second);
    leave(third);
    zrpc_grpc_ledger_free(ledger);
}

/* Two come free before the first in line has asked. */
static void turns_that_are_taken_pass_on(void)
{
    struct zrpc_grpc_ledger *ledger = open_ledger();
    struct conn *conns[4];

    options.handlers_max = 2;
    options.budget = 10u << 20;
    for (int i = 0; i < 4; i++) {
        conns[i] = join(ledger, "one");
        call(conns[i], ping, hi);
        CHECK_INT(conns[i]->n_held, i < 2);
    }
    answer(conns[0]);
    answer(conns[1]);
    CHECK_INT(conns[2]->woken, 1);
    CHECK_INT(conns[3]->woken, 0);
    take_calls(conns[2]);
    CHECK_INT(conns[3]->woken, 1);
    take_calls(conns[3]);
    CHECK_INT(conns[3]->n_held, 1);
    for (int i = 0; i < 4; i++)
        leave(conns[i]);
    zrpc_grpc_ledger_free(ledger);
}

/* Who has its turn, but nothing to do any more, does not keep it. */
static void turns_that_are_not_taken_pass_on(void)
{
    struct zrpc_grpc_ledger *ledger = open_ledger();
    struct conn *busy, *ends, *cancels, *last;
    struct h2peer_stream *s;

    options.handlers_max = 1;
    busy = join(ledger, "one");
    ends = join(ledger, "one");
    cancels = join(ledger, "one");
    last = join(ledger, "one");
    call(busy, ping, hi);
    call(ends, ping, hi);
    s = call(cancels, ping, hi);
    call(last, ping, hi);
    answer(busy);
    CHECK_INT(ends->woken, 1);
    zrpc_grpc_server_cancel_all(ends->server);
    CHECK_INT(cancels->woken, 1);
    h2peer_reset(&cancels->client, s->id, NGHTTP2_CANCEL);
    pump(cancels);
    CHECK_INT(last->woken, 1);
    take_calls(last);
    CHECK_INT(last->n_held, 1);
    leave(busy);
    leave(ends);
    leave(cancels);
    leave(last);
    zrpc_grpc_ledger_free(ledger);
}

/*
 * Bytes.
 */
static void memory_is_bounded_for_all_connections_of_a_client(void)
{
    struct zrpc_grpc_ledger *ledger = open_ledger();
    struct conn *conns[12], *other;
    struct zrpc_grpc_server_memory memory;
    size_t answered = 0;

    for (int i = 0; i < 12; i++) {
        conns[i] = join(ledger, "one");
        set_initial_window(conns[i], 0); /* it does not read what it asks for */
        for (int j = 0; j < 2; j++)
            call(conns[i], ping, hi);
        for (; conns[i]->n_held > 0; answered++)
            answer_with(conns[i], LARGE);
    }
    memory = zrpc_grpc_server_memory(conns[0]->server);
    CHECK_INT(memory.budget, options.budget);
    CHECK(memory.peak <= memory.budget);
    CHECK(memory.held >= answered * LARGE);
    CHECK_INT(answered, 3);
    /* Others do not feel it. */
    other = join(ledger, "other");
    call(other, ping, hi);
    CHECK_INT(other->n_held, 1);
    CHECK(zrpc_grpc_server_memory(other->server).held < LARGE);
    /* When one connection has read, there is room for the calls of others. */
    set_initial_window(conns[0], LARGE);
    CHECK_INT(conns[1]->woken, 1);
    take_calls(conns[1]);
    CHECK_INT(conns[1]->n_held, 1);
    CHECK_INT(conns[2]->woken, 1);
    take_calls(conns[2]);
    CHECK_INT(conns[2]->n_held, 1);
    CHECK_INT(conns[3]->woken, 0);
    for (int i = 0; i < 12; i++)
        leave(conns[i]);
    leave(other);
    zrpc_grpc_ledger_free(ledger);
}

/* Requests and answers of the largest size too. */
static void a_greedy_connection_leaves_something_to_the_others(void)
{
    struct zrpc_view large = make_large_ping();
    struct zrpc_grpc_ledger *ledger = open_ledger();
    struct conn *greedy, *second;

    options.budget = 8u << 20;
    greedy = join(ledger, "one");
    second = join(ledger, "one");
    set_initial_window(greedy, 0);
    for (int i = 0; i < 16; i++)
        call(greedy, ping, large);
    while (greedy->n_held > 0) {
        answer_with(greedy, LARGE);
        pump(greedy);
    }
    CHECK(zrpc_grpc_server_memory(greedy->server).held > 3u << 20);
    for (int i = 0; i < 10; i++) {
        call(second, ping, large);
        answer_with(second, LARGE);
        pump(second);
    }
    CHECK_INT(zrpc_grpc_server_open_calls(second->server), 0);
    leave(greedy);
    leave(second);
    zrpc_grpc_ledger_free(ledger);
    free((void *)large.data);
}

static void large_requests_wait_for_those_on_other_connections(void)
{
    struct zrpc_grpc_ledger *ledger = open_ledger();
    struct zrpc_view large = make_large_ping();
    struct conn *first = join(ledger, "one"), *second = join(ledger, "one"), *other = join(ledger, "other");
    int32_t half;

    half = h2peer_request(&first->client, ping, zrpc_view(large.data, LARGE - 1), true);
    pump(first);
    call(second, ping, large);
    CHECK_INT(second->n_held, 0);
    call(other, ping, large);
    CHECK_INT(other->n_held, 1);
    h2peer_continue(&first->client, half, zrpc_view(large.data + LARGE - 1, 1), false);
    pump(first);
    CHECK_INT(first->n_held, 1);
    CHECK_INT(second->woken, 0);
    answer(first);
    CHECK_INT(second->woken, 1);
    pump(second);
    CHECK_INT(second->n_held, 1);
    leave(first);
    leave(second);
    leave(other);
    zrpc_grpc_ledger_free(ledger);
    free((void *)large.data);
}

static void large_requests_wait_for_answers_to_be_read(void)
{
    struct zrpc_grpc_ledger *ledger = open_ledger();
    struct zrpc_view large = make_large_ping();
    struct conn *idle = join(ledger, "one"), *second = join(ledger, "one");

    set_initial_window(idle, 0);
    for (int i = 0; i < 2; i++) {
        call(idle, ping, hi);
        answer_with(idle, LARGE);
    }
    call(second, ping, large);
    CHECK_INT(second->n_held, 0);
    CHECK(zrpc_grpc_server_memory(second->server).held < 2 * LARGE + LARGE / 2);
    set_initial_window(idle, LARGE);
    CHECK_INT(second->woken, 1);
    pump(second);
    CHECK_INT(second->n_held, 1);
    leave(idle);
    leave(second);
    zrpc_grpc_ledger_free(ledger);
    free((void *)large.data);
}

/* While a handler goes on, the connection that it answers may be gone. */
static void what_nobody_reads_any_more_is_given_back(void)
{
    struct zrpc_grpc_ledger *ledger = open_ledger();
    struct zrpc_view large = make_large_ping();
    struct conn *gone = join(ledger, "one"), *back = join(ledger, "one");

    set_initial_window(gone, 0);
    for (int i = 0; i < 16; i++)
        call(gone, ping, hi);
    while (gone->n_held > 1)
        answer_with(gone, LARGE);
    take_calls(gone);
    CHECK(gone->n_held >= 1);
    call(back, ping, large);
    CHECK_INT(back->n_held, 0);
    zrpc_grpc_server_disconnected(gone->server);
    CHECK_INT(back->woken, 1);
    CHECK(zrpc_grpc_server_memory(back->server).held < LARGE);
    CHECK_INT(zrpc_grpc_server_open_calls(gone->server), gone->n_held);
    for (size_t i = 0; i < gone->n_held; i++)
        CHECK(atomic_load(&gone->held[i]->context.cancelled));
    while (gone->n_held > 0)
        answer(gone);
    CHECK_INT(zrpc_grpc_server_open_calls(gone->server), 0);
    pump(back);
    CHECK_INT(back->n_held, 1);
    leave(gone);
    leave(back);
    zrpc_grpc_ledger_free(ledger);
    free((void *)large.data);
}

/*
 * Streams.
 */
static void open_calls_are_bounded(void)
{
    struct zrpc_grpc_ledger *ledger = open_ledger();
    struct conn *conns[3], *other;
    struct h2peer_stream *s;

    options.handlers_max = 1;
    for (int i = 0; i < 3; i++) {
        conns[i] = join(ledger, "one");
        CHECK_INT(h2peer_stream(&conns[i]->client, 1) == NULL, true);
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 16; j++)
            CHECK(!call(conns[i], ping, hi)->reset);
    for (int i = 0; i < 2; i++) {
        s = call(conns[2], ping, hi);
        CHECK(s->reset);
        CHECK_INT(s->error, NGHTTP2_REFUSED_STREAM);
    }
    CHECK_INT(zrpc_grpc_server_open_calls(conns[2]->server), 0);
    other = join(ledger, "other");
    CHECK(!call(other, ping, hi)->reset);
    /* One ends, another may begin. */
    answer(conns[0]);
    pump(conns[0]);
    CHECK(!call(conns[2], ping, hi)->reset);
    leave(conns[1]);
    for (int j = 0; j < 15; j++)
        CHECK(!call(conns[2], ping, hi)->reset);
    leave(conns[0]);
    leave(conns[2]);
    leave(other);
    zrpc_grpc_ledger_free(ledger);
}

/*
 * Accounts.
 */
static void an_account_ends_with_its_last_connection(void)
{
    struct zrpc_grpc_ledger *ledger = open_ledger();
    struct conn *first = join(ledger, "one"), *second = join(ledger, "one"), *other = join(ledger, "other");

    options.budget = 5u << 20;
    leave(first);
    first = join(ledger, "one");
    CHECK_INT(zrpc_grpc_server_memory(first->server).budget, 3u << 20);
    leave(first);
    leave(second);
    first = join(ledger, "one");
    CHECK_INT(zrpc_grpc_server_memory(first->server).budget, 5u << 20);
    leave(other);
    leave(first);
    zrpc_grpc_ledger_free(ledger);
    zrpc_grpc_ledger_free(NULL);
}

static int set_up(void *arg)
{
    struct zrpc_grpc_server_options own = {.services = services, .n_services = 1, .client_identity = "one"};
    struct zrpc_grpc_server *servers[2] = {0};
    struct zrpc_error err;
    int rc = zrpc_grpc_ledger_new(&own.ledger, &err);

    (void)arg;
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = zrpc_grpc_server_new(&own, NOW, &servers[i], &err);
    zrpc_grpc_server_free(servers[0]);
    zrpc_grpc_server_free(servers[1]);
    if (own.ledger != NULL)
        zrpc_grpc_ledger_free(own.ledger);
    return rc;
}

static void scarcity(void)
{
    CHECK(zrpc_alloc_each(set_up, NULL) > 4);
}

static const struct zrpc_test tests[] = {
    {"handlers are shared by a client", handlers_are_shared_by_a_client},
    {"connections of a client take turns", connections_of_a_client_take_turns},
    {"turns that are taken pass on", turns_that_are_taken_pass_on},
    {"turns that are not taken pass on", turns_that_are_not_taken_pass_on},
    {"memory is bounded for all connections of a client", memory_is_bounded_for_all_connections_of_a_client},
    {"a greedy connection leaves something to the others",
     a_greedy_connection_leaves_something_to_the_others},
    {"large requests wait for those on other connections",
     large_requests_wait_for_those_on_other_connections},
    {"large requests wait for answers to be read", large_requests_wait_for_answers_to_be_read},
    {"what nobody reads any more is given back", what_nobody_reads_any_more_is_given_back},
    {"open calls are bounded", open_calls_are_bounded},
    {"an account ends with its last connection", an_account_ends_with_its_last_connection},
    {"scarcity", scarcity},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("grpc_ledger", tests, argc, argv);
}
