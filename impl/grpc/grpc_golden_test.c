/* Recordings of real peers, replayed: the client's bytes to our server session, the server's to our client.
 */
#include <stdlib.h>

#include "testing/golden.h"
#include "testing/h2peer.h"
#include "testing/suite.h"
#include "zrpc/grpc_client.h"
#include "zrpc/grpc_server.h"
#include "zrpc/pb.h"
#include "zrpc/replication.h"

#define NOW (1000 * ZRPC_SECOND)

static const struct replay {
    const char *name;
    enum zrpc_replication_method method;
    enum zrpc_grpc_status status;
    const char *text; /* of the error */
} replays[] = {
    {"ping.1", ZRPC_REPLICATION_PING, ZRPC_GRPC_OK, ""},
    {"list-filesystems.0", ZRPC_REPLICATION_LIST_FILESYSTEMS, ZRPC_GRPC_OK, ""},
    {"list-versions.0", ZRPC_REPLICATION_LIST_FILESYSTEM_VERSIONS, ZRPC_GRPC_OK, ""},
    {"list-versions-error.0", ZRPC_REPLICATION_LIST_FILESYSTEM_VERSIONS, ZRPC_GRPC_UNKNOWN,
     "dataset does not exist: \xc3\xbc"
     "bel %"},
    {"destroy-snapshots.0", ZRPC_REPLICATION_DESTROY_SNAPSHOTS, ZRPC_GRPC_OK, ""},
    {"cursor-get.0", ZRPC_REPLICATION_CURSOR, ZRPC_GRPC_OK, ""},
    {"cursor-set.0", ZRPC_REPLICATION_CURSOR, ZRPC_GRPC_OK, ""},
};

static bool load(const struct replay *r, struct zrpc_recording *rec, struct zrpc_view *client,
                 struct zrpc_view *server)
{
    if (!CHECK_OK(zrpc_recording_load(r->name, rec, NULL)))
        return false;
    *client = zrpc_buf_view(&rec->side[ZRPC_GOLDEN_CLIENT].bytes);
    *server = zrpc_buf_view(&rec->side[ZRPC_GOLDEN_SERVER].bytes);
    zrpc_golden_check_banner(client, SIZE_MAX);
    zrpc_golden_check_banner(server, SIZE_MAX);
    return zrpc_golden_check_label(client, ZRPC_CONTROL);
}

/* What a client that has called once reads in these bytes. */
static struct h2peer *read_as_client(struct zrpc_view in)
{
    static const char *const any[] = {":method", "POST", ":scheme", "http", ":path", "/", NULL};
    struct h2peer *p = malloc(sizeof *p);

    h2peer_init(p, false, false);
    CHECK_INT(h2peer_request(p, any, zrpc_view("", 0), false), 1);
    h2peer_output(p);
    CHECK_INT(h2peer_feed(p, in), (long long)in.len);
    return p;
}

static void dispose(struct h2peer *p)
{
    h2peer_dispose(p);
    free(p);
}

/* The recorded request as our server understands it, answered with what was recorded. */
static void answer(struct zrpc_grpc_server *s, const struct replay *r, struct h2peer_stream *recorded)
{
    struct zrpc_grpc_server_call *call = zrpc_grpc_server_next(s);
    ProtobufCMessage *req = NULL;

    if (!CHECK(call != NULL))
        return;
    CHECK(call->method == &zrpc_replication_methods[r->method]);
    CHECK_INT(call->context.deadline, ZRPC_NEVER);
    if (CHECK_OK(zrpc_pb_decode(call->method->request, zrpc_buf_view(&call->reader.message), &req, NULL)))
        protobuf_c_message_free_unpacked(req, NULL);
    CHECK_OK(zrpc_grpc_server_finish(s, call, r->status, r->text, &recorded->body, NULL));
    CHECK(zrpc_grpc_server_next(s) == NULL);
}

/* The trailers of either form. */
static const char *last_headers(const struct h2peer_stream *s)
{
    return s->header_frames > 1 ? s->trailers : s->headers;
}

static void replay_to_server(const struct replay *r, size_t portion)
{
    const struct zrpc_handler_ops no_ops = {0};
    const struct zrpc_handler handler = {.ops = &no_ops};
    const struct zrpc_grpc_service service = zrpc_replication_service(&handler);
    const struct zrpc_grpc_server_options options = {.services = &service, .n_services = 1};
    struct zrpc_view client, server, out, body;
    struct zrpc_buf said = {0};
    struct zrpc_recording rec;
    struct zrpc_grpc_server *s;
    struct h2peer *recorded, *ours;
    char line[32];

    if (!load(r, &rec, &client, &server) || !CHECK_OK(zrpc_grpc_server_new(&options, NOW, &s, NULL)))
        return;
    recorded = read_as_client(server);
    body = zrpc_buf_view(&recorded->streams[0].body);
    CHECK_OK(zrpc_buf_append(&said, body, NULL));
    body = zrpc_buf_view(&said);
    while (client.len > 0)
        CHECK_OK(zrpc_grpc_server_input(
            s, NOW, zrpc_view_take(&client, client.len < portion ? client.len : portion), NULL));
    answer(s, r, &recorded->streams[0]);
    CHECK_OK(zrpc_grpc_server_output(s, &out, NULL));
    ours = read_as_client(out);
    CHECK_BYTES(zrpc_buf_view(&ours->streams[0].body), body);
    CHECK_CONTAINS(ours->streams[0].headers, ":status: 200\n");
    CHECK_CONTAINS(ours->streams[0].headers, "content-type: application/grpc\n");
    snprintf(line, sizeof line, "grpc-status: %d\n", r->status);
    CHECK_CONTAINS(last_headers(&recorded->streams[0]), line);
    CHECK_CONTAINS(last_headers(&ours->streams[0]), line);
    if (r->status != ZRPC_GRPC_OK)
        CHECK_STR(strstr(last_headers(&ours->streams[0]), "grpc-message: "),
                  "grpc-message: dataset does not exist: %C3%BCbel %25\ngrpc-accept-encoding: identity\n");
    CHECK(ours->streams[0].end_stream);
    zrpc_grpc_server_sent(s, out.len);
    zrpc_grpc_server_free(s);
    zrpc_buf_dispose(&said);
    dispose(recorded);
    dispose(ours);
    zrpc_recording_dispose(&rec);
}

static void real_clients_are_served(void)
{
    static const size_t portions[] = {1, 7, SIZE_MAX};

    for (size_t i = 0; i < sizeof replays / sizeof replays[0]; i++)
        for (size_t j = 0; j < sizeof portions / sizeof portions[0]; j++)
            replay_to_server(&replays[i], portions[j]);
}

static void replay_to_client(const struct replay *r, size_t portion)
{
    const struct zrpc_grpc_client_options options = {0};
    struct zrpc_grpc_call call = {.path = zrpc_replication_methods[r->method].path, .deadline = ZRPC_NEVER};
    struct zrpc_view client, server, out, body;
    struct zrpc_recording rec;
    struct zrpc_grpc_client *c;
    struct h2peer *recorded;

    if (!load(r, &rec, &client, &server) || !CHECK_OK(zrpc_grpc_client_new(&options, NOW, &c, NULL)))
        return;
    recorded = read_as_client(server);
    body = zrpc_buf_view(&recorded->streams[0].body);
    call.request = zrpc_view("\0\0\0\0\0", 5);
    CHECK_OK(zrpc_grpc_client_begin(c, NOW, &call, NULL));
    CHECK_OK(zrpc_grpc_client_output(c, &out, NULL));
    zrpc_grpc_client_sent(c, out.len);
    while (server.len > 0)
        CHECK_OK(zrpc_grpc_client_input(
            c, NOW, zrpc_view_take(&server, server.len < portion ? server.len : portion), NULL));
    CHECK(zrpc_grpc_client_ready(c));
    CHECK(zrpc_grpc_client_next_done(c) == &call);
    CHECK_INT(call.result.status, r->status);
    CHECK_STR(call.result.error.text, r->text);
    if (r->status == ZRPC_GRPC_OK) {
        zrpc_view_take(&body, ZRPC_GRPC_PREFIX_LEN);
        CHECK_BYTES(zrpc_buf_view(&call.response), body);
    }
    zrpc_buf_dispose(&call.response);
    zrpc_grpc_client_free(c);
    dispose(recorded);
    zrpc_recording_dispose(&rec);
}

static void real_servers_are_understood(void)
{
    static const size_t portions[] = {1, 7, SIZE_MAX};

    for (size_t i = 0; i < sizeof replays / sizeof replays[0]; i++)
        for (size_t j = 0; j < sizeof portions / sizeof portions[0]; j++)
            replay_to_client(&replays[i], portions[j]);
}

static const struct zrpc_test tests[] = {
    {"real clients are served", real_clients_are_served},
    {"real servers are understood", real_servers_are_understood},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("grpc_golden", tests, argc, argv);
}
