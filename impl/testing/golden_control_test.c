#include "testing/golden.h"
#include "testing/suite.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "zrepl_v1.pb-c.h"

#define CREATION "2019-04-06T10:36:06Z"

#define MESSAGE(name, check_fn)                   \
    {                                             \
        &zrpc__pb__##name##__descriptor, check_fn \
    }

static void check_ping_req(const void *msg)
{
    CHECK_STR(((const Zrpc__Pb__PingReq *)msg)->message, "29e0f4f4-f0c6-4070-89d1-f538e3aad339");
}

static void check_ping_res(const void *msg)
{
    CHECK_STR(((const Zrpc__Pb__PingRes *)msg)->echo, "29e0f4f4-f0c6-4070-89d1-f538e3aad339");
}

/* HTTP/2 comes right after the label. Its header blocks as text, and the one gRPC message. */
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

static void replay_grpc_message(const struct zrpc_golden_message *m, struct zrpc_view data)
{
    if (m->descriptor == NULL) {
        CHECK_INT(data.len, 0);
        return;
    }
    if (!CHECK(data.len >= 5))
        return;
    CHECK_INT(data.data[0], 0);
    CHECK_INT(zrpc_get_u32(data.data + 1), data.len - 5);
    zrpc_golden_check_message(m, zrpc_view(data.data + 5, data.len - 5));
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
    struct zrpc_golden_message request, response;
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
        zrpc_golden_check_banner(&client, SIZE_MAX);
        zrpc_golden_check_banner(&server, SIZE_MAX);
        if (zrpc_golden_check_label(&client, ZRPC_CONTROL))
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

        zrpc_golden_check_banner(&in, SIZE_MAX);
        CHECK_INT(in.len, 0);
        CHECK_INT(rec.side[side].end, ZRPC_GOLDEN_EOF);
    }
    zrpc_recording_dispose(&rec);
}

static void no_recording_is_left_out(void)
{
    CHECK_INT(sizeof control_recordings / sizeof control_recordings[0], zrpc_recordings_count(ZRPC_CONTROL));
    CHECK_INT(1, zrpc_recordings_count(ZRPC_LABEL_COUNT));
}

static const struct zrpc_test tests[] = {
    {"control connections, up to the messages", control_connections},
    {"a connection that ends before its label", connection_without_label},
    {"no recording is left out", no_recording_is_left_out},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("golden_control", tests, argc, argv);
}
