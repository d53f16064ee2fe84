#include "conformance/annotate_h2.h"

#include "conformance/pbtext.h"

#define MESSAGE_KEPT 4096 /* bytes of a gRPC message */
#define PREVIEW      72   /* bytes shown of anything else */
#define VALUE_SHOWN  160  /* bytes of a header's value */
#define BLOCK_KEPT   (64u << 10)
#define PREFIX_LEN   5

struct context {
    struct zrpc_annotate_h2 *h;
    struct zrpc_annotate_h2_shared *shared;
    bool active;
    struct zrpc_h2_header_of_frame frame;
    struct zrpc_view payload;
    struct zrpc_buf *detail;
};

void zrpc_annotate_h2_dispose(struct zrpc_annotate_h2 *h)
{
    if (h->inflater != NULL)
        nghttp2_hd_inflate_del(h->inflater);
    zrpc_buf_dispose(&h->block);
    zrpc_buf_dispose(&h->message);
    *h = (struct zrpc_annotate_h2){0};
}

/*
 * Headers
 */
static void note_call(struct context *c, struct zrpc_view path)
{
    unsigned i = c->shared->next_call++ % ZRPC_ANNOTATE_CALLS;

    c->shared->calls[i].stream = c->frame.stream;
    c->shared->calls[i].method = zrpc_h2_method_of(path);
}

static const ProtobufCMethodDescriptor *method_of(const struct context *c)
{
    for (size_t i = 0; i < ZRPC_ANNOTATE_CALLS; i++)
        if (c->shared->calls[i].stream == c->frame.stream)
            return c->shared->calls[i].method;
    return NULL;
}

static bool begin_inflating(struct context *c)
{
    uint32_t allowed = c->shared->table_size[c->active ? 1 : 0];

    if (c->h->inflater == NULL && nghttp2_hd_inflate_new(&c->h->inflater) != 0)
        return false;
    return allowed == 0 || nghttp2_hd_inflate_change_table_size(c->h->inflater, allowed) == 0;
}

static void show_header(struct context *c, const nghttp2_nv *nv, const char *comma)
{
    struct zrpc_view value = zrpc_view(nv->value, nv->valuelen);

    zrpc_text_add(c->detail, "%s", comma);
    if (nghttp2_check_header_name(nv->name, nv->namelen))
        zrpc_text_add(c->detail, "%s", (const char *)nv->name);
    else
        zrpc_text_add_bytes(c->detail, zrpc_view(nv->name, nv->namelen), nv->namelen, PREVIEW);
    zrpc_text_add(c->detail, ": ");
    zrpc_text_add_bytes(c->detail, value, value.len, VALUE_SHOWN);
    if (c->active && zrpc_view_equal(zrpc_view(nv->name, nv->namelen), zrpc_view_of(":path")))
        note_call(c, value);
}

static bool inflate(struct context *c)
{
    struct zrpc_view in = zrpc_buf_view(&c->h->block);
    const char *comma = "";
    nghttp2_nv nv;
    ssize_t n;
    int flags;

    if (!begin_inflating(c))
        return false;
    for (;;) {
        flags = 0;
        n = nghttp2_hd_inflate_hd2(c->h->inflater, &nv, &flags, in.data, in.len, 1);
        if (n < 0)
            return false;
        zrpc_view_take(&in, (size_t)n);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            show_header(c, &nv, comma);
            comma = ", ";
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
            break;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && in.len == 0)
            return false;
    }
    return nghttp2_hd_inflate_end_headers(c->h->inflater) == 0;
}

static void explain_headers(struct context *c)
{
    struct zrpc_view content = c->payload;
    bool whole = content.len == c->frame.length && zrpc_h2_content(c->frame, &content);

    if (c->frame.type == NGHTTP2_HEADERS)
        zrpc_buf_clear(&c->h->block);
    if (!whole || c->h->block.len + content.len > BLOCK_KEPT ||
        zrpc_buf_append(&c->h->block, content, NULL) < 0)
        c->h->lost = true;
    if (!c->h->lost && (c->frame.flags & NGHTTP2_FLAG_END_HEADERS) == 0) {
        zrpc_text_add(c->detail, "part of a header block");
        return;
    }
    if (!c->h->lost && inflate(c))
        return;
    c->h->lost = true;
    if (c->detail->len > 0)
        zrpc_text_add(c->detail, ", then: ");
    zrpc_text_add_bytes(c->detail, content, content.len, PREVIEW);
}

/*
 * Other frames
 */
static bool explain_message(struct context *c)
{
    const ProtobufCMethodDescriptor *method = method_of(c);
    struct zrpc_view message = zrpc_buf_view(&c->h->message), prefix;

    if (method == NULL || message.len < PREFIX_LEN)
        return false;
    prefix = zrpc_view_take(&message, PREFIX_LEN);
    if (prefix.data[0] != 0 || zrpc_get_u32(prefix.data + 1) != message.len)
        return false;
    zrpc_pbtext_add_encoded(c->detail, c->active ? method->input : method->output, message);
    return true;
}

static void explain_data(struct context *c)
{
    struct zrpc_view content = c->payload;

    if (c->h->message_stream != c->frame.stream)
        zrpc_buf_clear(&c->h->message);
    c->h->message_stream = c->frame.stream;
    if (content.len == c->frame.length && zrpc_h2_content(c->frame, &content) &&
        c->h->message.len + content.len <= MESSAGE_KEPT &&
        zrpc_buf_append(&c->h->message, content, NULL) == 0 && explain_message(c))
        return;
    if (c->frame.length > 0)
        zrpc_text_add_bytes(c->detail, c->payload, c->frame.length, PREVIEW);
}

static void explain_settings(struct context *c)
{
    struct zrpc_view rest = c->payload, entry;

    zrpc_h2_add_settings(c->detail, c->payload);
    while (rest.len >= 6) {
        entry = zrpc_view_take(&rest, 6);
        if (entry.data[0] == 0 && entry.data[1] == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE)
            c->shared->table_size[c->active ? 0 : 1] = zrpc_get_u32(entry.data + 2);
    }
}

static void explain_bytes(struct context *c)
{
    if (c->frame.length > 0)
        zrpc_text_add_bytes(c->detail, c->payload, c->frame.length, PREVIEW);
}

static void explain_reset(struct context *c)
{
    if (c->payload.len == 4)
        zrpc_h2_add_error(c->detail, zrpc_get_u32(c->payload.data));
    else
        explain_bytes(c);
}

static void explain_goaway(struct context *c)
{
    struct zrpc_view rest = c->payload;

    if (rest.len < 8) {
        explain_bytes(c);
        return;
    }
    zrpc_h2_add_error(c->detail, zrpc_get_u32(rest.data + 4));
    zrpc_text_add(c->detail, ", last stream %u", zrpc_get_u32(rest.data) & 0x7fffffff);
    zrpc_view_take(&rest, 8);
    if (rest.len > 0) {
        zrpc_text_add(c->detail, ", ");
        zrpc_text_add_bytes(c->detail, rest, rest.len, PREVIEW);
    }
}

static void explain_window(struct context *c)
{
    if (c->payload.len == 4)
        zrpc_text_add(c->detail, "%u more", zrpc_get_u32(c->payload.data) & 0x7fffffff);
    else
        explain_bytes(c);
}

void zrpc_annotate_h2_frame(struct zrpc_annotate_h2 *h, struct zrpc_annotate_h2_shared *shared, bool active,
                            struct zrpc_h2_header_of_frame frame, struct zrpc_view payload,
                            struct zrpc_buf *text, struct zrpc_buf *detail, uint32_t *fold)
{
    static void (*const explain[])(struct context *) = {
        [NGHTTP2_DATA] = explain_data,
        [NGHTTP2_HEADERS] = explain_headers,
        [NGHTTP2_PRIORITY] = explain_bytes,
        [NGHTTP2_RST_STREAM] = explain_reset,
        [NGHTTP2_SETTINGS] = explain_settings,
        [NGHTTP2_PUSH_PROMISE] = explain_bytes,
        [NGHTTP2_PING] = explain_bytes,
        [NGHTTP2_GOAWAY] = explain_goaway,
        [NGHTTP2_WINDOW_UPDATE] = explain_window,
        [NGHTTP2_CONTINUATION] = explain_headers,
    };
    struct context c = {
        .h = h, .shared = shared, .active = active, .frame = frame, .payload = payload, .detail = detail};

    zrpc_h2_add_frame(text, frame);
    if (frame.type < sizeof explain / sizeof explain[0])
        explain[frame.type](&c);
    else
        explain_bytes(&c);
    *fold = ((uint32_t)frame.type + 1) << 24 | (uint32_t)frame.flags << 16 | (frame.stream & 0xffff);
    if (frame.type == NGHTTP2_HEADERS || frame.type == NGHTTP2_CONTINUATION || frame.type == NGHTTP2_GOAWAY)
        *fold = 0;
}
