/*
 * The stream of a simulated send. Sans-I/O: the writer is asked for bytes, the reader is fed with them.
 *
 *     begin   magic u64, version u32, flags u32 (1: incremental), to guid u64, from guid u64, creation i64,
 *             content length u64, snapshot name char[256], checksum u64[4]
 *     extent  1 u32, 0 u32, seed u64, length u64, checksum u64[4]; then the content, zero-padded to 8 bytes
 *     ...
 *     end     2 u32, 0 u32, extents u64, content length u64, checksum u64[4]
 *
 * Numbers are big-endian. Each checksum is the fletcher-4 of all bytes of the stream before it. Content is
 * what the seed makes of it (content.h), so the reader checks every byte as it comes, and keeps none.
 */
#ifndef SIM_ZFS_STREAM_H
#define SIM_ZFS_STREAM_H

#include "sim/zfs/content.h"
#include "zrpc/zfs.h"

#define ZRPC_SIM_BEGIN_SIZE  336u /* bytes of a record */
#define ZRPC_SIM_RECORD_SIZE 56u

struct zrpc_sim_begin {
    uint64_t to_guid;
    uint64_t from_guid; /* 0: a full stream */
    int64_t creation;
    char snapshot[ZRPC_ZFS_NAME_MAX];
};

/* The bytes of a stream with these extents. */
uint64_t zrpc_sim_stream_length(const struct zrpc_sim_extents *extents);

struct zrpc_sim_writer {
    struct zrpc_sim_extents extents;
    struct zrpc_sim_fletcher4 checksum;
    uint8_t record[ZRPC_SIM_BEGIN_SIZE]; /* being written; content stands between records */
    size_t record_len, record_sent;
    size_t next;             /* the extent whose record comes next */
    uint64_t content_offset; /* within the extent before it */
    bool ended;              /* the end record is made */
};

/* Takes the extents over, also when it fails. */
int zrpc_sim_writer_init(struct zrpc_sim_writer *w, const struct zrpc_sim_begin *begin,
                         struct zrpc_sim_extents extents, struct zrpc_error *err);
void zrpc_sim_writer_dispose(struct zrpc_sim_writer *w);
/* The next bytes, at most len. 0: that was all. */
size_t zrpc_sim_writer_read(struct zrpc_sim_writer *w, void *out, size_t len);

enum zrpc_sim_reader_event {
    ZRPC_SIM_MORE = 0, /* all of the input is consumed */
    ZRPC_SIM_BEGUN,    /* `begin` is complete and checked; there may be input left */
};

struct zrpc_sim_reader {
    struct zrpc_sim_begin begin;
    struct zrpc_sim_extents extents; /* what has been received; the caller may take them after the end */
    struct zrpc_sim_fletcher4 checksum;
    uint64_t length; /* the content length the begin record announces */
    uint8_t record[ZRPC_SIM_BEGIN_SIZE];
    size_t record_len;
    uint64_t content_offset; /* within the last extent */
    enum { ZRPC_SIM_IN_BEGIN, ZRPC_SIM_IN_RECORD, ZRPC_SIM_IN_CONTENT, ZRPC_SIM_ENDED } state;
};

/* All-zero is ready to be fed. */
void zrpc_sim_reader_dispose(struct zrpc_sim_reader *r);
/* Consumes from *in. An enum zrpc_sim_reader_event, or ZRPC_ERR_ZFS: "invalid stream (bad magic number)",
 * "invalid stream (checksum mismatch)", ...; the reader is of no more use then. */
int zrpc_sim_reader_feed(struct zrpc_sim_reader *r, struct zrpc_view *in, struct zrpc_error *err);
/* No more will come: 0, or ZRPC_ERR_ZFS "incomplete stream". */
int zrpc_sim_reader_finish(const struct zrpc_sim_reader *r, struct zrpc_error *err);

#endif
