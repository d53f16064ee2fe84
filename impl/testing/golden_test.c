#include "testing/golden.h"
#include "testing/suite.h"

#include <dirent.h>
#include <inttypes.h>
#include <nghttp2/nghttp2.h>

#include "zrepl_v1.pb-c.h"
#include "zrpc/pb.h"
#include "zrpc/stream.h"
#include "zrpc/transportmux.h"
#include "zrpc/versionhandshake.h"

#define CREATION "2019-04-06T10:36:06Z"

static const size_t portions[] = {SIZE_MAX, 1, 7}; /* how the recorded bytes are cut on their way in */

/* Every message is decoded, looked at, encoded again, and must be what the real peer wrote. */
struct message {
    const ProtobufCMessageDescriptor *descriptor; /* NULL: no message */
    void (*check)(const void *msg);               /* NULL: nothing to look at */
};

static void replay_message(const struct message *m, struct zrpc_view content)
{
    ProtobufCMessage *msg = NULL;
    struct zrpc_buf again = {0};

    if (!CHECK_OK(zrpc_pb_decode(m->descriptor, content, &msg, NULL)))
        return;
    if (m->check != NULL)
        m->check(msg);
    CHECK_OK(zrpc_pb_encode(msg, &again, NULL));
    CHECK_BYTES(zrpc_buf_view(&again), content);
    zrpc_buf_dispose(&again);
    protobuf_c_message_free_unpacked(msg, NULL);
}

static void check_ping_req(const void *msg)
{
    CHECK_STR(((const Zrpc__Pb__PingReq *)msg)->message, "29e0f4f4-f0c6-4070-89d1-f538e3aad339");
}

static void check_ping_res(const void *msg)
{
    CHECK_STR(((const Zrpc__Pb__PingRes *)msg)->echo, "29e0f4f4-f0c6-4070-89d1-f538e3aad339");
}

static void check_send_req(const Zrpc__Pb__SendReq *req, const char *filesystem, bool dry_run)
{
    CHECK_STR(req->filesystem, filesystem);
    CHECK_STR(req->from, "@a");
    CHECK_STR(req->to, "@b");
    CHECK_STR(req->resumetoken, "");
    CHECK_INT(req->compress, 1);
    CHECK_INT(req->dedup, 0);
    CHECK_INT(req->dryrun, dry_run);
}

static void check_send_dry_req(const void *msg)
{
    check_send_req(msg, "size:1000", true);
}

static void check_send_1000_req(const void *msg)
{
    check_send_req(msg, "size:1000", false);
}

static void check_send_fail_req(const void *msg)
{
    check_send_req(msg, "fail:500", false);
}

static void check_send_nope_req(const void *msg)
{
    check_send_req(msg, "nope", false);
}

static void check_send_1000_res(const void *msg)
{
    const Zrpc__Pb__SendRes *res = msg;

    CHECK_INT(res->usedresumetoken, 0);
    CHECK_INT(res->expectedsize, 1000);
    if (CHECK_INT(res->n_properties, 1)) {
        CHECK_STR(res->properties[0]->name, "compression");
        CHECK_STR(res->properties[0]->value, "lz4");
    }
}

static void check_receive_a_clear(const void *msg)
{
    CHECK_STR(((const Zrpc__Pb__ReceiveReq *)msg)->filesystem, "a");
    CHECK_INT(((const Zrpc__Pb__ReceiveReq *)msg)->clearresumetoken, 1);
}

static void check_receive_a(const void *msg)
{
    CHECK_STR(((const Zrpc__Pb__ReceiveReq *)msg)->filesystem, "a");
    CHECK_INT(((const Zrpc__Pb__ReceiveReq *)msg)->clearresumetoken, 0);
}

static void check_receive_deny(const void *msg)
{
    CHECK_STR(((const Zrpc__Pb__ReceiveReq *)msg)->filesystem, "deny");
}

/* Banner and label, off the front of what a side wrote. */
static void replay_banner(struct zrpc_view *in, size_t portion)
{
    const struct zrpc_banner ours = {.version = ZRPC_PROTOCOL_VERSION};
    struct zrpc_view all = *in;
    struct zrpc_banner_reader r;
    struct zrpc_buf again = {0};
    int rc = 0;

    zrpc_banner_reader_init(&r);
    while (rc == 0 && in->len > 0) {
        struct zrpc_view part = zrpc_view(in->data, in->len < portion ? in->len : portion);
        size_t given = part.len;

        rc = zrpc_banner_reader_feed(&r, &part, NULL);
        zrpc_view_take(in, given - part.len);
    }
    CHECK_INT(rc, 1);
    CHECK_OK(zrpc_banner_encode(&ours, &again, NULL));
    CHECK_BYTES(zrpc_view(all.data, all.len - in->len), zrpc_buf_view(&again));
    zrpc_buf_dispose(&again);
    zrpc_banner_reader_dispose(&r);
}

static bool replay_label(struct zrpc_view *in, enum zrpc_label expected)
{
    uint8_t again[ZRPC_LABEL_LEN];
    enum zrpc_label label;
    struct zrpc_view bytes;

    if (!CHECK(in->len >= ZRPC_LABEL_LEN))
        return false;
    bytes = zrpc_view_take(in, ZRPC_LABEL_LEN);
    if (!CHECK_OK(zrpc_label_decode(bytes.data, &label, NULL)))
        return false;
    zrpc_label_encode(label, again);
    CHECK_BYTES(bytes, zrpc_view(again, sizeof again));
    return CHECK_INT(label, expected);
}

/* One side of a data connection: what it wrote goes into `rx`; `tx` must write the same. */
struct replay {
    struct zrpc_view in;
    size_t portion;
    struct zrpc_heartbeatconn rx, tx;
};

static int next_event(struct replay *r, struct zrpc_frame_event *ev, struct zrpc_error *err)
{
    int rc;

    do {
        struct zrpc_view part = zrpc_view(r->in.data, r->in.len < r->portion ? r->in.len : r->portion);
        size_t given = part.len;

        rc = zrpc_heartbeatconn_input(&r->rx, 0, &part, ev, err);
        zrpc_view_take(&r->in, given - part.len);
    } while (rc == 0 && ev->kind == ZRPC_FRAME_MORE && r->in.len > 0);
    return rc;
}

static int read_stream(struct replay *r, uint32_t type, struct zrpc_buf *content, struct zrpc_error *err)
{
    struct zrpc_stream_reader stream;
    struct zrpc_frame_event ev;
    int rc;

    zrpc_stream_reader_init(&stream, type);
    do {
        rc = next_event(r, &ev, err);
        if (rc == 0 && ev.kind == ZRPC_FRAME_MORE)
            rc = zrpc_heartbeatconn_eof(&r->rx, err);
        if (rc == 0)
            rc = zrpc_stream_reader_event(&stream, &ev, err);
        if (rc == ZRPC_STREAM_DATA)
            CHECK_OK(zrpc_buf_append(content, ev.payload, NULL));
    } while (rc == ZRPC_STREAM_MORE || rc == ZRPC_STREAM_DATA);
    zrpc_stream_reader_dispose(&stream);
    return rc;
}

struct step {
    uint32_t type;       /* 0: no more */
    const char *text;    /* NULL: not checked */
    size_t len;          /* of a zfs stream */
    const char *trailer; /* NULL: the stream is complete */
    struct message message;
};

static void replay_step(struct replay *r, const struct step *step)
{
    struct zrpc_buf content = {0};
    struct zrpc_error err = {0};
    struct zrpc_view view;

    CHECK_CODE(read_stream(r, step->type, &content, &err),
               step->trailer != NULL ? ZRPC_ERR_PEER_SOURCE : ZRPC_STREAM_DONE);
    view = zrpc_buf_view(&content);
    if (step->text != NULL)
        CHECK_BYTES(view, zrpc_view_of(step->text));
    if (step->len != 0)
        CHECK_INT(view.len, step->len);
    if (step->message.descriptor != NULL)
        replay_message(&step->message, view);
    if (step->trailer == NULL) {
        CHECK_OK(zrpc_stream_put_message(&r->tx, 0, step->type, view, NULL));
    } else {
        CHECK_STR(err.text, step->trailer);
        CHECK_OK(zrpc_heartbeatconn_put(&r->tx, 0, step->type, view, NULL));
        CHECK_OK(zrpc_stream_put_source_error(&r->tx, 0, zrpc_view_of(err.text), NULL));
    }
    zrpc_buf_dispose(&content);
}

static void replay_frames(struct zrpc_view in, size_t portion, const struct step *steps)
{
    struct replay r = {.in = in, .portion = portion};
    struct zrpc_frame_event ev;

    zrpc_heartbeatconn_init(&r.rx, NULL, 0);
    zrpc_heartbeatconn_init(&r.tx, NULL, 0);
    for (; steps->type != 0; steps++)
        replay_step(&r, steps);
    CHECK_CODE(next_event(&r, &ev, NULL), ZRPC_ERR_PEER_SHUTDOWN);
    CHECK_INT(r.in.len, 0);
    zrpc_heartbeatconn_shutdown(&r.tx, 0);
    CHECK_BYTES(zrpc_buf_view(&r.tx.conn.writer.output), in);
    zrpc_heartbeatconn_dispose(&r.rx);
    zrpc_heartbeatconn_dispose(&r.tx);
}

#define MESSAGE(name, check_fn)                   \
    {                                             \
        &zrpc__pb__##name##__descriptor, check_fn \
    }
#define CONTENT(what, ...)                    \
    {                                         \
        .type = 5, .len = (what), __VA_ARGS__ \
    }
#define HANDLER_OK                        \
    {                                     \
        .type = 3, .text = "HANDLER OK\n" \
    }
#define HANDLER_ERROR(what)                        \
    {                                              \
        .type = 3, .text = "HANDLER ERROR:\n" what \
    }
#define CALL(endpoint, ...)                        \
    {.type = 1, .text = (endpoint)},               \
    {                                              \
        .type = 2, .message = MESSAGE(__VA_ARGS__) \
    }
#define ANSWER(...)                                \
    HANDLER_OK,                                    \
    {                                              \
        .type = 4, .message = MESSAGE(__VA_ARGS__) \
    }

static const struct data_recording {
    const char *name;
    struct step client[4], server[4];
} data_recordings[] = {
    {"ping.0", {CALL("/v1/ping", ping_req, check_ping_req)}, {ANSWER(ping_res, check_ping_res)}},
    {"send-dry.0", {CALL("/v1/send", send_req, check_send_dry_req)}, {ANSWER(send_res, check_send_1000_res)}},
    {"send-1000.0",
     {CALL("/v1/send", send_req, check_send_1000_req)},
     {ANSWER(send_res, check_send_1000_res), CONTENT(1000)}},
    {"send-source-error.0",
     {CALL("/v1/send", send_req, check_send_fail_req)},
     {ANSWER(send_res, NULL), CONTENT(500, .trailer = "zfs send: I/O error \xe2\x9c\x97")}},
    {"send-handler-error.0",
     {CALL("/v1/send", send_req, check_send_nope_req)},
     {HANDLER_ERROR("endpoint does not allow access to filesystem nope")}},
    {"recv-1500.1",
     {CALL("/v1/recv", receive_req, check_receive_a_clear), CONTENT(1500)},
     {ANSWER(receive_res, NULL)}},
    {"recv-handler-error.0",
     {CALL("/v1/recv", receive_req, check_receive_deny), CONTENT(1000)},
     {HANDLER_ERROR("receive not permitted")}},
    {"recv-source-error.0",
     {CALL("/v1/recv", receive_req, check_receive_a),
      CONTENT(700, .trailer = "client source broke \xe2\x9c\x97")},
     {HANDLER_ERROR("stream: source error: client source broke \xe2\x9c\x97")}},
};

static void data_connections(void)
{
    for (size_t i = 0; i < sizeof data_recordings / sizeof data_recordings[0]; i++) {
        const struct data_recording *d = &data_recordings[i];
        struct zrpc_recording rec;
        struct zrpc_error err;

        if (zrpc_recording_load(d->name, &rec, &err) < 0) {
            CHECK_STR(err.text, "");
            continue;
        }
        for (size_t p = 0; p < sizeof portions / sizeof portions[0]; p++) {
            struct zrpc_view client = zrpc_buf_view(&rec.side[ZRPC_GOLDEN_CLIENT].bytes);
            struct zrpc_view server = zrpc_buf_view(&rec.side[ZRPC_GOLDEN_SERVER].bytes);

            replay_banner(&client, portions[p]);
            replay_banner(&server, portions[p]);
            if (replay_label(&client, ZRPC_DATA))
                replay_frames(client, portions[p], d->client);
            replay_frames(server, portions[p], d->server);
        }
        CHECK_INT(rec.side[ZRPC_GOLDEN_CLIENT].end, ZRPC_GOLDEN_EOF);
        CHECK_INT(rec.side[ZRPC_GOLDEN_SERVER].end, ZRPC_GOLDEN_EOF);
        zrpc_recording_dispose(&rec);
    }
}

/*
 * Control connections: HTTP/2 right after the label. Header blocks as text, and the one gRPC message.
 */
struct http2 {
    struct zrpc_buf headers; /* "name: value\n" for each */
    struct zrpc_buf data;
};

static void inflate(nghttp2_hd_inflater *inflater, struct zrpc_view block, struct zrpc_buf *out)
{
    nghttp2_nv nv;
    int flags = 0;

    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        ssize_t n = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, block.data, block.len, 1);

        if (!CHECK(n >= 0))
            return;
        zrpc_view_take(&block, (size_t)n);
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            CHECK_OK(zrpc_buf_append(out, zrpc_view(nv.name, nv.namelen), NULL));
            CHECK_OK(zrpc_buf_append(out, zrpc_view_of(": "), NULL));
            CHECK_OK(zrpc_buf_append(out, zrpc_view(nv.value, nv.valuelen), NULL));
            CHECK_OK(zrpc_buf_append(out, zrpc_view_of("\n"), NULL));
        }
    }
    nghttp2_hd_inflate_end_headers(inflater);
}

static struct http2 read_http2(struct zrpc_view in)
{
    struct http2 h = {0};
    nghttp2_hd_inflater *inflater = NULL;

    CHECK_INT(nghttp2_hd_inflate_new(&inflater), 0);
    while (in.len > 0 && CHECK(in.len >= 9)) {
        const uint8_t *header = zrpc_view_take(&in, 9).data;
        size_t len = zrpc_get_u32(header) >> 8;
        struct zrpc_view payload;

        if (!CHECK(in.len >= len))
            break;
        payload = zrpc_view_take(&in, len);
        if (header[3] == NGHTTP2_HEADERS &&
            CHECK_INT(header[4] & ~NGHTTP2_FLAG_END_STREAM, NGHTTP2_FLAG_END_HEADERS))
            inflate(inflater, payload, &h.headers);
        if (header[3] == NGHTTP2_DATA)
            CHECK_OK(zrpc_buf_append(&h.data, payload, NULL));
    }
    CHECK_OK(zrpc_buf_append(&h.headers, zrpc_view("", 1), NULL));
    nghttp2_hd_inflate_del(inflater);
    return h;
}

static void replay_grpc_message(const struct message *m, struct zrpc_view data)
{
    if (m->descriptor == NULL) {
        CHECK_INT(data.len, 0);
        return;
    }
    if (!CHECK(data.len >= 5))
        return;
    CHECK_INT(data.data[0], 0);
    CHECK_INT(zrpc_get_u32(data.data + 1), data.len - 5);
    replay_message(m, zrpc_view(data.data + 5, data.len - 5));
}

static void check_filesystems(const void *msg)
{
    const Zrpc__Pb__ListFilesystemRes *res = msg;

    if (!CHECK_INT(res->n_filesystems, 2))
        return;
    CHECK_STR(res->filesystems[0]->path, "pool/a");
    CHECK_STR(res->filesystems[0]->resumetoken, "");
    CHECK_INT(res->filesystems[0]->isplaceholder, 0);
    CHECK_STR(res->filesystems[1]->path, "pool/localclient");
    CHECK_STR(res->filesystems[1]->resumetoken, "1-abc");
    CHECK_INT(res->filesystems[1]->isplaceholder, 1);
}

static void check_version(const Zrpc__Pb__FilesystemVersion *v, int type, const char *name, uint64_t guid,
                          uint64_t createtxg, const char *creation)
{
    CHECK_INT(v->type, type);
    CHECK_STR(v->name, name);
    CHECK(v->guid == guid);
    CHECK(v->createtxg == createtxg);
    CHECK_STR(v->creation, creation);
}

static void check_versions(const void *msg)
{
    const Zrpc__Pb__ListFilesystemVersionsRes *res = msg;

    if (!CHECK_INT(res->n_versions, 2))
        return;
    check_version(res->versions[0], 0, "s1", UINT64_C(1) << 63 | 5, 42, CREATION);
    check_version(res->versions[1], 1, "b1", 7, 41, "2019-04-06T10:36:05Z");
}

static void check_destroy_req(const void *msg)
{
    const Zrpc__Pb__DestroySnapshotsReq *req = msg;

    CHECK_STR(req->filesystem, "a");
    if (!CHECK_INT(req->n_snapshots, 2))
        return;
    check_version(req->snapshots[0], 0, "a", 1, 0, CREATION);
    check_version(req->snapshots[1], 0, "b", 2, 0, CREATION);
}

static void check_destroy_res(const void *msg)
{
    const Zrpc__Pb__DestroySnapshotsRes *res = msg;

    if (!CHECK_INT(res->n_results, 2))
        return;
    check_version(res->results[0]->snapshot, 0, "a", 1, 0, CREATION);
    CHECK_STR(res->results[0]->error, "");
    check_version(res->results[1]->snapshot, 0, "b", 2, 0, CREATION);
    CHECK_STR(res->results[1]->error, "busy");
}

static void check_cursor_get(const void *msg)
{
    CHECK_STR(((const Zrpc__Pb__ReplicationCursorReq *)msg)->filesystem, "a");
    CHECK_INT(((const Zrpc__Pb__ReplicationCursorReq *)msg)->op_case,
              ZRPC__PB__REPLICATION_CURSOR_REQ__OP_GET);
}

static void check_cursor_set(const void *msg)
{
    const Zrpc__Pb__ReplicationCursorReq *req = msg;

    if (CHECK_INT(req->op_case, ZRPC__PB__REPLICATION_CURSOR_REQ__OP_SET))
        CHECK_STR(req->set->snapshot, "snapname");
}

static void check_cursor_missing(const void *msg)
{
    const Zrpc__Pb__ReplicationCursorRes *res = msg;

    if (CHECK_INT(res->result_case, ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_NOTEXIST))
        CHECK_INT(res->notexist, 1);
}

static void check_cursor_8(const void *msg)
{
    const Zrpc__Pb__ReplicationCursorRes *res = msg;

    if (CHECK_INT(res->result_case, ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_GUID))
        CHECK_INT(res->guid, 8);
}

static const struct control_recording {
    const char *name;
    const char *path;   /* NULL: no call was made */
    const char *status; /* and the headers that belong to it */
    struct message request, response;
} control_recordings[] = {
    {"ping.1", "Ping", "grpc-status: 0\n", MESSAGE(ping_req, check_ping_req),
     MESSAGE(ping_res, check_ping_res)},
    {"list-filesystems.0", "ListFilesystems", "grpc-status: 0\n", MESSAGE(list_filesystem_req, NULL),
     MESSAGE(list_filesystem_res, check_filesystems)},
    {"list-versions.0", "ListFilesystemVersions", "grpc-status: 0\n",
     MESSAGE(list_filesystem_versions_req, NULL), MESSAGE(list_filesystem_versions_res, check_versions)},
    {"list-versions-error.0",
     "ListFilesystemVersions",
     "grpc-status: 2\ngrpc-message: dataset does not exist: %C3%BCbel %25\n",
     MESSAGE(list_filesystem_versions_req, NULL),
     {NULL, NULL}},
    {"destroy-snapshots.0", "DestroySnapshots", "grpc-status: 0\n",
     MESSAGE(destroy_snapshots_req, check_destroy_req), MESSAGE(destroy_snapshots_res, check_destroy_res)},
    {"cursor-get.0", "ReplicationCursor", "grpc-status: 0\n",
     MESSAGE(replication_cursor_req, check_cursor_get),
     MESSAGE(replication_cursor_res, check_cursor_missing)},
    {"cursor-set.0", "ReplicationCursor", "grpc-status: 0\n",
     MESSAGE(replication_cursor_req, check_cursor_set), MESSAGE(replication_cursor_res, check_cursor_8)},
    {"recv-1500.0", NULL, NULL, {NULL, NULL}, {NULL, NULL}},
    {"recv-source-error.1", NULL, NULL, {NULL, NULL}, {NULL, NULL}},
    {"send-1000.1", NULL, NULL, {NULL, NULL}, {NULL, NULL}},
    {"send-dry.1", NULL, NULL, {NULL, NULL}, {NULL, NULL}},
    {"send-handler-error.1", NULL, NULL, {NULL, NULL}, {NULL, NULL}},
    {"send-source-error.1", NULL, NULL, {NULL, NULL}, {NULL, NULL}},
};

static void replay_control(const struct control_recording *c, struct zrpc_view client,
                           struct zrpc_view server)
{
    struct http2 request, response;
    char path[80];

    if (!CHECK(client.len >= NGHTTP2_CLIENT_MAGIC_LEN))
        return;
    CHECK_BYTES(zrpc_view_take(&client, NGHTTP2_CLIENT_MAGIC_LEN), zrpc_view_of(NGHTTP2_CLIENT_MAGIC));
    request = read_http2(client);
    response = read_http2(server);
    replay_grpc_message(&c->request, zrpc_buf_view(&request.data));
    replay_grpc_message(&c->response, zrpc_buf_view(&response.data));
    if (c->path != NULL) {
        const char *headers = (const char *)zrpc_buf_view(&request.headers).data;

        snprintf(path, sizeof path, ":path: /Replication/%s\n", c->path);
        CHECK_CONTAINS(headers, path);
        CHECK_CONTAINS(headers, ":method: POST\n");
        CHECK_CONTAINS(headers, "content-type: application/grpc\n");
        CHECK_CONTAINS(headers, "te: trailers\n");
        headers = (const char *)zrpc_buf_view(&response.headers).data;
        CHECK_CONTAINS(headers, ":status: 200\n");
        CHECK_CONTAINS(headers, c->status);
    } else {
        CHECK_INT(request.headers.len + response.headers.len, 2);
    }
    zrpc_buf_dispose(&request.headers);
    zrpc_buf_dispose(&request.data);
    zrpc_buf_dispose(&response.headers);
    zrpc_buf_dispose(&response.data);
}

static void control_connections(void)
{
    for (size_t i = 0; i < sizeof control_recordings / sizeof control_recordings[0]; i++) {
        struct zrpc_view client, server;
        struct zrpc_recording rec;
        struct zrpc_error err;

        if (zrpc_recording_load(control_recordings[i].name, &rec, &err) < 0) {
            CHECK_STR(err.text, "");
            continue;
        }
        client = zrpc_buf_view(&rec.side[ZRPC_GOLDEN_CLIENT].bytes);
        server = zrpc_buf_view(&rec.side[ZRPC_GOLDEN_SERVER].bytes);
        replay_banner(&client, SIZE_MAX);
        replay_banner(&server, SIZE_MAX);
        if (replay_label(&client, ZRPC_CONTROL))
            replay_control(&control_recordings[i], client, server);
        zrpc_recording_dispose(&rec);
    }
}

/* The client's process ended before it had sent the label. */
static void connection_without_label(void)
{
    struct zrpc_recording rec;

    if (!CHECK_OK(zrpc_recording_load("recv-handler-error.1", &rec, NULL)))
        return;
    for (int side = 0; side < 2; side++) {
        struct zrpc_view in = zrpc_buf_view(&rec.side[side].bytes);

        replay_banner(&in, SIZE_MAX);
        CHECK_INT(in.len, 0);
        CHECK_INT(rec.side[side].end, ZRPC_GOLDEN_EOF);
    }
    zrpc_recording_dispose(&rec);
}

static void no_recording_is_left_out(void)
{
    size_t expected = sizeof data_recordings / sizeof data_recordings[0] +
                      sizeof control_recordings / sizeof control_recordings[0] + 1;
    size_t found = 0;
    DIR *dir = opendir(ZRPC_GOLDEN_DIR);
    const struct dirent *entry;

    if (!CHECK(dir != NULL))
        return;
    while ((entry = readdir(dir)) != NULL)
        found += strstr(entry->d_name, ".txt") != NULL;
    closedir(dir);
    CHECK_INT(found, expected);
}

static const struct zrpc_test tests[] = {
    {"data connections, decoded and encoded again", data_connections},
    {"control connections, up to the messages", control_connections},
    {"a connection that ends before its label", connection_without_label},
    {"no recording is left out", no_recording_is_left_out},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("golden", tests, argc, argv);
}
