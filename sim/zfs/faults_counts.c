#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "sim/zfs/faults_internal.h"

static const char passed[] = "passed", struck[] = "struck";

struct zrpc_zfs_count *zrpc_zfs_counts_of(struct zrpc_zfs_counts *c, size_t fault, const char *fs,
                                          struct zrpc_error *err)
{
    struct zrpc_zfs_count *grown;

    for (size_t i = 0; i < c->len; i++)
        if (c->items[i].fault == fault && strcmp(c->items[i].filesystem, fs) == 0)
            return &c->items[i];
    if (c->len == c->cap) {
        grown = reallocarray(c->items, c->cap + 32, sizeof *grown);
        if (grown == NULL) {
            zrpc_fail(err, ZRPC_ERR_NOMEM, "out of memory for counting faults");
            return NULL;
        }
        c->items = grown;
        c->cap += 32;
    }
    c->items[c->len] = (struct zrpc_zfs_count){.fault = fault};
    snprintf(c->items[c->len].filesystem, sizeof c->items->filesystem, "%s", fs);
    return &c->items[c->len++];
}

int zrpc_zfs_counts_add(struct zrpc_zfs_counts *c, struct zrpc_zfs_count *count, bool strikes,
                        struct zrpc_error *err)
{
    char line[ZRPC_ZFS_NAME_MAX + 64];
    int len;

    count->seen++;
    count->struck += strikes;
    if (c->fd < 0)
        return 0;
    len = snprintf(line, sizeof line, "%zu %s %s\n", count->fault + 1, strikes ? struck : passed,
                   count->filesystem);
    return zrpc_buf_append(&c->log, zrpc_view(line, (size_t)len), err);
}

/* One line of the file: NUMBER struck|passed FILESYSTEM. The end of the line is a zero. */
static int take(struct zrpc_zfs_counts *c, const char *line, struct zrpc_error *err)
{
    struct zrpc_zfs_count *count;
    char word[8];
    size_t fault;
    int fs = 0;

    if (sscanf(line, "%zu %7s %n", &fault, word, &fs) != 2 || fs == 0 || fault == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "the faults' counts: expected NUMBER struck|passed FILESYSTEM, found \"%s\"", line);
    count = zrpc_zfs_counts_of(c, fault - 1, line + fs, err);
    if (count == NULL)
        return ZRPC_ERR_NOMEM;
    count->seen++;
    count->struck += strcmp(word, struck) == 0;
    return 0;
}

static int take_lines(struct zrpc_zfs_counts *c, struct zrpc_buf *text, struct zrpc_error *err)
{
    uint8_t *end;
    int rc = 0;

    while (rc == 0 && text->len > 0 && (end = memchr(text->base + text->off, '\n', text->len)) != NULL) {
        size_t len = (size_t)(end - (text->base + text->off)) + 1;

        *end = '\0';
        rc = take(c, (const char *)text->base + text->off, err);
        zrpc_buf_consume(text, len);
        c->read += len;
    }
    return rc;
}

static int catch_up(struct zrpc_zfs_counts *c, struct zrpc_error *err)
{
    struct zrpc_buf text = {0};
    char piece[4096];
    uint64_t at = c->read;
    ssize_t n;
    int rc = 0;

    while (rc == 0 && (n = pread(c->fd, piece, sizeof piece, (off_t)at)) != 0) {
        if (n < 0) {
            rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "cannot read the faults' counts");
            break;
        }
        at += (uint64_t)n;
        rc = zrpc_buf_append(&text, zrpc_view(piece, (size_t)n), err);
        if (rc == 0)
            rc = take_lines(c, &text, err);
    }
    zrpc_buf_dispose(&text);
    return rc;
}

int zrpc_zfs_counts_begin(struct zrpc_zfs_counts *c, struct zrpc_error *err)
{
    zrpc_buf_clear(&c->log);
    if (c->fd < 0)
        return 0;
    while (flock(c->fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "cannot lock the faults' counts");
    return catch_up(c, err);
}

int zrpc_zfs_counts_commit(struct zrpc_zfs_counts *c, int rc, struct zrpc_error *err)
{
    if (c->fd < 0)
        return rc;
    if (rc == 0 && c->log.len > 0) {
        /* At what was read: a line that a killed process wrote in part goes. */
        ssize_t n = ftruncate(c->fd, (off_t)c->read) != 0
                        ? -1
                        : pwrite(c->fd, c->log.base + c->log.off, c->log.len, (off_t)c->read);

        if (n == (ssize_t)c->log.len)
            c->read += c->log.len;
        else
            rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, n < 0 ? errno : ENOSPC,
                                 "cannot write the faults' counts");
    }
    flock(c->fd, LOCK_UN);
    return rc;
}

void zrpc_zfs_counts_dispose(struct zrpc_zfs_counts *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->items);
    zrpc_buf_dispose(&c->log);
}
