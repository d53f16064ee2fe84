#include "conformance/pbtext.h"

#include <inttypes.h>

#define STRING_SHOWN 200 /* bytes of a string field */
#define ITEMS_SHOWN  8   /* of a repeated field */

static void add_string(struct zrpc_buf *text, const char *value)
{
    struct zrpc_view all = zrpc_view_of(value == NULL ? "" : value);
    struct zrpc_view shown = zrpc_utf8_prefix(all, STRING_SHOWN);

    zrpc_text_add_quoted(text, shown);
    if (shown.len < all.len)
        zrpc_text_add(text, "… (%zu bytes)", all.len);
}

static void add_enum(struct zrpc_buf *text, const ProtobufCEnumDescriptor *descriptor, int value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(descriptor, value);

    if (known != NULL)
        zrpc_text_add(text, "%s", known->name);
    else
        zrpc_text_add(text, "%d", value);
}

/* One value of a field, at `member`. */
static void add_value(struct zrpc_buf *text, const ProtobufCFieldDescriptor *field, const void *member)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        add_string(text, *(char *const *)member);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        zrpc_text_add(text, *(const protobuf_c_boolean *)member ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_UINT64:
        zrpc_text_add(text, "%" PRIu64, *(const uint64_t *)member);
        break;
    case PROTOBUF_C_TYPE_INT64:
        zrpc_text_add(text, "%" PRId64, *(const int64_t *)member);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        add_enum(text, field->descriptor, *(const int *)member);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        if (*(ProtobufCMessage *const *)member != NULL)
            zrpc_pbtext_add(text, *(ProtobufCMessage *const *)member);
        break;
    default:
        zrpc_text_add(text, "?");
    }
}

static size_t element_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(int);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_INT64:
        return sizeof(uint64_t);
    default:
        return sizeof(void *);
    }
}

static void add_repeated(struct zrpc_buf *text, const ProtobufCFieldDescriptor *field, const char *items,
                         size_t n)
{
    zrpc_text_add(text, "[");
    for (size_t i = 0; i < n && i < ITEMS_SHOWN; i++) {
        zrpc_text_add(text, i == 0 ? "" : ", ");
        add_value(text, field, items + i * element_size(field->type));
    }
    zrpc_text_add(text, n > ITEMS_SHOWN ? ", … %zu in all]" : "]", n);
}

static bool at_default(const ProtobufCFieldDescriptor *field, const void *member)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return *(char *const *)member == NULL || **(char *const *)member == '\0';
    case PROTOBUF_C_TYPE_BOOL:
        return !*(const protobuf_c_boolean *)member;
    case PROTOBUF_C_TYPE_ENUM:
        return *(const int *)member == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(ProtobufCMessage *const *)member == NULL;
    default:
        return *(const uint64_t *)member == 0;
    }
}

static bool is_present(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)msg;
    bool is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;

    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)(base + field->quantifier_offset) > 0;
    if (is_oneof)
        return *(const uint32_t *)(base + field->quantifier_offset) == field->id;
    return !at_default(field, base + field->offset);
}

void zrpc_pbtext_add(struct zrpc_buf *text, const ProtobufCMessage *msg)
{
    const ProtobufCMessageDescriptor *descriptor = msg->descriptor;
    const char *separator = "";

    zrpc_text_add(text, "%s{", descriptor->short_name);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const char *member = (const char *)msg + field->offset;

        if (!is_present(msg, field))
            continue;
        zrpc_text_add(text, "%s%s: ", separator, field->name);
        separator = ", ";
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            add_repeated(text, field, *(char *const *)member,
                         *(const size_t *)((const char *)msg + field->quantifier_offset));
        else
            add_value(text, field, member);
    }
    zrpc_text_add(text, "}");
}

void zrpc_pbtext_add_encoded(struct zrpc_buf *text, const ProtobufCMessageDescriptor *descriptor,
                             struct zrpc_view encoded)
{
    ProtobufCMessage *msg = protobuf_c_message_unpack(descriptor, NULL, encoded.len, encoded.data);

    if (msg == NULL) {
        zrpc_text_add(text, "not a %s: ", descriptor->short_name);
        zrpc_text_add_bytes(text, encoded, encoded.len, 64);
        return;
    }
    zrpc_pbtext_add(text, msg);
    protobuf_c_message_free_unpacked(msg, NULL);
}
