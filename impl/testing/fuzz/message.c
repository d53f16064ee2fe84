/* Protobuf messages: what decodes also encodes, and then decodes to the same. */
#include "testing/fuzz/fuzz.h"

#include "zrepl_v1.pb-c.h"
#include "zrpc/pb.h"

static const ProtobufCMessageDescriptor *const messages[] = {
    &zrpc__pb__list_filesystem_res__descriptor,
    &zrpc__pb__list_filesystem_versions_req__descriptor,
    &zrpc__pb__list_filesystem_versions_res__descriptor,
    &zrpc__pb__send_req__descriptor,
    &zrpc__pb__send_res__descriptor,
    &zrpc__pb__receive_req__descriptor,
    &zrpc__pb__destroy_snapshots_req__descriptor,
    &zrpc__pb__destroy_snapshots_res__descriptor,
    &zrpc__pb__replication_cursor_req__descriptor,
    &zrpc__pb__replication_cursor_res__descriptor,
    &zrpc__pb__ping_req__descriptor,
    &zrpc__pb__ping_res__descriptor,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zrpc_view in = zrpc_view(data, size);
    const ProtobufCMessageDescriptor *d = messages[fuzz_byte(&in) % (sizeof messages / sizeof messages[0])];
    struct zrpc_buf first = {0}, second = {0};
    ProtobufCMessage *msg, *again;
    int rc = zrpc_pb_decode(d, in, &msg, NULL);

    REQUIRE(rc == 0 || rc == ZRPC_ERR_MESSAGE);
    if (rc < 0)
        return 0;
    REQUIRE(zrpc_pb_encode(msg, &first, NULL) == 0);
    REQUIRE(zrpc_pb_decode(d, zrpc_buf_view(&first), &again, NULL) == 0);
    REQUIRE(zrpc_pb_encode(again, &second, NULL) == 0);
    REQUIRE(zrpc_view_equal(zrpc_buf_view(&first), zrpc_buf_view(&second)));
    zrpc_buf_dispose(&first);
    zrpc_buf_dispose(&second);
    protobuf_c_message_free_unpacked(msg, NULL);
    protobuf_c_message_free_unpacked(again, NULL);
    return 0;
}
