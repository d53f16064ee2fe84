#include "token.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "nvlist.h"

#define VERSION        1u
#define LEVEL          6 /* zlib's; the same bytes as the kernel's */
#define COMPRESSED_MAX (ZRPC_TOKEN_MAX / 2)

/* The checksum of the whole words, as fletcher_4_native_varsize() has it. */
static uint64_t checksum_of(const uint8_t *data, size_t len)
{
    struct zrpc_sim_fletcher4 f = {0};

    zrpc_sim_fletcher4_update(&f, data, len);
    return f.sum[0];
}

static int make_list(const struct zrpc_token *t, struct zrpc_nvlist *l, struct zrpc_error *err)
{
    int rc = t->from_guid == 0 ? 0 : zrpc_nvlist_put_uint64(l, "fromguid", t->from_guid, err);

    if (rc == 0)
        rc = zrpc_nvlist_put_uint64(l, "object", t->point.object, err);
    if (rc == 0)
        rc = zrpc_nvlist_put_uint64(l, "offset", t->point.offset, err);
    if (rc == 0)
        rc = zrpc_nvlist_put_uint64(l, "bytes", t->point.bytes, err);
    if (rc == 0)
        rc = zrpc_nvlist_put_uint64(l, "toguid", t->to_guid, err);
    if (rc == 0)
        rc = zrpc_nvlist_put_string(l, "toname", t->toname, err);
    return rc;
}

int zrpc_token_encode(const struct zrpc_token *t, struct zrpc_buf *out, struct zrpc_error *err)
{
    uint8_t packed[ZRPC_NVLIST_PACKED_MAX], compressed[COMPRESSED_MAX];
    char text[ZRPC_TOKEN_MAX + 64];
    uLongf compressed_len = sizeof compressed;
    struct zrpc_nvlist l = {.len = 0};
    size_t packed_len;
    int rc = make_list(t, &l, err), len;

    if (rc != 0)
        return rc;
    packed_len = zrpc_nvlist_pack(&l, packed);
    if (compress2(compressed, &compressed_len, packed, packed_len, LEVEL) != Z_OK)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for a resume token");
    len = snprintf(text, sizeof text, "%u-%" PRIx64 "-%zx-", VERSION, checksum_of(compressed, compressed_len),
                   packed_len);
    for (size_t i = 0; i < compressed_len; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%02x", compressed[i]);
    return zrpc_buf_append(out, zrpc_view(text, (size_t)len + 1), err);
}

static int corrupt(struct zrpc_error *err, const char *why)
{
    return zrpc_fail(err, ZRPC_ERR_ZFS, "resume token is corrupt (%s)", why);
}

/* A number up to the '-' that follows it. */
static bool take_number(const char **at, int base, uint64_t *out)
{
    char *end;

    if (!isxdigit((unsigned char)**at))
        return false;
    errno = 0;
    *out = strtoull(*at, &end, base);
    if (errno != 0 || *end != '-')
        return false;
    *at = end + 1;
    return true;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, tolower((unsigned char)c));

    return at == NULL ? -1 : (int)(at - digits);
}

static bool take_hex(const char *at, uint8_t out[static COMPRESSED_MAX], size_t *len)
{
    for (*len = 0; *at != '\0'; at += 2, (*len)++) {
        int high = hex_digit(at[0]), low = high < 0 ? -1 : hex_digit(at[1]);

        if (low < 0 || *len == COMPRESSED_MAX)
            return false;
        out[*len] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static int take_list(const char *text, struct zrpc_nvlist *out, struct zrpc_error *err)
{
    uint8_t packed[ZRPC_NVLIST_PACKED_MAX], compressed[COMPRESSED_MAX];
    uint64_t version, checksum, packed_len;
    uLongf unpacked = sizeof packed;
    size_t len;

    if (strnlen(text, ZRPC_TOKEN_MAX + 1) > ZRPC_TOKEN_MAX || !take_number(&text, 10, &version) ||
        !take_number(&text, 16, &checksum) || !take_number(&text, 16, &packed_len))
        return corrupt(err, "invalid format");
    if (version != VERSION)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "resume token is corrupt (invalid version %" PRIu64 ")", version);
    if (!take_hex(text, compressed, &len))
        return corrupt(err, "payload is not hex-encoded");
    if (checksum_of(compressed, len) != checksum)
        return corrupt(err, "incorrect checksum");
    if (uncompress(packed, &unpacked, compressed, len) != Z_OK || unpacked != packed_len)
        return corrupt(err, "decompression failed");
    if (zrpc_nvlist_unpack(zrpc_view(packed, unpacked), out, NULL) != 0)
        return corrupt(err, "nvlist_unpack failed");
    return 0;
}

static bool find_number(const struct zrpc_nvlist *l, const char *name, uint64_t *out)
{
    const struct zrpc_nvpair *p = zrpc_nvlist_find(l, name, ZRPC_NV_UINT64);

    if (p != NULL)
        *out = p->number;
    return p != NULL;
}

int zrpc_token_decode(const char *text, struct zrpc_token *out, struct zrpc_error *err)
{
    const struct zrpc_nvpair *toname;
    struct zrpc_nvlist l;
    int rc = take_list(text, &l, err);

    *out = (struct zrpc_token){.from_guid = 0};
    if (rc != 0)
        return rc;
    toname = zrpc_nvlist_find(&l, "toname", ZRPC_NV_STRING);
    if (toname == NULL || !find_number(&l, "object", &out->point.object) ||
        !find_number(&l, "offset", &out->point.offset) || !find_number(&l, "bytes", &out->point.bytes) ||
        !find_number(&l, "toguid", &out->to_guid))
        return zrpc_fail(err, ZRPC_ERR_ZFS, "resume token is corrupt");
    find_number(&l, "fromguid", &out->from_guid);
    memcpy(out->toname, toname->string, sizeof out->toname);
    return zrpc_sendstream_toname_check(out->toname) ? 0 : corrupt(err, "bad snapshot name");
}

int zrpc_token_print(const char *text, struct zrpc_buf *out, struct zrpc_error *err)
{
    struct zrpc_nvlist l;
    int rc = take_list(text, &l, err);

    if (rc == 0)
        rc = zrpc_buf_append(out, zrpc_view_of("resume token contents:\n"), err);
    return rc == 0 ? zrpc_nvlist_print(&l, out, err) : rc;
}
