#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "zpool_internal.h"

/*
 * When the process started, in ticks since the machine did: together with its id, it is no other process. -1:
 * there is none, or it is a zombie.
 */
static int64_t start_of(int64_t pid)
{
    char path[64], text[1024];
    const char *at;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    at = strrchr(text, ')'); /* the program's name may have anything in it */
    if (at == NULL || at[1] == '\0' || strchr("ZX", at[2]) != NULL)
        return -1;
    for (int field = 2; field < 22 && at != NULL; field++)
        at = strchr(at + 1, ' ');
    return at == NULL ? -1 : strtoll(at, NULL, 10);
}

static bool is_ours(const struct zrpc_zpool *p, int64_t id)
{
    for (const struct zpool_claim *c = p->claims; c != NULL; c = c->next)
        if (c->id == id)
            return true;
    return false;
}

static bool lives(struct zrpc_zpool *p, sqlite3_stmt *s)
{
    if (sqlite3_column_int64(s, 1) == p->handle)
        return is_ours(p, sqlite3_column_int64(s, 0));
    return start_of(sqlite3_column_int64(s, 2)) == sqlite3_column_int64(s, 3);
}

int zpool_claimed(struct zrpc_zpool *p, const char *path, int64_t version, struct zrpc_error *err)
{
    sqlite3_stmt *s = zpool_bind(p, SQL_CLAIM_LIST, "ti", path, version);
    int64_t dead = 0;
    int rc;

    while ((rc = zpool_step(p, s, err)) == 1) {
        if (lives(p, s)) {
            zpool_done(s);
            return 1;
        }
        dead = sqlite3_column_int64(s, 0);
    }
    /* One at a time is enough: whoever claims it next comes by again. */
    if (rc == 0 && dead != 0 && p->writing)
        rc = zpool_run(p, err, SQL_CLAIM_DELETE, "i", dead);
    return rc;
}

void zpool_claims_sweep(struct zrpc_zpool *p)
{
    sqlite3_stmt *s;
    int64_t dead;

    do {
        dead = 0;
        if (zpool_begin(p, false, NULL) != 0)
            return;
        s = zpool_bind(p, SQL_CLAIM_ALL, "");
        while (dead == 0 && zpool_step(p, s, NULL) == 1)
            if (!lives(p, s))
                dead = sqlite3_column_int64(s, 0);
        zpool_done(s);
        zpool_end(p, 0, NULL);
        if (dead != 0 && zpool_begin(p, true, NULL) == 0 &&
            zpool_end(p, zpool_run(p, NULL, SQL_CLAIM_DELETE, "i", dead), NULL) != 0)
            return;
    } while (dead != 0);
}

int zpool_claim(struct zrpc_zpool *p, struct zpool_claim *c, const char *path, int64_t version,
                struct zrpc_error *err)
{
    int64_t pid = getpid();
    /* An id that never comes again: what undoes a claim that failed must not meet another one. */
    int64_t id = (int64_t)(zrpc_sim_mix((uint64_t)p->handle + ++p->n_claims) >> 1);
    int rc = zpool_run(p, err, SQL_CLAIM_INSERT, "itiiii", id, path, version, p->handle, pid, start_of(pid));

    if (rc != 0)
        return rc;
    c->id = id;
    c->next = p->claims;
    p->claims = c;
    return 0;
}

/* What stays in the file, because that cannot be written, is known as dead by then. */
void zpool_unclaim(struct zrpc_zpool *p, struct zpool_claim *c)
{
    struct zpool_claim **at = &p->claims;

    if (c->id == 0)
        return;
    pthread_mutex_lock(&p->mutex);
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    if (zpool_begin(p, true, NULL) == 0)
        zpool_end(p, zpool_run(p, NULL, SQL_CLAIM_DELETE, "i", c->id), NULL);
    pthread_mutex_unlock(&p->mutex);
    c->id = 0;
}
