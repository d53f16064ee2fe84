/*
 * Name-value lists in the native packed form of libnvpair, as far as send streams and resume tokens need
 * them:
 *
 *     encoding u8 (0: native), endian u8 (1: little), 0 u16, version u32 (0), flags u32 (1: unique names)
 *     each pair: size i32, name size i16, 0 i16, elements i32, type i32, name, value; both padded to 8 bytes
 *     0 i32
 *
 * Little-endian, and nothing else is read, as little-endian hosts do.
 */
#ifndef SIM_ZFS_NVLIST_H
#define SIM_ZFS_NVLIST_H

#include "zrpc/bytes.h"

#define ZRPC_NVLIST_MAX        16 /* pairs */
#define ZRPC_NVLIST_NAME_MAX   32 /* with the terminating zero, ... */
#define ZRPC_NVLIST_STRING_MAX 256
#define ZRPC_NVLIST_PACKED_MAX (16 + ZRPC_NVLIST_MAX * (16 + ZRPC_NVLIST_NAME_MAX + ZRPC_NVLIST_STRING_MAX))

enum zrpc_nvtype { ZRPC_NV_BOOLEAN = 1, ZRPC_NV_UINT64 = 8, ZRPC_NV_STRING = 9 };

struct zrpc_nvpair {
    char name[ZRPC_NVLIST_NAME_MAX];
    enum zrpc_nvtype type; /* BOOLEAN: the pair is there, and that is all */
    uint64_t number;
    char string[ZRPC_NVLIST_STRING_MAX];
};

/* All-zero is empty. */
struct zrpc_nvlist {
    struct zrpc_nvpair pairs[ZRPC_NVLIST_MAX];
    size_t len;
};

/* A name must fit and be new; a value must fit. ZRPC_ERR_USAGE otherwise, or when the list is full. */
int zrpc_nvlist_put_uint64(struct zrpc_nvlist *l, const char *name, uint64_t value, struct zrpc_error *err);
int zrpc_nvlist_put_string(struct zrpc_nvlist *l, const char *name, const char *value,
                           struct zrpc_error *err);
/* NULL if there is none of that name and type. */
const struct zrpc_nvpair *zrpc_nvlist_find(const struct zrpc_nvlist *l, const char *name,
                                           enum zrpc_nvtype type);

/* Returns the size. */
size_t zrpc_nvlist_pack(const struct zrpc_nvlist *l, uint8_t out[static ZRPC_NVLIST_PACKED_MAX]);
/* ZRPC_ERR_ZFS for everything that pack does not make: other types, too many pairs, what is not printable in
 * a string, anything behind the end. */
int zrpc_nvlist_unpack(struct zrpc_view in, struct zrpc_nvlist *out, struct zrpc_error *err);
/* Appends what libnvpair prints: "nvlist version: 0\n", and "\tNAME = VALUE\n" for each pair. */
int zrpc_nvlist_print(const struct zrpc_nvlist *l, struct zrpc_buf *out, struct zrpc_error *err);

#endif
