#include "zrpc/pb.h"

#include <stdlib.h>

/*
 * protobuf-c keeps strings as char *, so a zero byte inside one is lost with all that follows it, and it does
 * not look at encodings. Therefore the encoded bytes are walked along the descriptors before it sees them.
 */
struct walk {
    const ProtobufCMessageDescriptor *descriptor;
    struct zrpc_view in;
    int depth;
};

static int check_message(struct walk w, struct zrpc_error *err);

static int take_varint(struct walk *w, uint64_t *out, struct zrpc_error *err)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70 && w->in.len > 0; shift += 7) {
        uint8_t byte = zrpc_view_take(&w->in, 1).data[0];

        v |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if ((byte & 0x80) == 0) {
            *out = v;
            return 0;
        }
    }
    return zrpc_fail(err, ZRPC_ERR_MESSAGE, "message %s: a varint %s", w->descriptor->name,
                     w->in.len == 0 ? "is cut short" : "has more than ten bytes");
}

static int take_bytes(struct walk *w, uint64_t n, struct zrpc_view *out, struct zrpc_error *err)
{
    if (n > w->in.len)
        return zrpc_fail(err, ZRPC_ERR_MESSAGE, "message %s: a field of %llu bytes where %zu are left",
                         w->descriptor->name, (unsigned long long)n, w->in.len);
    *out = zrpc_view_take(&w->in, (size_t)n);
    return 0;
}

static int check_string(const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field,
                        struct zrpc_view v, struct zrpc_error *err)
{
    const char *problem = NULL;

    if (!zrpc_utf8_valid(v))
        problem = "is not UTF-8";
    else if (v.len > 0 && memchr(v.data, '\0', v.len) != NULL)
        problem = "holds a zero byte";
    if (problem == NULL)
        return 0;
    return zrpc_fail(err, ZRPC_ERR_MESSAGE, "message %s: string %s %s", descriptor->name, field->name,
                     problem);
}

static int check_delimited(struct walk *w, uint32_t number, struct zrpc_error *err)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(w->descriptor, number);
    struct zrpc_view content = {0};
    uint64_t len;
    int rc = take_varint(w, &len, err);

    if (rc == 0)
        rc = take_bytes(w, len, &content, err);
    if (rc < 0 || field == NULL)
        return rc;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return check_string(w->descriptor, field, content, err);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return check_message((struct walk){field->descriptor, content, w->depth + 1}, err);
    return 0;
}

static int check_field(struct walk *w, struct zrpc_error *err)
{
    struct zrpc_view skipped;
    uint64_t tag, value;
    int rc = take_varint(w, &tag, err);

    if (rc < 0)
        return rc;
    if (tag >> 3 == 0 || tag > UINT32_MAX)
        return zrpc_fail(err, ZRPC_ERR_MESSAGE, "message %s: invalid field number %llu", w->descriptor->name,
                         (unsigned long long)(tag >> 3));
    switch ((ProtobufCWireType)(tag & 7)) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return take_varint(w, &value, err);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        return take_bytes(w, 8, &skipped, err);
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        return take_bytes(w, 4, &skipped, err);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        return check_delimited(w, (uint32_t)(tag >> 3), err);
    }
    return zrpc_fail(err, ZRPC_ERR_MESSAGE, "message %s: field %llu has unknown wire type %u",
                     w->descriptor->name, (unsigned long long)(tag >> 3), (unsigned)(tag & 7));
}

static int check_message(struct walk w, struct zrpc_error *err)
{
    int rc = 0;

    if (w.depth > ZRPC_PB_DEPTH_MAX)
        return zrpc_fail(err, ZRPC_ERR_MESSAGE, "message %s: nested more than %d deep", w.descriptor->name,
                         ZRPC_PB_DEPTH_MAX);
    while (rc == 0 && w.in.len > 0)
        rc = check_field(&w, err);
    return rc;
}

/* protobuf-c does not say why it failed; an allocator that remembers does. */
static void *remember_alloc(void *out_of_memory, size_t size)
{
    void *p = malloc(size);

    if (p == NULL)
        *(bool *)out_of_memory = true;
    return p;
}

static void plain_free(void *out_of_memory, void *p)
{
    (void)out_of_memory;
    free(p);
}

int zrpc_pb_decode(const ProtobufCMessageDescriptor *descriptor, struct zrpc_view in, ProtobufCMessage **out,
                   struct zrpc_error *err)
{
    bool out_of_memory = false;
    ProtobufCAllocator allocator = {
        .alloc = remember_alloc, .free = plain_free, .allocator_data = &out_of_memory};
    int rc = check_message((struct walk){descriptor, in, 0}, err);

    if (rc < 0)
        return rc;
    *out = protobuf_c_message_unpack(descriptor, &allocator, in.len, in.data);
    if (*out != NULL)
        return 0;
    if (out_of_memory)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory to decode message %s", descriptor->name);
    return zrpc_fail(err, ZRPC_ERR_MESSAGE, "message %s: not encoded as one", descriptor->name);
}

int zrpc_pb_encode(const ProtobufCMessage *msg, struct zrpc_buf *out, struct zrpc_error *err)
{
    size_t size = protobuf_c_message_get_packed_size(msg);
    struct zrpc_view encoded;
    int rc = zrpc_buf_reserve(out, size, err);

    if (rc < 0)
        return rc;
    if (size == 0)
        return 0;
    encoded = zrpc_view(out->base + out->off + out->len, size);
    protobuf_c_message_pack(msg, out->base + out->off + out->len);
    rc = check_message((struct walk){msg->descriptor, encoded, 0}, err);
    if (rc < 0)
        return rc;
    out->len += size;
    return 0;
}

int zrpc_pb_set_string(char **field, const char *text, struct zrpc_error *err)
{
    char *copy = strdup(text);

    if (copy == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a string of %zu bytes", strlen(text));
    if (*field != protobuf_c_empty_string)
        free(*field);
    *field = copy;
    return 0;
}
