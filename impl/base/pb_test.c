#include "testing/suite.h"

#include "testing/alloc.h"

#include <stdlib.h>

#include "zrepl_v1.pb-c.h"
#include "zrpc/pb.h"

#define BYTES(text) zrpc_view((text), sizeof(text) - 1)

static int decode(const ProtobufCMessageDescriptor *descriptor, struct zrpc_view in, struct zrpc_error *err)
{
    ProtobufCMessage *msg = NULL;
    int rc = zrpc_pb_decode(descriptor, in, &msg, err);

    if (rc == 0)
        protobuf_c_message_free_unpacked(msg, NULL);
    return rc;
}

/* A tree with a string at each level. */
static int encode_sample(struct zrpc_buf *out, const char *name, struct zrpc_error *err)
{
    Zrpc__Pb__FilesystemVersion version = ZRPC__PB__FILESYSTEM_VERSION__INIT, *versions[] = {&version};
    Zrpc__Pb__DestroySnapshotsReq req = ZRPC__PB__DESTROY_SNAPSHOTS_REQ__INIT;
    char filesystem[] = "tank/caf\xc3\xa9";
    int rc;

    rc = zrpc_pb_set_string(&version.name, name, err);
    if (rc < 0)
        return rc;
    version.guid = UINT64_MAX;
    version.type = ZRPC__PB__FILESYSTEM_VERSION__VERSION_TYPE__Bookmark;
    req.filesystem = filesystem;
    req.snapshots = versions;
    req.n_snapshots = 1;
    rc = zrpc_pb_encode(&req.base, out, err);
    free(version.name);
    return rc;
}

static void round_trip(void)
{
    struct zrpc_buf out = {0};
    struct zrpc_error err = {0};
    ProtobufCMessage *msg = NULL;
    const Zrpc__Pb__DestroySnapshotsReq *req;

    CHECK_OK(zrpc_buf_append(&out, BYTES("head"), &err));
    CHECK_OK(encode_sample(&out, "snap", &err));
    CHECK_BYTES(zrpc_view(out.base, 4), BYTES("head"));
    zrpc_buf_consume(&out, 4);
    if (CHECK_OK(
            zrpc_pb_decode(&zrpc__pb__destroy_snapshots_req__descriptor, zrpc_buf_view(&out), &msg, &err))) {
        req = (const Zrpc__Pb__DestroySnapshotsReq *)msg;
        CHECK_STR(req->filesystem, "tank/caf\xc3\xa9");
        CHECK_INT(req->n_snapshots, 1);
        CHECK_STR(req->snapshots[0]->name, "snap");
        CHECK(req->snapshots[0]->guid == UINT64_MAX);
        protobuf_c_message_free_unpacked(msg, NULL);
    }
    zrpc_buf_dispose(&out);
}

static void known_bytes(void)
{
    Zrpc__Pb__PingReq ping = ZRPC__PB__PING_REQ__INIT;
    Zrpc__Pb__ReceiveRes empty = ZRPC__PB__RECEIVE_RES__INIT;
    struct zrpc_buf out = {0};
    struct zrpc_error err = {0};

    CHECK_OK(zrpc_pb_encode(&empty.base, &out, &err));
    CHECK_INT(out.len, 0);
    CHECK_OK(decode(&zrpc__pb__receive_res__descriptor, zrpc_view(NULL, 0), &err));
    CHECK_OK(zrpc_pb_set_string(&ping.message, "hi", &err));
    CHECK_OK(zrpc_pb_encode(&ping.base, &out, &err));
    CHECK_BYTES(zrpc_buf_view(&out), BYTES("\x0a\x02hi"));
    CHECK_OK(zrpc_pb_set_string(&ping.message, "replaced", &err));
    CHECK_STR(ping.message, "replaced");
    free(ping.message);
    zrpc_buf_dispose(&out);
}

static void strings_are_checked_at_every_depth(void)
{
    static const struct {
        const ProtobufCMessageDescriptor *descriptor;
        struct zrpc_view in;
        const char *text;
    } rows[] = {
        {&zrpc__pb__ping_req__descriptor,
         {(const uint8_t *)"\x0a\x02\xff\xfe", 4},
         "message PingReq: string Message is not UTF-8"},
        {&zrpc__pb__ping_req__descriptor,
         {(const uint8_t *)"\x0a\x03"
                           "a\0b",
          5},
         "message PingReq: string Message holds a zero byte"},
        {&zrpc__pb__destroy_snapshots_req__descriptor,
         {(const uint8_t *)"\x12\x03\x12\x01\x80", 5},
         "message FilesystemVersion: string Name is not UTF-8"},
        {&zrpc__pb__destroy_snapshots_req__descriptor,
         {(const uint8_t *)"\x12\x03\x12\x01\x00", 5},
         "message FilesystemVersion: string Name holds a zero byte"},
        /* In a oneof, and given twice: the first one counts too. */
        {&zrpc__pb__replication_cursor_req__descriptor,
         {(const uint8_t *)"\x1a\x03\x12\x01\xc0\x1a\x03\x12\x01"
                           "a",
          10},
         "message ReplicationCursorReq.SetOp: string Snapshot is not UTF-8"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_error err = {0};

        CHECK_CODE(decode(rows[i].descriptor, rows[i].in, &err), ZRPC_ERR_MESSAGE);
        CHECK_STR(err.text, rows[i].text);
    }
}

static void unknown_fields_are_skipped(void)
{
    struct zrpc_error err = {0};

    /* Field 9 with each wire type, one of them bytes that are not UTF-8, then the message. */
    CHECK_OK(decode(&zrpc__pb__ping_req__descriptor,
                    BYTES("\x48\xff\x01\x49"
                          "12345678"
                          "\x4a\x02\xff\x00\x4d"
                          "1234"
                          "\x0a\x02hi"),
                    &err));
}

static void malformed_is_refused(void)
{
    static const struct {
        struct zrpc_view in;
        const char *text;
    } rows[] = {
        {{(const uint8_t *)"\x0a", 1}, "message PingReq: a varint is cut short"},
        {{(const uint8_t *)"\x0a\x03"
                           "ab",
          4},
         "message PingReq: a field of 3 bytes where 2 are left"},
        {{(const uint8_t *)"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                           "ab",
          13},
         "message PingReq: a field of 18446744073709551615 bytes where 2 are left"},
        {{(const uint8_t *)"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12},
         "message PingReq: a varint has more than ten bytes"},
        {{(const uint8_t *)"\x02\x00", 2}, "message PingReq: invalid field number 0"},
        {{(const uint8_t *)"\x82\x80\x80\x80\x80\x01\x00", 7},
         "message PingReq: invalid field number 4294967296"},
        {{(const uint8_t *)"\x0b", 1}, "message PingReq: field 1 has unknown wire type 3"},
        {{(const uint8_t *)"\x08\x01", 2}, "message PingReq: not encoded as one"},
        {{(const uint8_t *)"\x09"
                           "1234567",
          8},
         "message PingReq: a field of 8 bytes where 7 are left"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_error err = {0};

        CHECK_CODE(decode(&zrpc__pb__ping_req__descriptor, rows[i].in, &err), ZRPC_ERR_MESSAGE);
        CHECK_STR(err.text, rows[i].text);
    }
}

static void bad_strings_are_not_sent(void)
{
    struct zrpc_buf out = {0};
    struct zrpc_error err = {0};

    CHECK_OK(zrpc_buf_append(&out, BYTES("before"), &err));
    CHECK_CODE(encode_sample(&out, "\xff", &err), ZRPC_ERR_MESSAGE);
    CHECK_STR(err.text, "message FilesystemVersion: string Name is not UTF-8");
    CHECK_BYTES(zrpc_buf_view(&out), BYTES("before"));
    zrpc_buf_dispose(&out);
}

/* google.protobuf.DescriptorProto would do for a message that holds itself; this one is made by hand. */
static const ProtobufCMessageDescriptor nest_descriptor;
typedef struct {
    ProtobufCMessage base;
    ProtobufCMessage *inner;
} Nest;
static const ProtobufCFieldDescriptor nest_fields[] = {{
    .name = "inner",
    .id = 1,
    .label = PROTOBUF_C_LABEL_OPTIONAL,
    .type = PROTOBUF_C_TYPE_MESSAGE,
    .offset = offsetof(Nest, inner),
    .descriptor = &nest_descriptor,
}};
static const unsigned nest_by_name[] = {0};
static const ProtobufCIntRange nest_ranges[] = {{1, 0}, {0, 1}};
static const ProtobufCMessageDescriptor nest_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "Nest",
    .sizeof_message = sizeof(Nest),
    .n_fields = 1,
    .fields = nest_fields,
    .fields_sorted_by_name = nest_by_name,
    .n_field_ranges = 1,
    .field_ranges = nest_ranges,
};

/* `depth` messages inside the outermost one, written from the innermost outwards; lengths in four bytes. */
static int decode_nest(int depth, struct zrpc_error *err)
{
    size_t size = 5 * (size_t)depth;
    uint8_t *bytes = malloc(size + 1);
    int rc;

    if (bytes == NULL)
        return ZRPC_ERR_NOMEM;
    for (size_t at = 0; at < size; at += 5) {
        size_t len = size - at - 5;

        bytes[at] = 0x0a;
        for (size_t i = 0; i < 4; i++)
            bytes[at + 1 + i] = (uint8_t)((len >> (7 * i) & 0x7f) | (i < 3 ? 0x80 : 0));
    }
    rc = decode(&nest_descriptor, zrpc_view(bytes, size), err);
    free(bytes);
    return rc;
}

static void nesting_is_limited(void)
{
    struct zrpc_error err = {0};

    CHECK_OK(decode_nest(0, &err));
    CHECK_OK(decode_nest(ZRPC_PB_DEPTH_MAX, &err));
    CHECK_CODE(decode_nest(ZRPC_PB_DEPTH_MAX + 1, &err), ZRPC_ERR_MESSAGE);
    CHECK_STR(err.text, "message Nest: nested more than 100 deep");
    CHECK_CODE(decode_nest(800000, &err), ZRPC_ERR_MESSAGE);
}

/* Damaged messages: any outcome but a crash, a leak or a string that is not text. */
static void damaged_messages_do_no_harm(void)
{
    struct zrpc_buf sample = {0};
    struct zrpc_error err = {0};
    unsigned seed = 7, decoded = 0, refused = 0;

    CHECK_OK(encode_sample(&sample, "a-name-of-some-length", &err));
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[200];
        size_t len = sample.len;
        int rc;

        memcpy(bytes, sample.base + sample.off, len);
        for (int i = 0; i < 1 + round % 4; i++) {
            seed = seed * 1103515245 + 12345;
            bytes[(seed >> 16) % len] = (uint8_t)(seed >> 8);
        }
        len -= (seed >> 24) % 8 == 0 ? (seed >> 16) % len : 0;
        rc = decode(&zrpc__pb__destroy_snapshots_req__descriptor, zrpc_view(bytes, len), &err);
        decoded += rc == 0;
        refused += rc == ZRPC_ERR_MESSAGE;
    }
    CHECK_INT(decoded + refused, 20000);
    CHECK(decoded > 1000 && refused > 1000);
    zrpc_buf_dispose(&sample);
}

static int encode_and_decode(void *arg)
{
    struct zrpc_buf out = {0};
    struct zrpc_error err = {0};
    int rc = encode_sample(&out, "snap", &err);

    (void)arg;
    if (rc == 0)
        rc = decode(&zrpc__pb__destroy_snapshots_req__descriptor, zrpc_buf_view(&out), &err);
    zrpc_buf_dispose(&out);
    return rc;
}

/* protobuf-c's own allocations fail too: out of memory is not taken for a bad message. */
static void out_of_memory(void)
{
    CHECK(zrpc_alloc_each(encode_and_decode, NULL) > 5);
}

static const struct zrpc_test tests[] = {
    {"round trip", round_trip},
    {"known bytes", known_bytes},
    {"strings are checked at every depth", strings_are_checked_at_every_depth},
    {"unknown fields are skipped", unknown_fields_are_skipped},
    {"malformed is refused", malformed_is_refused},
    {"bad strings are not sent", bad_strings_are_not_sent},
    {"nesting is limited", nesting_is_limited},
    {"damaged messages do no harm", damaged_messages_do_no_harm},
    {"out of memory", out_of_memory},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("pb", tests, argc, argv);
}
