/*
 * Where the records of a send stream end (zfs_ioctl.h: dmu_replay_record), so that a receive takes no byte
 * behind the last one: whoever feeds it may keep the pipe open, or send something else after it. Sans-I/O.
 * Whether the stream is right is not looked at.
 */
#ifndef SIM_CMD_ZFS_RECORDS_H
#define SIM_CMD_ZFS_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECORD_SIZE = 312 };

struct records {
    uint8_t head[RECORD_SIZE];
    size_t have;      /* of the head */
    uint64_t payload; /* bytes still to come behind it */
    bool begun, swapped, ended;
};

/* How many bytes there are at least before the stream's end; 0: it is over. */
uint64_t records_safe(const struct records *r);
/* n <= records_safe() bytes of it. */
void records_feed(struct records *r, const uint8_t *bytes, size_t n);
/* Numbers in the stream's byte order. */
uint32_t records_u32(const struct records *r, size_t offset);
uint64_t records_u64(const struct records *r, size_t offset);

#endif
