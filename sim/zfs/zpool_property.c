#include "zpool_internal.h"

#define FS   ZRPC_ZPOOL_FILESYSTEM
#define VOL  ZRPC_ZPOOL_VOLUME
#define SNAP ZRPC_ZPOOL_SNAPSHOT
#define BOOK ZRPC_ZPOOL_BOOKMARK
#define BOTH (FS | VOL)
#define REAL (FS | VOL | SNAP)

#define ON_OFF "on | off"

/* A figure of the pool's, that nobody sets. */
#define FIGURE(name, short_name, kind, types)                               \
    {                                                                       \
        name, short_name, ZRPC_ZPOOL_##kind, types, true, false, NULL, NULL \
    }
/* A setting that children inherit. */
#define INHERITED(name, short_name, types, values, initial)                    \
    {                                                                          \
        name, short_name, ZRPC_ZPOOL_TEXT, types, false, true, values, initial \
    }
/* A setting of the dataset alone. */
#define OWN(name, kind, types, values, initial)                             \
    {                                                                       \
        name, NULL, ZRPC_ZPOOL_##kind, types, false, false, values, initial \
    }
#define SIZE(name, short_name, types, initial)                               \
    {                                                                        \
        name, short_name, ZRPC_ZPOOL_SIZE, types, false, true, NULL, initial \
    }
/* Decided when a dataset is made: always the same here. */
#define FIXED(name, types, initial)                                   \
    {                                                                 \
        name, NULL, ZRPC_ZPOOL_TEXT, types, true, true, NULL, initial \
    }

#define COMPRESSION                                                                                     \
    "on | off | lzjb | gzip | gzip-1 | gzip-2 | gzip-3 | gzip-4 | gzip-5 | gzip-6 | gzip-7 | gzip-8 | " \
    "gzip-9 | zle | lz4 | zstd | zstd-fast"
#define CHECKSUMS "on | off | fletcher2 | fletcher4 | sha256 | noparity | sha512 | skein | edonr | blake3"

static const struct zrpc_zpool_property properties[] = {
    FIGURE("type", NULL, TEXT, REAL | BOOK),
    FIGURE("creation", NULL, TIME, REAL | BOOK),
    FIGURE("used", NULL, SIZE, REAL),
    FIGURE("available", "avail", SIZE, BOTH),
    FIGURE("referenced", "refer", SIZE, REAL | BOOK),
    FIGURE("compressratio", "ratio", RATIO, REAL),
    FIGURE("mounted", NULL, TEXT, FS),
    OWN("quota", SIZE, FS, NULL, "0"),
    OWN("reservation", SIZE, BOTH, NULL, "0"),
    OWN("volsize", SIZE, VOL | SNAP, NULL, NULL),
    {"volblocksize", "volblock", ZRPC_ZPOOL_SIZE, VOL, true, false, NULL, "16384"},
    SIZE("recordsize", "recsize", FS, "131072"),
    INHERITED("mountpoint", NULL, FS, NULL, NULL),
    INHERITED("sharenfs", NULL, FS, NULL, "off"),
    INHERITED("checksum", NULL, BOTH, CHECKSUMS, "on"),
    INHERITED("compression", "compress", BOTH, COMPRESSION, "on"),
    INHERITED("atime", NULL, FS, ON_OFF, "on"),
    INHERITED("devices", NULL, FS | SNAP, ON_OFF, "on"),
    INHERITED("exec", NULL, FS | SNAP, ON_OFF, "on"),
    INHERITED("setuid", NULL, FS | SNAP, ON_OFF, "on"),
    INHERITED("readonly", "rdonly", BOTH, ON_OFF, "off"),
    INHERITED("zoned", NULL, FS, ON_OFF, "off"),
    INHERITED("snapdir", NULL, FS, "disabled | hidden | visible", "hidden"),
    INHERITED("aclmode", NULL, FS, "discard | groupmask | passthrough | restricted", "discard"),
    INHERITED("aclinherit", NULL, FS, "discard | noallow | restricted | passthrough | passthrough-x",
              "restricted"),
    FIGURE("createtxg", NULL, NUMBER, REAL | BOOK),
    OWN("canmount", TEXT, FS, "off | on | noauto", "on"),
    INHERITED("xattr", NULL, FS | SNAP, "off | on | dir | sa", "sa"),
    INHERITED("copies", NULL, BOTH, "1 | 2 | 3", "1"),
    OWN("version", TEXT, FS | SNAP, "1 | 2 | 3 | 4 | 5 | current", "5"),
    FIXED("utf8only", FS | SNAP, "off"),
    FIXED("normalization", FS | SNAP, "none"),
    FIXED("casesensitivity", FS | SNAP, "sensitive"),
    INHERITED("vscan", NULL, FS, ON_OFF, "off"),
    INHERITED("nbmand", NULL, FS | SNAP, ON_OFF, "off"),
    INHERITED("sharesmb", NULL, FS, NULL, "off"),
    OWN("refquota", SIZE, FS, NULL, "0"),
    OWN("refreservation", SIZE, BOTH, NULL, "0"),
    FIGURE("guid", NULL, NUMBER, REAL | BOOK),
    INHERITED("primarycache", NULL, REAL, "all | none | metadata", "all"),
    INHERITED("secondarycache", NULL, REAL, "all | none | metadata", "all"),
    FIGURE("usedbysnapshots", "usedsnap", SIZE, BOTH),
    FIGURE("usedbydataset", "usedds", SIZE, BOTH),
    FIGURE("usedbychildren", "usedchild", SIZE, BOTH),
    FIGURE("usedbyrefreservation", "usedrefreserv", SIZE, BOTH),
    INHERITED("logbias", NULL, BOTH, "latency | throughput", "latency"),
    FIGURE("objsetid", NULL, NUMBER, REAL),
    INHERITED("dedup", NULL, BOTH,
              "on | off | verify | sha256 | sha256,verify | sha512 | skein | edonr,verify", "off"),
    INHERITED("sync", NULL, BOTH, "standard | always | disabled", "standard"),
    INHERITED("dnodesize", "dnsize", FS, "legacy | auto | 1k | 2k | 4k | 8k | 16k", "legacy"),
    FIGURE("refcompressratio", "refratio", RATIO, REAL),
    FIGURE("written", NULL, SIZE, REAL),
    FIGURE("logicalused", "lused", SIZE, BOTH),
    FIGURE("logicalreferenced", "lrefer", SIZE, REAL),
    INHERITED("volmode", NULL, VOL, "default | full | geom | dev | none", "default"),
    INHERITED("snapdev", NULL, BOTH, "hidden | visible", "hidden"),
    INHERITED("acltype", NULL, FS | SNAP, "off | nfsv4 | posix", "off"),
    INHERITED("context", NULL, REAL, NULL, "none"),
    INHERITED("relatime", NULL, FS, ON_OFF, "on"),
    INHERITED("redundant_metadata", "redundantmeta", BOTH, "all | most | some | none", "all"),
    INHERITED("overlay", NULL, FS, ON_OFF, "on"),
    FIXED("encryption", REAL, "off"),
    FIXED("keylocation", BOTH, "none"),
    FIXED("keyformat", REAL, "none"),
    SIZE("special_small_blocks", NULL, FS, "0"),
    FIGURE("userrefs", NULL, NUMBER, SNAP),
    FIGURE("defer_destroy", NULL, TEXT, SNAP),
    FIGURE("receive_resume_token", NULL, TEXT, BOTH),
};

const struct zrpc_zpool_property *zrpc_zpool_properties(size_t *n)
{
    *n = sizeof properties / sizeof properties[0];
    return properties;
}

const struct zrpc_zpool_property *zrpc_zpool_property_find(const char *name)
{
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        const struct zrpc_zpool_property *at = &properties[i];

        if (strcmp(at->name, name) == 0 || (at->short_name != NULL && strcmp(at->short_name, name) == 0))
            return at;
    }
    return NULL;
}
