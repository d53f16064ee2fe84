#include "testing/wire_contract.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "zrpc/clock.h"
#include "zrpc/timeoutconn.h"

#define MEGABYTE (1u << 20)
#define WHOLE    (3 * MEGABYTE) /* more than the wires of a pair hold between them */

static void sleep_ms(int ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&ts, NULL);
}

static zrpc_time from_now(int ms)
{
    return zrpc_now() + ms * ZRPC_MILLISECOND;
}

static bool make_conns(zrpc_make_pair *make_pair, struct zrpc_timeoutconn *out[2])
{
    struct zrpc_wire *wires[2] = {NULL, NULL};
    struct zrpc_error err;

    return CHECK_OK(make_pair(wires)) && CHECK_OK(zrpc_timeoutconn_new(wires[0], &out[0], &err)) &&
           CHECK_OK(zrpc_timeoutconn_new(wires[1], &out[1], &err));
}

/* The one that was dialled last: closing it may wait until the other is closed, too. */
static void close_conns(struct zrpc_timeoutconn *conns[2])
{
    zrpc_timeoutconn_close(conns[1]);
    zrpc_timeoutconn_close(conns[0]);
}

/* Content that depends on where it is and which way it goes. */
static uint8_t pattern(uint64_t at, unsigned way)
{
    return (uint8_t)((at * 2654435761u >> 11) + way * 77 + at);
}

static void fill(uint8_t *out, uint64_t at, size_t len, unsigned way)
{
    for (size_t i = 0; i < len; i++)
        out[i] = pattern(at + i, way);
}

static bool matches(const uint8_t *in, uint64_t at, size_t len, unsigned way)
{
    for (size_t i = 0; i < len; i++)
        if (in[i] != pattern(at + i, way))
            return false;
    return true;
}

/*
 * A call in a thread of its own.
 */
struct task {
    struct zrpc_timeoutconn *conn;
    enum zrpc_direction dir;
    unsigned way;
    int every_ms;        /* > 0: a deadline this far ahead for each call */
    size_t total;        /* bytes to move */
    size_t moved;        /* bytes that were */
    atomic_int timeouts; /* calls that ended so */
    struct task *peer;   /* with every_ms: the task at the other end */
    bool intact;         /* what was read is what was written */
    ssize_t rc;          /* how the last call ended */
    zrpc_time ended;
    atomic_int tid; /* of the thread, once it runs */
    pthread_t thread;
};

static ssize_t move_some(struct task *t, uint8_t *buf, size_t len)
{
    struct zrpc_error err;
    size_t done = 0;

    if (t->dir == ZRPC_READ) {
        ssize_t got = zrpc_timeoutconn_read(t->conn, buf, len, &err);

        if (got > 0) {
            t->intact = t->intact && matches(buf, t->moved, (size_t)got, t->way);
            t->moved += (size_t)got;
        }
        return got;
    }
    fill(buf, t->moved, len, t->way);
    t->rc = zrpc_timeoutconn_write(t->conn, buf, len, &done, &err);
    t->moved += done;
    return t->rc == 0 ? (ssize_t)done : t->rc;
}

/* Nobody goes past the first half before the other end has met a timeout, and readers begin late: so writers
 * find the wire full and readers find it empty. */
static void hold_back(const struct task *t)
{
    bool reader = t->dir == ZRPC_READ;

    while ((reader ? t->moved == 0 : t->moved >= t->total / 2) && atomic_load(&t->peer->timeouts) == 0)
        sleep_ms(1);
}

static void *run_task(void *arg)
{
    static const size_t sizes[] = {1, 65536, 13, 100000, 4096, 200000};
    uint8_t *buf = malloc(200000);
    struct task *t = arg;

    t->intact = true;
    t->rc = buf == NULL ? ZRPC_ERR_NOMEM : 1;
    atomic_store(&t->tid, gettid());
    for (unsigned round = 0; t->rc > 0 && t->moved < t->total; round++) {
        size_t len = sizes[round % (sizeof sizes / sizeof sizes[0])];

        if (t->every_ms > 0) {
            hold_back(t);
            zrpc_timeoutconn_set_deadline(t->conn, t->dir, from_now(t->every_ms));
        }
        t->rc = move_some(t, buf, len < t->total - t->moved ? len : t->total - t->moved);
        if (t->rc == ZRPC_ERR_TIMEOUT && t->every_ms > 0) {
            atomic_fetch_add(&t->timeouts, 1);
            t->rc = 1;
        }
    }
    t->ended = zrpc_now();
    free(buf);
    return NULL;
}

void zrpc_limit_buffers(int fd)
{
    static const int size = 128 * 1024;

    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
}

bool zrpc_accept_next(struct zrpc_listener *l, struct zrpc_accepted *out)
{
    struct zrpc_error err;
    int rc;

    while ((rc = l->ops->accept(l, out, &err)) == ZRPC_ERR_AGAIN) {
        struct pollfd p = {.fd = l->ops->fd(l), .events = POLLIN};

        poll(&p, 1, -1);
    }
    return CHECK_CODE(rc, 0);
}

void zrpc_wait_blocked(int tid)
{
    char path[64], stat[256];

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    for (int asleep = 0, tries = 0; asleep < 3; tries++) {
        FILE *f = fopen(path, "r");
        size_t n = f == NULL ? 0 : fread(stat, 1, sizeof stat - 1, f);
        const char *state;

        stat[n] = '\0';
        if (f != NULL)
            fclose(f);
        state = strrchr(stat, ')');
        asleep = state != NULL && state[1] == ' ' && state[2] == 'S' ? asleep + 1 : 0;
        if (!CHECK(tries < 10000))
            return;
        sleep_ms(2);
    }
}

static void start(struct task *t, struct zrpc_timeoutconn *conn, enum zrpc_direction dir, size_t total)
{
    t->conn = conn;
    t->dir = dir;
    t->total = total;
    CHECK_INT(pthread_create(&t->thread, NULL, run_task, t), 0);
}

static void start_blocked(struct task *t, struct zrpc_timeoutconn *conn, enum zrpc_direction dir)
{
    start(t, conn, dir, 64 * MEGABYTE);
    while (atomic_load(&t->tid) == 0)
        sleep_ms(1);
    zrpc_wait_blocked(atomic_load(&t->tid));
}

static void join(struct task *t)
{
    CHECK_INT(pthread_join(t->thread, NULL), 0);
}

/* Both ways at once; the result is checked. */
static void exchange(struct zrpc_timeoutconn *conns[2], int every_ms, size_t total)
{
    struct task tasks[4] = {0};

    for (unsigned i = 0; i < 4; i++) {
        tasks[i].way = i / 2;
        tasks[i].every_ms = every_ms;
        tasks[i].peer = &tasks[i ^ 1];
    }
    for (unsigned i = 0; i < 4; i++)
        start(&tasks[i], conns[(i + i / 2) % 2], i % 2 == 0 ? ZRPC_WRITE : ZRPC_READ, total);
    for (unsigned i = 0; i < 4; i++) {
        join(&tasks[i]);
        CHECK_INT(tasks[i].moved, total);
        CHECK(tasks[i].intact);
        CHECK(every_ms == 0 || tasks[i].timeouts > 0);
    }
}

void zrpc_contract_all_bytes_both_ways(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];

    if (!make_conns(make_pair, conns))
        return;
    exchange(conns, 0, 8 * MEGABYTE);
    close_conns(conns);
}

void zrpc_contract_timeouts_lose_nothing(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];

    if (!make_conns(make_pair, conns))
        return;
    exchange(conns, 2, WHOLE);
    for (int i = 0; i < 2; i++) {
        zrpc_timeoutconn_set_deadline(conns[i], ZRPC_READ, ZRPC_NEVER);
        zrpc_timeoutconn_set_deadline(conns[i], ZRPC_WRITE, ZRPC_NEVER);
    }
    exchange(conns, 0, MEGABYTE);
    close_conns(conns);
}

void zrpc_contract_vectors(zrpc_make_pair *make_pair)
{
    enum { PARTS = 50 };
    struct zrpc_timeoutconn *conns[2];
    struct iovec out[PARTS], in[3];
    uint8_t sent[4000], got[4000];
    struct zrpc_error err;
    size_t total = 0, have = 0;

    if (!make_conns(make_pair, conns))
        return;
    for (size_t i = 0; i < PARTS; i++) {
        size_t len = i % 7 == 0 ? 0 : i * 3;

        out[i] = (struct iovec){.iov_base = sent + total, .iov_len = len};
        total += len;
    }
    fill(sent, 0, total, 0);
    CHECK_OK(zrpc_timeoutconn_writev(conns[0], out, PARTS, &have, &err));
    CHECK_INT(have, total);
    for (have = 0; have < total;) {
        size_t left = total - have, a = left > 9 ? 9 : left;
        ssize_t n;

        in[0] = (struct iovec){.iov_base = got + have, .iov_len = a};
        in[1] = (struct iovec){.iov_base = NULL, .iov_len = 0};
        in[2] = (struct iovec){.iov_base = got + have + a, .iov_len = left - a};
        n = zrpc_timeoutconn_readv(conns[1], in, 3, &err);
        if (!CHECK(n > 0))
            break;
        have += (size_t)n;
    }
    CHECK_BYTES(zrpc_view(got, have), zrpc_view(sent, total));
    CHECK_OK(zrpc_timeoutconn_writev(conns[0], out, 1, &have, &err)); /* nothing to write */
    CHECK_INT(have, 0);
    close_conns(conns);
}

void zrpc_contract_past_deadline(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];
    struct zrpc_error err = {0};
    char buf[8] = "";
    size_t done = 99;

    if (!make_conns(make_pair, conns))
        return;
    CHECK_OK(zrpc_timeoutconn_write(conns[0], "first", 5, NULL, &err));
    zrpc_timeoutconn_set_deadline(conns[0], ZRPC_WRITE, zrpc_now());
    zrpc_timeoutconn_set_deadline(conns[1], ZRPC_READ, 1);
    CHECK_CODE(zrpc_timeoutconn_read(conns[1], buf, 5, &err), ZRPC_ERR_TIMEOUT);
    CHECK_CONTAINS(err.text, "read deadline exceeded");
    CHECK_CODE(zrpc_timeoutconn_write(conns[0], "again", 5, &done, &err), ZRPC_ERR_TIMEOUT);
    CHECK_CONTAINS(err.text, "write deadline exceeded");
    CHECK_INT(done, 0);
    CHECK_CODE(zrpc_timeoutconn_close_write(conns[0], &err), ZRPC_ERR_TIMEOUT);
    zrpc_timeoutconn_set_deadline(conns[0], ZRPC_WRITE, ZRPC_NEVER);
    zrpc_timeoutconn_set_deadline(conns[1], ZRPC_READ, ZRPC_NEVER);
    CHECK_OK(zrpc_timeoutconn_write(conns[0], "re", 2, NULL, &err));
    CHECK_OK(zrpc_timeoutconn_read_full(conns[1], buf, 7, &done, &err));
    CHECK_STR(buf, "firstre");
    close_conns(conns);
}

void zrpc_contract_deadline_passes(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];
    struct zrpc_error err;
    zrpc_time deadline = from_now(30);
    char byte;

    if (!make_conns(make_pair, conns))
        return;
    zrpc_timeoutconn_set_deadline(conns[0], ZRPC_READ, deadline);
    CHECK_CODE(zrpc_timeoutconn_read(conns[0], &byte, 1, &err), ZRPC_ERR_TIMEOUT);
    CHECK(zrpc_now() >= deadline);
    CHECK(zrpc_now() < deadline + 10 * ZRPC_SECOND);
    CHECK_CODE(zrpc_timeoutconn_read(conns[0], &byte, 1, &err), ZRPC_ERR_TIMEOUT); /* and stays */
    close_conns(conns);
}

void zrpc_contract_deadline_brought_forward(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];

    if (!make_conns(make_pair, conns))
        return;
    for (int dir = ZRPC_READ; dir <= ZRPC_WRITE; dir++) {
        zrpc_time initial[] = {ZRPC_NEVER, from_now(3600 * 1000)};

        for (int i = 0; i < 2; i++) {
            struct task t = {0};

            zrpc_timeoutconn_set_deadline(conns[0], dir, initial[i]);
            start_blocked(&t, conns[0], dir);
            zrpc_timeoutconn_set_deadline(conns[0], dir, i == 0 ? zrpc_now() : from_now(20));
            join(&t);
            CHECK_CODE(t.rc, ZRPC_ERR_TIMEOUT);
        }
    }
    close_conns(conns);
}

/* Whether the deadline could be put off before it came; on a busy host it may not. */
static bool put_off(struct zrpc_timeoutconn *conns[2], int ms, zrpc_time later)
{
    zrpc_time first = from_now(ms);
    struct task t = {0};
    uint8_t byte = pattern(0, 0);
    struct zrpc_error err;
    bool in_time;

    zrpc_timeoutconn_set_deadline(conns[0], ZRPC_READ, first);
    start(&t, conns[0], ZRPC_READ, 1);
    sleep_ms(10);
    zrpc_timeoutconn_set_deadline(conns[0], ZRPC_READ, later);
    in_time = zrpc_now() < first;
    while (in_time && zrpc_now() < first + 20 * ZRPC_MILLISECOND)
        sleep_ms(10);
    CHECK_OK(zrpc_timeoutconn_write(conns[1], &byte, 1, NULL, &err));
    join(&t);
    if (in_time) {
        CHECK_INT(t.moved, 1);
        CHECK(t.ended > first);
    }
    if (t.moved == 0)
        CHECK_INT(zrpc_timeoutconn_read(conns[0], &byte, 1, &err), 1);
    return in_time;
}

void zrpc_contract_deadline_put_off(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];
    int ms = 100;

    if (!make_conns(make_pair, conns))
        return;
    while (!put_off(conns, ms, ZRPC_NEVER))
        ms *= 2;
    while (!put_off(conns, ms, from_now(3600 * 1000)))
        ms *= 2;
    close_conns(conns);
}

void zrpc_contract_write_deadline(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];
    uint8_t *sent = malloc(2 * WHOLE), *got = sent == NULL ? NULL : sent + WHOLE;
    struct zrpc_error err;
    struct task t = {0};
    size_t done = 0;

    if (!CHECK(sent != NULL) || !make_conns(make_pair, conns)) {
        free(sent);
        return;
    }
    fill(sent, 0, WHOLE, 0);
    zrpc_timeoutconn_set_deadline(conns[0], ZRPC_WRITE, from_now(250));
    CHECK_CODE(zrpc_timeoutconn_write(conns[0], sent, WHOLE, &done, &err), ZRPC_ERR_TIMEOUT);
    CHECK(done > 0 && done < WHOLE);
    /* What it said is exactly what arrives. */
    zrpc_timeoutconn_set_deadline(conns[0], ZRPC_WRITE, ZRPC_NEVER);
    start(&t, conns[1], ZRPC_READ, WHOLE);
    CHECK_OK(zrpc_timeoutconn_write(conns[0], sent + done, WHOLE - done, NULL, &err));
    CHECK_OK(zrpc_timeoutconn_close_write(conns[0], &err));
    join(&t);
    CHECK_INT(t.moved, WHOLE);
    CHECK(t.intact);
    CHECK_INT(zrpc_timeoutconn_read(conns[1], got, WHOLE, &err), 0);
    close_conns(conns);
    free(sent);
}

void zrpc_contract_deadlines_are_independent(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];
    struct zrpc_error err;
    char buf[4] = "";

    if (!make_conns(make_pair, conns))
        return;
    zrpc_timeoutconn_set_deadline(conns[0], ZRPC_READ, 1);
    zrpc_timeoutconn_set_deadline(conns[1], ZRPC_WRITE, 1);
    CHECK_OK(zrpc_timeoutconn_write(conns[0], "abc", 3, NULL, &err));
    CHECK_OK(zrpc_timeoutconn_read_full(conns[1], buf, 3, NULL, &err));
    CHECK_STR(buf, "abc");
    close_conns(conns);
}

void zrpc_contract_eof_after_all_data(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];
    struct zrpc_error err;
    struct task writer = {0};
    uint8_t buf[30000];
    size_t have = 0;
    ssize_t n;

    if (!make_conns(make_pair, conns))
        return;
    start(&writer, conns[0], ZRPC_WRITE, WHOLE);
    while (have < MEGABYTE && (n = zrpc_timeoutconn_read(conns[1], buf, sizeof buf, &err)) > 0)
        have += (size_t)n;
    while (have < WHOLE) {
        /* The end is announced while much is still on its way. */
        if (have + sizeof buf >= WHOLE && writer.thread != 0) {
            join(&writer);
            writer.thread = 0;
            CHECK_OK(zrpc_timeoutconn_close_write(conns[0], &err));
        }
        n = zrpc_timeoutconn_read(conns[1], buf, sizeof buf, &err);
        if (!CHECK(n > 0 && matches(buf, have, (size_t)n, 0)))
            break;
        have += (size_t)n;
    }
    CHECK_INT(have, WHOLE);
    for (int i = 0; i < 3; i++)
        CHECK_INT(zrpc_timeoutconn_read(conns[1], buf, sizeof buf, &err), 0);
    close_conns(conns);
}

void zrpc_contract_half_close(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];
    struct zrpc_error err = {0};
    struct task writer = {0}, reader = {0};
    char byte;

    if (!make_conns(make_pair, conns))
        return;
    CHECK_OK(zrpc_timeoutconn_write(conns[0], "x", 1, NULL, &err));
    CHECK_OK(zrpc_timeoutconn_close_write(conns[0], &err));
    CHECK_OK(zrpc_timeoutconn_close_write(conns[0], &err));
    CHECK_CODE(zrpc_timeoutconn_write(conns[0], "y", 1, NULL, &err), ZRPC_ERR_CLOSED);
    CHECK_INT(zrpc_timeoutconn_read(conns[1], &byte, 1, &err), 1);
    CHECK_INT(zrpc_timeoutconn_read(conns[1], &byte, 1, &err), 0);
    start(&writer, conns[1], ZRPC_WRITE, WHOLE);
    start(&reader, conns[0], ZRPC_READ, WHOLE);
    join(&writer);
    join(&reader);
    CHECK_INT(writer.moved, WHOLE);
    CHECK(reader.moved == WHOLE && reader.intact);
    CHECK_OK(zrpc_timeoutconn_close_write(conns[1], &err));
    CHECK_INT(zrpc_timeoutconn_read(conns[0], &byte, 1, &err), 0);
    CHECK_CODE(zrpc_timeoutconn_write(conns[0], "y", 1, NULL, &err), ZRPC_ERR_CLOSED);
    close_conns(conns);
}

void zrpc_contract_cancel_unblocks(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];
    struct task reader = {0}, writer = {0};
    struct zrpc_error err = {0};
    char byte;

    if (!make_conns(make_pair, conns))
        return;
    start_blocked(&reader, conns[0], ZRPC_READ);
    start_blocked(&writer, conns[0], ZRPC_WRITE);
    zrpc_timeoutconn_cancel(conns[0]);
    join(&reader);
    join(&writer);
    CHECK_CODE(reader.rc, ZRPC_ERR_CANCELLED);
    CHECK_CODE(writer.rc, ZRPC_ERR_CANCELLED);
    CHECK(writer.moved > 0);
    CHECK_CODE(zrpc_timeoutconn_read(conns[0], &byte, 1, &err), ZRPC_ERR_CANCELLED);
    CHECK_CONTAINS(err.text, "read cancelled");
    CHECK_CODE(zrpc_timeoutconn_write(conns[0], &byte, 1, NULL, &err), ZRPC_ERR_CANCELLED);
    CHECK_CODE(zrpc_timeoutconn_close_write(conns[0], &err), ZRPC_ERR_CANCELLED);
    close_conns(conns);
}

void zrpc_contract_shutdown_unblocks(zrpc_make_pair *make_pair)
{
    struct zrpc_wire *wires[2];
    struct zrpc_timeoutconn *conns[2];
    struct task reader = {0}, writer = {0};
    struct zrpc_error err;
    char byte;

    if (!CHECK_OK(make_pair(wires)) || !CHECK_OK(zrpc_timeoutconn_new(wires[0], &conns[0], &err)) ||
        !CHECK_OK(zrpc_timeoutconn_new(wires[1], &conns[1], &err)))
        return;
    start_blocked(&reader, conns[0], ZRPC_READ);
    start_blocked(&writer, conns[0], ZRPC_WRITE);
    zrpc_wire_shutdown(wires[0]);
    join(&reader);
    join(&writer);
    CHECK_CODE(reader.rc, ZRPC_ERR_CLOSED);
    CHECK_CODE(writer.rc, ZRPC_ERR_CLOSED);
    CHECK_CODE(zrpc_timeoutconn_read(conns[0], &byte, 1, &err), ZRPC_ERR_CLOSED);
    CHECK_CODE(zrpc_timeoutconn_write(conns[0], "x", 1, NULL, &err), ZRPC_ERR_CLOSED);
    close_conns(conns);
}

void zrpc_contract_peer_close_unblocks(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];
    struct task reader = {0}, writer = {0};

    if (!make_conns(make_pair, conns))
        return;
    start_blocked(&reader, conns[0], ZRPC_READ);
    start_blocked(&writer, conns[0], ZRPC_WRITE);
    zrpc_timeoutconn_close(conns[1]);
    join(&reader);
    join(&writer);
    /* What we sent was not read, so a transport may report the loss instead of a clean end. */
    CHECK(reader.rc == 0 || zrpc_code_band((int)reader.rc) == ZRPC_BAND_CLOSED ||
          zrpc_code_band((int)reader.rc) == ZRPC_BAND_TLS);
    CHECK(writer.rc < 0 && writer.rc != ZRPC_ERR_TIMEOUT && writer.rc != ZRPC_ERR_AGAIN);
    zrpc_timeoutconn_close(conns[0]);
}

void zrpc_contract_writing_to_nobody(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];
    struct zrpc_error err = {0};
    uint8_t buf[65536] = {0};
    int rc = 0;

    if (!make_conns(make_pair, conns))
        return;
    zrpc_timeoutconn_close(conns[1]);
    for (int i = 0; i < 1000 && rc == 0; i++)
        rc = zrpc_timeoutconn_write(conns[0], buf, sizeof buf, NULL, &err);
    CHECK_CODE(rc, ZRPC_ERR_RESET);
    CHECK_CODE(zrpc_timeoutconn_write(conns[0], buf, sizeof buf, NULL, &err), ZRPC_ERR_RESET);
    zrpc_timeoutconn_close(conns[0]);
}

void zrpc_contract_read_full_says_where_it_ended(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2];
    struct zrpc_error err = {0};
    char buf[16];
    size_t done = 99;

    if (!make_conns(make_pair, conns))
        return;
    CHECK_OK(zrpc_timeoutconn_read_full(conns[1], buf, 0, &done, &err));
    CHECK_INT(done, 0);
    CHECK_OK(zrpc_timeoutconn_write(conns[0], "12345", 5, NULL, &err));
    zrpc_timeoutconn_set_deadline(conns[1], ZRPC_READ, from_now(300));
    CHECK_CODE(zrpc_timeoutconn_read_full(conns[1], buf, 10, &done, &err), ZRPC_ERR_TIMEOUT);
    CHECK_INT(done, 5);
    zrpc_timeoutconn_set_deadline(conns[1], ZRPC_READ, ZRPC_NEVER);
    CHECK_OK(zrpc_timeoutconn_write(conns[0], "678", 3, NULL, &err));
    CHECK_OK(zrpc_timeoutconn_close_write(conns[0], &err));
    CHECK_CODE(zrpc_timeoutconn_read_full(conns[1], buf, 10, &done, &err), ZRPC_ERR_END);
    CHECK_INT(done, 3);
    CHECK_CONTAINS(err.text, "end of file after 3 of 10 bytes");
    close_conns(conns);
}

void zrpc_contract_empty_vectors(zrpc_make_pair *make_pair)
{
    struct zrpc_wire *wires[2];
    struct iovec nothing[2] = {{.iov_len = 0}, {.iov_len = 0}};
    struct zrpc_error err;

    if (!CHECK_OK(make_pair(wires)))
        return;
    /* Zero bytes read would look like end of file. */
    CHECK_CODE(zrpc_wire_readv(wires[0], nothing, 2, &err), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_wire_readv(wires[0], NULL, 0, &err), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_wire_writev(wires[0], nothing, 2, &err), ZRPC_ERR_USAGE);
    zrpc_wire_close(wires[0]);
    zrpc_wire_close(wires[1]);
    zrpc_wire_close(NULL);
}

void zrpc_contract_release(zrpc_make_pair *make_pair)
{
    struct zrpc_timeoutconn *conns[2], *again;
    struct zrpc_error err;
    char buf[5] = "";

    if (!make_conns(make_pair, conns))
        return;
    CHECK_OK(zrpc_timeoutconn_write(conns[0], "abcd", 4, NULL, &err));
    CHECK_OK(zrpc_timeoutconn_read_full(conns[1], buf, 2, NULL, &err));
    zrpc_timeoutconn_set_deadline(conns[1], ZRPC_READ, 1);
    if (CHECK_OK(zrpc_timeoutconn_new(zrpc_timeoutconn_release(conns[1]), &again, &err))) {
        CHECK_OK(zrpc_timeoutconn_read_full(again, buf + 2, 2, NULL, &err));
        CHECK_STR(buf, "abcd");
        zrpc_timeoutconn_close(again);
    }
    zrpc_timeoutconn_close(conns[0]);
}
