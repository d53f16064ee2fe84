#include "zrpc/wire.h"

#include <string.h>

int zrpc_identity_check(const char *identity, struct zrpc_error *err)
{
    static const char forbidden[] = "/@#|<>*\t";
    size_t len = strlen(identity), at = strcspn(identity, forbidden);

    if (len == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "client identity: must not be empty");
    if (strcmp(identity, ".") == 0 || strcmp(identity, "..") == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "client identity \"%s\": not a dataset path component",
                         identity);
    if (at < len)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "client identity \"%s\": must not contain %s", identity,
                         identity[at] == '\t' ? "a tab" : (char[]){'\'', identity[at], '\'', '\0'});
    if (len >= ZRPC_IDENTITY_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "client identity \"%.32s...\": %zu bytes, at most %d", identity,
                         len, ZRPC_IDENTITY_MAX - 1);
    return 0;
}
