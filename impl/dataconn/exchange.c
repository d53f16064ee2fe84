#include "zrpc/dataconn.h"

void zrpc_exchange_init(struct zrpc_exchange *x, const struct zrpc_heartbeat_config *config, zrpc_time now)
{
    *x = (struct zrpc_exchange){.reading = true};
    zrpc_heartbeatconn_init(&x->hc, config, now);
    zrpc_message_reader_init(&x->reader, 0, 0);
}

void zrpc_exchange_dispose(struct zrpc_exchange *x)
{
    zrpc_message_reader_dispose(&x->reader);
    zrpc_heartbeatconn_dispose(&x->hc);
}

static void expect(struct zrpc_exchange *x, enum zrpc_exchange_expect what, uint32_t type, size_t limit)
{
    zrpc_message_reader_dispose(&x->reader);
    zrpc_message_reader_init(&x->reader, type, limit);
    x->expect = what;
}

void zrpc_exchange_expect_message(struct zrpc_exchange *x, uint32_t type, size_t limit)
{
    expect(x, ZRPC_EXPECT_MESSAGE, type, limit);
}

void zrpc_exchange_expect_stream(struct zrpc_exchange *x, uint32_t type)
{
    expect(x, ZRPC_EXPECT_STREAM, type, 0);
}

struct zrpc_view zrpc_exchange_message(const struct zrpc_exchange *x)
{
    return zrpc_buf_view(&x->reader.content);
}

static int admit_nothing(struct zrpc_exchange *x, const struct zrpc_frame_event *ev,
                         struct zrpc_view *content, struct zrpc_error *err)
{
    char text[ZRPC_FRAME_TEXT_MAX];

    (void)x;
    (void)content;
    return zrpc_fail(err, ZRPC_ERR_STREAM, "%s frame of %u bytes where no more was expected",
                     zrpc_frame_describe(ev->frame, text), (unsigned)ev->frame.length);
}

static int admit_message(struct zrpc_exchange *x, const struct zrpc_frame_event *ev,
                         struct zrpc_view *content, struct zrpc_error *err)
{
    int rc = zrpc_message_reader_event(&x->reader, ev, err);

    (void)content;
    if (rc != ZRPC_STREAM_DONE)
        return rc < 0 ? rc : ZRPC_EXCHANGE_MORE;
    x->expect = ZRPC_EXPECT_NOTHING;
    return ZRPC_EXCHANGE_MESSAGE;
}

static int admit_stream(struct zrpc_exchange *x, const struct zrpc_frame_event *ev, struct zrpc_view *content,
                        struct zrpc_error *err)
{
    int rc = zrpc_stream_reader_event(&x->reader.stream, ev, err);

    if (rc == ZRPC_STREAM_DATA) {
        *content = ev->payload;
        return ZRPC_EXCHANGE_CONTENT;
    }
    if (rc == ZRPC_STREAM_DONE) {
        x->expect = ZRPC_EXPECT_NOTHING;
        return ZRPC_EXCHANGE_STREAM;
    }
    return rc;
}

static int (*const admit[])(struct zrpc_exchange *, const struct zrpc_frame_event *, struct zrpc_view *,
                            struct zrpc_error *) = {
    [ZRPC_EXPECT_NOTHING] = admit_nothing,
    [ZRPC_EXPECT_MESSAGE] = admit_message,
    [ZRPC_EXPECT_STREAM] = admit_stream,
};

int zrpc_exchange_input(struct zrpc_exchange *x, zrpc_time now, struct zrpc_view *in,
                        struct zrpc_view *content, struct zrpc_error *err)
{
    for (;;) {
        struct zrpc_frame_event ev;
        int rc = zrpc_heartbeatconn_input(&x->hc, now, in, &ev, err);

        if (rc < 0)
            return rc;
        if (ev.kind == ZRPC_FRAME_MORE)
            return ZRPC_EXCHANGE_MORE;
        rc = admit[x->expect](x, &ev, content, err);
        if (rc != ZRPC_EXCHANGE_MORE)
            return rc;
    }
}

int zrpc_exchange_stream_begin(struct zrpc_exchange *x, zrpc_time now, uint32_t length,
                               struct zrpc_error *err)
{
    return zrpc_heartbeatconn_begin(&x->hc, now, x->sending, length, err);
}

int zrpc_exchange_stream_end(struct zrpc_exchange *x, zrpc_time now, struct zrpc_error *err)
{
    x->sending = 0;
    return zrpc_stream_put_end(&x->hc, now, err);
}

int zrpc_exchange_stream_fail(struct zrpc_exchange *x, zrpc_time now, const char *text,
                              struct zrpc_error *err)
{
    x->sending = 0;
    return zrpc_stream_put_source_error(&x->hc, now, zrpc_view_of(text), err);
}
