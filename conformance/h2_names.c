#include "conformance/h2_names.h"

#include "zrepl_v1.pb-c.h"

#define SERVICE_PREFIX "/Replication/"

static const char *const frame_names[] = {"DATA",          "HEADERS",      "PRIORITY", "RST_STREAM",
                                          "SETTINGS",      "PUSH_PROMISE", "PING",     "GOAWAY",
                                          "WINDOW_UPDATE", "CONTINUATION"};

static const char *const error_names[] = {
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
};

static const char *const setting_names[] = {
    NULL,
    "HEADER_TABLE_SIZE",
    "ENABLE_PUSH",
    "MAX_CONCURRENT_STREAMS",
    "INITIAL_WINDOW_SIZE",
    "MAX_FRAME_SIZE",
    "MAX_HEADER_LIST_SIZE",
};

static const struct {
    uint8_t type, flag;
    const char *name;
} flag_names[] = {
    {NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, "END_STREAM"},
    {NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, "PADDED"},
    {NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, "END_STREAM"},
    {NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, "END_HEADERS"},
    {NGHTTP2_HEADERS, NGHTTP2_FLAG_PADDED, "PADDED"},
    {NGHTTP2_HEADERS, NGHTTP2_FLAG_PRIORITY, "PRIORITY"},
    {NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, "ACK"},
    {NGHTTP2_PING, NGHTTP2_FLAG_ACK, "ACK"},
    {NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, "END_HEADERS"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct zrpc_h2_header_of_frame zrpc_h2_frame_decode(const uint8_t bytes[static ZRPC_H2_HEADER_LEN])
{
    return (struct zrpc_h2_header_of_frame){
        .length = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2],
        .type = bytes[3],
        .flags = bytes[4],
        .stream = zrpc_get_u32(bytes + 5) & 0x7fffffff,
    };
}

void zrpc_h2_frame_encode(struct zrpc_h2_header_of_frame h, uint8_t out[static ZRPC_H2_HEADER_LEN])
{
    zrpc_put_u32(out, h.length << 8 | h.type);
    out[4] = h.flags;
    zrpc_put_u32(out + 5, h.stream);
}

bool zrpc_h2_content(struct zrpc_h2_header_of_frame h, struct zrpc_view *payload)
{
    size_t padding = 0,
           priority = h.type == NGHTTP2_HEADERS && (h.flags & NGHTTP2_FLAG_PRIORITY) != 0 ? 5 : 0;

    if ((h.flags & NGHTTP2_FLAG_PADDED) != 0) {
        if (payload->len == 0)
            return false;
        padding = zrpc_view_take(payload, 1).data[0];
    }
    if (payload->len < padding + priority)
        return false;
    payload->len -= padding;
    zrpc_view_take(payload, priority);
    return true;
}

void zrpc_h2_add_frame(struct zrpc_buf *text, struct zrpc_h2_header_of_frame h)
{
    uint8_t rest = h.flags;

    if (h.type < COUNT(frame_names))
        zrpc_text_add(text, "%s", frame_names[h.type]);
    else
        zrpc_text_add(text, "frame of type 0x%02x", h.type);
    if (h.stream != 0 || h.type == NGHTTP2_DATA || h.type == NGHTTP2_HEADERS)
        zrpc_text_add(text, " stream %u", h.stream);
    for (size_t i = 0; i < COUNT(flag_names); i++) {
        if (flag_names[i].type != h.type || (h.flags & flag_names[i].flag) == 0)
            continue;
        zrpc_text_add(text, " %s", flag_names[i].name);
        rest &= (uint8_t)~flag_names[i].flag;
    }
    if (rest != 0)
        zrpc_text_add(text, " flags 0x%02x", rest);
}

void zrpc_h2_add_error(struct zrpc_buf *text, uint32_t code)
{
    if (code < COUNT(error_names))
        zrpc_text_add(text, "%s", error_names[code]);
    else
        zrpc_text_add(text, "error 0x%x", code);
}

void zrpc_h2_add_settings(struct zrpc_buf *text, struct zrpc_view payload)
{
    struct zrpc_view entry;
    unsigned id;

    for (const char *comma = ""; payload.len >= 6; comma = ", ") {
        entry = zrpc_view_take(&payload, 6);
        id = (unsigned)entry.data[0] << 8 | entry.data[1];
        if (id > 0 && id < COUNT(setting_names))
            zrpc_text_add(text, "%s%s=%u", comma, setting_names[id], zrpc_get_u32(entry.data + 2));
        else
            zrpc_text_add(text, "%s0x%04x=%u", comma, id, zrpc_get_u32(entry.data + 2));
    }
    if (payload.len > 0)
        zrpc_text_add(text, " and %zu bytes that are no setting", payload.len);
}

const ProtobufCMethodDescriptor *zrpc_h2_method_of(struct zrpc_view path)
{
    const ProtobufCServiceDescriptor *service = &zrpc__pb__replication__descriptor;
    struct zrpc_view prefix = zrpc_view_of(SERVICE_PREFIX);

    if (path.len < prefix.len || !zrpc_view_equal(zrpc_view_take(&path, prefix.len), prefix))
        return NULL;
    for (unsigned i = 0; i < service->n_methods; i++)
        if (zrpc_view_equal(path, zrpc_view_of(service->methods[i].name)))
            return &service->methods[i];
    return NULL;
}
