#include "nvlist.h"

#include <inttypes.h>
#include <stdio.h>

#include "little.h"

#define LIST_HEADER  12u
#define PAIR_HEADER  16u
#define NATIVE       0
#define LITTLE       1
#define UNIQUE_NAMES 1u

static size_t align(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

static struct zrpc_nvpair *add(struct zrpc_nvlist *l, const char *name, enum zrpc_nvtype type)
{
    struct zrpc_nvpair *p = &l->pairs[l->len];

    if (l->len == ZRPC_NVLIST_MAX || name[0] == '\0' || strlen(name) >= ZRPC_NVLIST_NAME_MAX)
        return NULL;
    for (size_t i = 0; i < l->len; i++)
        if (strcmp(l->pairs[i].name, name) == 0)
            return NULL;
    *p = (struct zrpc_nvpair){.type = type};
    memcpy(p->name, name, strlen(name) + 1);
    l->len++;
    return p;
}

int zrpc_nvlist_put_uint64(struct zrpc_nvlist *l, const char *name, uint64_t value, struct zrpc_error *err)
{
    struct zrpc_nvpair *p = add(l, name, ZRPC_NV_UINT64);

    if (p == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "the nvlist takes no pair %s", name);
    p->number = value;
    return 0;
}

int zrpc_nvlist_put_string(struct zrpc_nvlist *l, const char *name, const char *value, struct zrpc_error *err)
{
    struct zrpc_nvpair *p = strlen(value) < ZRPC_NVLIST_STRING_MAX ? add(l, name, ZRPC_NV_STRING) : NULL;

    if (p == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "the nvlist takes no pair %s", name);
    memcpy(p->string, value, strlen(value) + 1);
    return 0;
}

const struct zrpc_nvpair *zrpc_nvlist_find(const struct zrpc_nvlist *l, const char *name,
                                           enum zrpc_nvtype type)
{
    for (size_t i = 0; i < l->len; i++)
        if (l->pairs[i].type == type && strcmp(l->pairs[i].name, name) == 0)
            return &l->pairs[i];
    return NULL;
}

static size_t pack_pair(const struct zrpc_nvpair *p, uint8_t *out)
{
    size_t name_size = strlen(p->name) + 1, string_size = strlen(p->string) + 1;
    size_t value_at = align(PAIR_HEADER + name_size), size = value_at;

    if (p->type == ZRPC_NV_UINT64)
        size += 8;
    else if (p->type == ZRPC_NV_STRING)
        size += align(string_size);
    memset(out, 0, size);
    zrpc_put_le32(out, (uint32_t)size);
    zrpc_put_le16(out + 4, (uint16_t)name_size);
    zrpc_put_le32(out + 8, p->type == ZRPC_NV_BOOLEAN ? 0 : 1);
    zrpc_put_le32(out + 12, p->type);
    memcpy(out + PAIR_HEADER, p->name, name_size);
    if (p->type == ZRPC_NV_UINT64)
        zrpc_put_le64(out + value_at, p->number);
    else if (p->type == ZRPC_NV_STRING)
        memcpy(out + value_at, p->string, string_size);
    return size;
}

size_t zrpc_nvlist_pack(const struct zrpc_nvlist *l, uint8_t out[static ZRPC_NVLIST_PACKED_MAX])
{
    size_t at = LIST_HEADER;

    memset(out, 0, LIST_HEADER);
    out[0] = NATIVE;
    out[1] = LITTLE;
    zrpc_put_le32(out + 8, UNIQUE_NAMES);
    for (size_t i = 0; i < l->len; i++)
        at += pack_pair(&l->pairs[i], out + at);
    zrpc_put_le32(out + at, 0);
    return at + 4;
}

/* A string that fills its field up to zeros, and is printable. */
static bool take_string(struct zrpc_view field, char *out, size_t out_size)
{
    size_t len = strnlen((const char *)field.data, field.len);

    if (len == 0 || len == field.len || len >= out_size)
        return false;
    for (size_t i = 0; i < len; i++)
        if (field.data[i] < ' ' || field.data[i] > '~')
            return false;
    memcpy(out, field.data, len);
    out[len] = '\0';
    return true;
}

/* A pair that has all the bytes it says. */
static bool take_pair(struct zrpc_view in, struct zrpc_nvlist *l)
{
    size_t name_size = zrpc_get_le16(in.data + 4), value_at = align(PAIR_HEADER + name_size);
    uint32_t type = zrpc_get_le32(in.data + 12);
    uint8_t again[ZRPC_NVLIST_NAME_MAX + ZRPC_NVLIST_STRING_MAX + PAIR_HEADER];
    char name[ZRPC_NVLIST_NAME_MAX];
    struct zrpc_nvpair *p;

    if (in.len > sizeof again || name_size > ZRPC_NVLIST_NAME_MAX || value_at > in.len ||
        !take_string(zrpc_view(in.data + PAIR_HEADER, name_size), name, sizeof name))
        return false;
    p = add(l, name, (enum zrpc_nvtype)type);
    if (p == NULL)
        return false;
    if (type == ZRPC_NV_UINT64 && in.len == value_at + 8)
        p->number = zrpc_get_le64(in.data + value_at);
    else if (type == ZRPC_NV_STRING &&
             !take_string(zrpc_view(in.data + value_at, in.len - value_at), p->string, sizeof p->string))
        return false;
    /* Sizes, elements, padding and type are right if they are what packing makes. */
    return (type == ZRPC_NV_UINT64 || type == ZRPC_NV_STRING || type == ZRPC_NV_BOOLEAN) &&
           zrpc_view_equal(in, zrpc_view(again, pack_pair(p, again)));
}

static bool unpack(struct zrpc_view in, struct zrpc_nvlist *out)
{
    static const uint8_t header[LIST_HEADER] = {NATIVE, LITTLE, 0, 0, 0, 0, 0, 0, UNIQUE_NAMES};

    if (in.len < LIST_HEADER || memcmp(zrpc_view_take(&in, LIST_HEADER).data, header, LIST_HEADER) != 0)
        return false;
    while (in.len >= 4) {
        uint32_t size = zrpc_get_le32(in.data);

        if (size == 0)
            return in.len == 4;
        if (size < PAIR_HEADER || size > in.len || !take_pair(zrpc_view_take(&in, size), out))
            return false;
    }
    return false;
}

int zrpc_nvlist_unpack(struct zrpc_view in, struct zrpc_nvlist *out, struct zrpc_error *err)
{
    *out = (struct zrpc_nvlist){.len = 0};
    return unpack(in, out) ? 0 : zrpc_fail(err, ZRPC_ERR_ZFS, "malformed nvlist");
}

int zrpc_nvlist_print(const struct zrpc_nvlist *l, struct zrpc_buf *out, struct zrpc_error *err)
{
    char line[ZRPC_NVLIST_NAME_MAX + ZRPC_NVLIST_STRING_MAX + 8];
    int rc = zrpc_buf_append(out, zrpc_view_of("nvlist version: 0\n"), err);

    for (size_t i = 0; rc == 0 && i < l->len; i++) {
        const struct zrpc_nvpair *p = &l->pairs[i];

        if (p->type == ZRPC_NV_UINT64)
            snprintf(line, sizeof line, "\t%s = 0x%" PRIx64 "\n", p->name, p->number);
        else
            snprintf(line, sizeof line, "\t%s = %s\n", p->name, p->type == ZRPC_NV_STRING ? p->string : "1");
        rc = zrpc_buf_append(out, zrpc_view_of(line), err);
    }
    return rc;
}
