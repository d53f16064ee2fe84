#include "testing/golden.h"
#include "testing/suite.h"

#include "zrepl_v1.pb-c.h"
#include "zrpc/stream.h"

static const size_t portions[] = {SIZE_MAX, 1, 7}; /* how the recorded bytes are cut on their way in */

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
    struct zrpc_golden_message message;
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
        zrpc_golden_check_message(&step->message, view);
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

            zrpc_golden_check_banner(&client, portions[p]);
            zrpc_golden_check_banner(&server, portions[p]);
            if (zrpc_golden_check_label(&client, ZRPC_DATA))
                replay_frames(client, portions[p], d->client);
            replay_frames(server, portions[p], d->server);
        }
        CHECK_INT(rec.side[ZRPC_GOLDEN_CLIENT].end, ZRPC_GOLDEN_EOF);
        CHECK_INT(rec.side[ZRPC_GOLDEN_SERVER].end, ZRPC_GOLDEN_EOF);
        zrpc_recording_dispose(&rec);
    }
}

static void no_recording_is_left_out(void)
{
    CHECK_INT(sizeof data_recordings / sizeof data_recordings[0], zrpc_recordings_count(ZRPC_DATA));
}

static const struct zrpc_test tests[] = {
    {"data connections, decoded and encoded again", data_connections},
    {"no recording is left out", no_recording_is_left_out},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("golden_data", tests, argc, argv);
}
