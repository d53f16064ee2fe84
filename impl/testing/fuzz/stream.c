/* Frames and streams: the same outcome however the bytes are cut, and a complete stream written again is read
 * as the same. */
#include "testing/fuzz/fuzz.h"

#include "zrpc/stream.h"

#define TYPE  5u
#define LIMIT 4096u

struct outcome {
    int rc;
    size_t left; /* of the input, behind the end of the stream */
    struct zrpc_message_reader message;
    struct zrpc_error err;
};

static void receive(struct zrpc_view in, size_t portion, struct outcome *o)
{
    struct zrpc_heartbeatconn c;
    struct zrpc_frame_event ev;

    *o = (struct outcome){.rc = 0};
    zrpc_heartbeatconn_init(&c, NULL, 0);
    zrpc_message_reader_init(&o->message, TYPE, LIMIT);
    do {
        struct zrpc_view part = zrpc_view(in.data, in.len < portion ? in.len : portion);
        size_t given = part.len;

        o->rc = zrpc_heartbeatconn_input(&c, 0, &part, &ev, &o->err);
        zrpc_view_take(&in, given - part.len);
        if (o->rc == 0)
            o->rc = zrpc_message_reader_event(&o->message, &ev, &o->err);
    } while (o->rc == ZRPC_STREAM_MORE && (ev.kind != ZRPC_FRAME_MORE || in.len > 0));
    o->left = in.len;
    REQUIRE(o->message.content.len <= LIMIT && o->message.content.cap <= 4 * LIMIT);
    REQUIRE(o->message.stream.trailer.cap <= 4 * ZRPC_STREAM_TRAILER_MAX);
    REQUIRE(c.conn.writer.output.base == NULL);
    zrpc_heartbeatconn_dispose(&c);
}

static void dispose(struct outcome *o)
{
    zrpc_message_reader_dispose(&o->message);
}

static void check_written_again(const struct outcome *o)
{
    struct zrpc_view content = zrpc_buf_view(&o->message.content);
    struct zrpc_heartbeatconn c;
    struct outcome again;

    zrpc_heartbeatconn_init(&c, NULL, 0);
    REQUIRE(zrpc_stream_put_message(&c, 0, TYPE, content, NULL) == 0);
    receive(zrpc_buf_view(&c.conn.writer.output), SIZE_MAX, &again);
    REQUIRE(again.rc == ZRPC_STREAM_DONE && again.left == 0);
    REQUIRE(zrpc_view_equal(zrpc_buf_view(&again.message.content), content));
    dispose(&again);
    zrpc_heartbeatconn_dispose(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zrpc_view in = zrpc_view(data, size);
    size_t portion = (size_t)fuzz_byte(&in) + 1;
    struct outcome whole, cut;

    receive(in, SIZE_MAX, &whole);
    receive(in, portion, &cut);
    REQUIRE(whole.rc == cut.rc);
    /* Too big a message is refused in the middle of a payload, as far as that has arrived. */
    REQUIRE(whole.rc == ZRPC_ERR_TOO_BIG || whole.left == cut.left);
    REQUIRE(whole.rc == ZRPC_ERR_TOO_BIG ||
            zrpc_view_equal(zrpc_buf_view(&whole.message.content), zrpc_buf_view(&cut.message.content)));
    if (whole.rc < 0) {
        REQUIRE(whole.rc == ZRPC_ERR_FRAME || whole.rc == ZRPC_ERR_STREAM || whole.rc == ZRPC_ERR_TOO_BIG ||
                whole.rc == ZRPC_ERR_PEER_SOURCE || whole.rc == ZRPC_ERR_PEER_SHUTDOWN);
        REQUIRE(whole.err.text[0] != '\0' && strcmp(whole.err.text, cut.err.text) == 0);
        REQUIRE(zrpc_utf8_valid(zrpc_view_of(whole.err.text)));
    }
    if (whole.rc == ZRPC_STREAM_DONE)
        check_written_again(&whole);
    dispose(&whole);
    dispose(&cut);
    return 0;
}
