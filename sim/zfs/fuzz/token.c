/* Resume tokens and the lists in them: what is taken is what would have been made. The first byte says
 * whether the rest is a token's text, a list, or a list that a token is made of. */
#include "testing/fuzz/fuzz.h"

#include <stdio.h>
#include <zlib.h>

#include "sim/zfs/nvlist.h"
#include "sim/zfs/token.h"

static void check_token(const char *text)
{
    struct zrpc_buf out = {0}, printed = {0};
    struct zrpc_token t, again;
    struct zrpc_error err;
    int rc = zrpc_token_decode(text, &t, &err);

    REQUIRE(rc == 0 || rc == ZRPC_ERR_ZFS);
    REQUIRE(rc != 0 || zrpc_token_print(text, &printed, NULL) == 0);
    if (rc == 0) {
        REQUIRE(zrpc_sendstream_toname_check(t.toname));
        REQUIRE(zrpc_token_encode(&t, &out, NULL) == 0);
        REQUIRE(zrpc_token_decode((const char *)zrpc_buf_view(&out).data, &again, NULL) == 0);
        REQUIRE(strcmp(t.toname, again.toname) == 0 && t.to_guid == again.to_guid);
        REQUIRE(t.from_guid == again.from_guid && memcmp(&t.point, &again.point, sizeof t.point) == 0);
    }
    zrpc_buf_dispose(&printed);
    zrpc_buf_dispose(&out);
}

static void check_list(struct zrpc_view in)
{
    uint8_t packed[ZRPC_NVLIST_PACKED_MAX];
    struct zrpc_nvlist l;
    struct zrpc_buf out = {0};

    if (zrpc_nvlist_unpack(in, &l, NULL) != 0)
        return;
    REQUIRE(l.len <= ZRPC_NVLIST_MAX);
    REQUIRE(zrpc_view_equal(zrpc_view(packed, zrpc_nvlist_pack(&l, packed)), in));
    REQUIRE(zrpc_nvlist_print(&l, &out, NULL) == 0);
    zrpc_buf_dispose(&out);
}

static void check_token_of(struct zrpc_view in)
{
    uint8_t compressed[2048];
    uLongf len = sizeof compressed;
    char text[2 * sizeof compressed + 64];
    struct zrpc_sim_fletcher4 f = {0};
    int n;

    if (compress(compressed, &len, in.data, in.len) != Z_OK)
        return;
    zrpc_sim_fletcher4_update(&f, compressed, len);
    n = snprintf(text, sizeof text, "1-%llx-%zx-", (unsigned long long)f.sum[0], in.len);
    for (size_t i = 0; i < len; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%02x", compressed[i]);
    check_token(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zrpc_view in = zrpc_view(data, size);
    uint8_t how = fuzz_byte(&in) % 3;
    char *text;

    if (how == 1) {
        check_list(in);
    } else if (how == 2) {
        check_token_of(in);
    } else {
        text = strndup((const char *)in.data, in.len);
        if (text != NULL)
            check_token(text);
        free(text);
    }
    return 0;
}
