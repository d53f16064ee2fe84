/*
 * The stream of a simulated `zfs send`, in the record format of OpenZFS send streams (zfs_ioctl.h:
 * dmu_replay_record), so that `zstream dump` reads it. Sans-I/O: the writer is asked for bytes, the reader is
 * fed with them.
 *
 *     BEGIN                        magic, features, creation, guids, "pool/fs@snapshot"; resumed streams
 * carry the nvlist {resume_object, resume_offset} behind it FREEOBJECTS 0                full streams that
 * have objects, and are not resumed for each extent: OBJECT n, bonus 16         the bonus is the extent: seed
 * and length, two uint64 FREE n from its end on     what lies behind the last block WRITE n, offset, block
 * blocks of 128 KiB; the block of a shorter extent is as long as that, rounded up to 512; zeros behind the
 * extent FREEOBJECTS n+1 to           the rest of the 32 object numbers that n belongs to END the checksum of
 * all before it
 *
 * An extent's object number is its place in the filesystem's list of extents, counted from 1; an incremental
 * stream goes on where its source ends. Every record but BEGIN closes with the fletcher-4 of all bytes of the
 * stream before that checksum. Content is what the seed makes of it (content.h): the reader compares every
 * byte as it comes, and keeps none.
 */
#ifndef SIM_ZFS_SENDSTREAM_H
#define SIM_ZFS_SENDSTREAM_H

#include "sim/zfs/content.h"
#include "zrpc/bytes.h"
#include "zrpc/zfs.h"

#define ZRPC_SENDSTREAM_RECORD_SIZE  312u
#define ZRPC_SENDSTREAM_BLOCK_MAX    131072u
#define ZRPC_SENDSTREAM_PAYLOAD_MAX  128u /* of BEGIN and OBJECT */
#define ZRPC_SENDSTREAM_FIRST_OBJECT 1u

struct zrpc_sendstream_begin {
    char toname[ZRPC_ZFS_NAME_MAX]; /* FS@SNAPSHOT, as the sender knows it */
    uint64_t to_guid;
    uint64_t from_guid; /* 0: a full stream */
    int64_t creation;
    bool volume;
};

/*
 * Where a stream may be resumed: the last WRITE record that came and was right, which a resumed stream begins
 * with once more, as the real one does. Before the first, ZRPC_SENDSTREAM_START.
 */
struct zrpc_sendstream_point {
    uint64_t object;
    uint64_t offset;
    uint64_t bytes; /* of the whole stream, that record included; 0 at the start */
};

#define ZRPC_SENDSTREAM_START ((struct zrpc_sendstream_point){.object = ZRPC_SENDSTREAM_FIRST_OBJECT})

/* What a stream carries. `extents` are all those between its two ends, also of a stream that is resumed. */
struct zrpc_sendstream {
    struct zrpc_sendstream_begin begin;
    struct zrpc_sim_extents extents;
    uint64_t first_object; /* of the first extent: 1 + how many the source of an incremental stream has */
    bool resumed;          /* goes on from `point` */
    struct zrpc_sendstream_point point;
};

void zrpc_sendstream_dispose(struct zrpc_sendstream *s);
/* The bytes of the stream; from the point on, if it is resumed. */
uint64_t zrpc_sendstream_length(const struct zrpc_sendstream *s);
/* FS@SNAPSHOT of names that zfs allows. */
bool zrpc_sendstream_toname_check(const char *toname);
/* The part of toname behind the '@'. */
const char *zrpc_sendstream_snapshot(const struct zrpc_sendstream_begin *b);

/*
 * Writing.
 */
struct zrpc_sendstream_writer {
    struct zrpc_sendstream stream;
    struct zrpc_sim_fletcher4 checksum;
    uint8_t record[ZRPC_SENDSTREAM_RECORD_SIZE + ZRPC_SENDSTREAM_PAYLOAD_MAX]; /* going out */
    size_t record_len, record_sent;
    uint32_t block_left; /* of the content behind it */
    size_t extent;       /* that content comes from, ... */
    uint64_t offset;     /* ... and where */
    int next;            /* the step that makes the next record */
};

/* Takes the stream over, also when it fails: ZRPC_ERR_USAGE for a name that cannot be, ZRPC_ERR_ZFS for a
 * point that is not in the stream (a resume token comes from a peer). */
int zrpc_sendstream_writer_init(struct zrpc_sendstream_writer *w, struct zrpc_sendstream stream,
                                struct zrpc_error *err);
void zrpc_sendstream_writer_dispose(struct zrpc_sendstream_writer *w);
/* The next bytes, at most len. 0: that was all. */
size_t zrpc_sendstream_writer_read(struct zrpc_sendstream_writer *w, void *out, size_t len);

/*
 * Reading. Bytes of any slicing go in; nothing but what the writer makes of the same content comes through,
 * in either byte order.
 *
 * BEGIN has no checksum of its own: it is known to be right once the record after it is. Then, and before
 * anything of that record counts, feed() answers ZRPC_SENDSTREAM_BEGUN; the caller looks whether it wants the
 * stream, and feeds on, with what is left of the input (which may be nothing). A resumed stream is only read
 * on after zrpc_sendstream_reader_resume().
 */
enum zrpc_sendstream_event {
    ZRPC_SENDSTREAM_MORE = 0, /* all of the input is consumed */
    ZRPC_SENDSTREAM_BEGUN,    /* `stream.begin` and `stream.resumed` are known and checked */
};

/* What failed, in the classes in which zfs-recv(8) speaks of it. */
enum zrpc_sendstream_fault {
    ZRPC_SENDSTREAM_FINE,
    ZRPC_SENDSTREAM_BAD,        /* not a stream that can be received; or a limit, or memory */
    ZRPC_SENDSTREAM_MISMATCH,   /* ECKSUM: "checksum mismatch" */
    ZRPC_SENDSTREAM_INCOMPLETE, /* ZFS_ERR_STREAM_TRUNCATED: "incomplete stream" */
};

struct zrpc_sendstream_reader {
    struct zrpc_sendstream stream; /* extents: as received; the last one may be there in part */
    enum zrpc_sendstream_fault fault;
    struct zrpc_sim_fletcher4 checksum;
    uint64_t before[4]; /* its sum before the record that is being read */
    int state, after;   /* what is being read, and behind which record */
    uint8_t record[ZRPC_SENDSTREAM_RECORD_SIZE + ZRPC_SENDSTREAM_PAYLOAD_MAX];
    size_t record_len, payload_len;     /* received, payload included; and what will come of that */
    struct zrpc_sim_extent announced;   /* by OBJECT; whether that is right, the next record tells */
    bool announced_well;                /* the record and its payload have the form they must have */
    bool again;                         /* the next object is the last one that was saved */
    bool any;                           /* there is a point behind the start */
    struct zrpc_sendstream_point point; /* bytes apart */
    uint64_t offset;                    /* in the last extent */
    uint32_t block_left;                /* content */
};

/* All-zero is ready to be fed. */
void zrpc_sendstream_reader_dispose(struct zrpc_sendstream_reader *r);
/* Consumes from *in. An enum zrpc_sendstream_event, or a failure, after which the reader takes no more, but
 * its point holds: ZRPC_ERR_ZFS with libzfs's text ("invalid stream (bad magic number)", "checksum mismatch",
 * "stream has unsupported feature, feature flags = 400000", ...), ZRPC_ERR_LIMIT, ZRPC_ERR_NOMEM. Anything
 * behind the end is a failure too. */
int zrpc_sendstream_reader_feed(struct zrpc_sendstream_reader *r, struct zrpc_view *in,
                                struct zrpc_error *err);
/* No more will come: 0 if the stream is complete, else ZRPC_ERR_ZFS "incomplete stream", or "failed to read
 * from stream" where not even BEGIN is. */
int zrpc_sendstream_reader_finish(struct zrpc_sendstream_reader *r, struct zrpc_error *err);
/* The stream's END has come. */
bool zrpc_sendstream_reader_ended(const struct zrpc_sendstream_reader *r);

/*
 * Resuming. What to save of a receive that failed: begin, first_object, extents and the point. (point.object
 * tells how many of the extents are needed; more do no harm.)
 */
struct zrpc_sendstream_point zrpc_sendstream_reader_point(const struct zrpc_sendstream_reader *r);
/* After BEGUN: what the earlier receive had saved. Copied. ZRPC_ERR_ZFS if the stream does not go on from
 * there; after a failure, what was saved is still what there is to go on from. */
int zrpc_sendstream_reader_resume(struct zrpc_sendstream_reader *r, const struct zrpc_sendstream *saved,
                                  struct zrpc_error *err);

#endif
