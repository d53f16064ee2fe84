#include "zrpc/wire.h"

#include <string.h>

int zrpc_identity_check(const char *identity, struct zrpc_error *err)
{
    static const char forbidden[] =
        "/@#|<>*"
        "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"
        "\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f";
    size_t len = strlen(identity), at = strcspn(identity, forbidden);

    if (len == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "client identity: must not be empty");
    if (strcmp(identity, ".") == 0 || strcmp(identity, "..") == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "client identity \"%s\": not a dataset path component",
                         identity);
    if (at < len && (unsigned char)identity[at] > ' ' && identity[at] != 0x7f)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "client identity \"%s\": must not contain '%c'", identity,
                         identity[at]);
    if (at < len)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "client identity \"%.*s...\": must not contain byte 0x%02x",
                         (int)at, identity, (unsigned)identity[at]);
    if (len >= ZRPC_IDENTITY_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "client identity \"%.32s...\": %zu bytes, at most %d", identity,
                         len, ZRPC_IDENTITY_MAX - 1);
    return 0;
}
