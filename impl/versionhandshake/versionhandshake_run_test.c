#include "testing/suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "zrpc/transport.h"
#include "zrpc/versionhandshake.h"

#define BANNER(version) "0000000056 ZREPL_ZFS_REPLICATION PROTOVERSION=" version " EXTENSIONS=0000\n"
#define SOON            (30 * ZRPC_MILLISECOND)

/* Two ends of a wire. The socket between them holds more than a banner, so one thread can play both. */
struct ends {
    struct zrpc_timeoutconn *ours, *peer;
};

static struct ends ends(void)
{
    struct zrpc_wire *wire[2] = {NULL, NULL};
    struct ends e = {NULL, NULL};

    CHECK_OK(zrpc_local_pair(wire, NULL));
    CHECK_OK(zrpc_timeoutconn_new(wire[0], &e.ours, NULL));
    CHECK_OK(zrpc_timeoutconn_new(wire[1], &e.peer, NULL));
    return e;
}

static void done(struct ends *e)
{
    zrpc_timeoutconn_close(e->ours);
    zrpc_timeoutconn_close(e->peer);
}

static void peer_writes(struct ends *e, const char *text)
{
    CHECK_OK(zrpc_timeoutconn_write(e->peer, text, strlen(text), NULL, NULL));
}

static int run(struct ends *e, zrpc_time timeout, struct zrpc_error *err)
{
    return zrpc_versionhandshake_run(e->ours, zrpc_now() + timeout, err);
}

/* The peer finds our banner, and nothing else. */
static void check_banner_was_sent(struct ends *e)
{
    char got[80];
    size_t n = 0;

    CHECK_OK(zrpc_timeoutconn_close_write(e->ours, NULL));
    CHECK_CODE(zrpc_timeoutconn_read_full(e->peer, got, sizeof got, &n, NULL), ZRPC_ERR_END);
    CHECK_BYTES(zrpc_view(got, n), zrpc_view_of(BANNER("0001")));
}

static void banners_are_exchanged(void)
{
    struct ends e = ends();

    peer_writes(&e, BANNER("0001"));
    CHECK_OK(run(&e, ZRPC_HANDSHAKE_TIMEOUT_DEFAULT, NULL));
    check_banner_was_sent(&e);
    done(&e);
}

static void *other_side(void *arg)
{
    struct ends *e = arg;

    CHECK_OK(zrpc_versionhandshake_run(e->peer, zrpc_now() + ZRPC_HANDSHAKE_TIMEOUT_DEFAULT, NULL));
    return NULL;
}

static void two_of_us_agree(void)
{
    struct ends e = ends();
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, other_side, &e), 0);
    CHECK_OK(run(&e, ZRPC_HANDSHAKE_TIMEOUT_DEFAULT, NULL));
    CHECK_INT(pthread_join(thread, NULL), 0);
    done(&e);
}

static void what_follows_the_banner_stays(void)
{
    struct ends e = ends();
    char next[10];

    peer_writes(&e, BANNER("0001") "zrepl_data");
    CHECK_OK(run(&e, ZRPC_HANDSHAKE_TIMEOUT_DEFAULT, NULL));
    CHECK_OK(zrpc_timeoutconn_read_full(e.ours, next, sizeof next, NULL, NULL));
    CHECK_BYTES(zrpc_view(next, sizeof next), zrpc_view_of("zrepl_data"));
    done(&e);
}

static void failures_come_back(void)
{
    static const struct {
        const char *banner;
        int code;
        const char *text;
    } cases[] = {
        {BANNER("0007"), ZRPC_ERR_VERSION,
         "version handshake: protocol versions differ: ours is 1, the peer's is 7"},
        {BANNER("0000"), ZRPC_ERR_HANDSHAKE, "version handshake: banner with protocol version 0"},
        {"SSH-2.0-OpenSSH", ZRPC_ERR_HANDSHAKE, "'S' at byte 0"},
        {"0000065537 ", ZRPC_ERR_HANDSHAKE, "at most 65536"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ends e = ends();
        struct zrpc_error err;

        peer_writes(&e, cases[i].banner);
        CHECK_CODE(run(&e, ZRPC_HANDSHAKE_TIMEOUT_DEFAULT, &err), cases[i].code);
        CHECK_CONTAINS(err.text, cases[i].text);
        check_banner_was_sent(&e); /* so that the peer can tell why, too */
        done(&e);
    }
}

static void end_of_file_fails(void)
{
    static const char *const parts[] = {"", "0000", "0000000056 ZREPL"};

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct ends e = ends();
        struct zrpc_error err;

        peer_writes(&e, parts[i]);
        CHECK_OK(zrpc_timeoutconn_close_write(e.peer, NULL));
        CHECK_CODE(run(&e, ZRPC_HANDSHAKE_TIMEOUT_DEFAULT, &err), ZRPC_ERR_END);
        CHECK_CONTAINS(err.text, "end of file");
        done(&e);
    }
}

/* The deadline is gone afterwards: a read that comes later than it succeeds. */
static void silent_peer_times_out(void)
{
    struct ends e = ends();
    char got[3];

    CHECK_CODE(run(&e, SOON, NULL), ZRPC_ERR_TIMEOUT);
    peer_writes(&e, "abc");
    CHECK_OK(zrpc_timeoutconn_read_full(e.ours, got, sizeof got, NULL, NULL));
    CHECK_OK(zrpc_timeoutconn_write(e.ours, got, sizeof got, NULL, NULL));
    done(&e);
}

static void deadline_in_the_past_sends_nothing(void)
{
    struct ends e = ends();
    char got[1];

    CHECK_CODE(run(&e, -ZRPC_SECOND, NULL), ZRPC_ERR_TIMEOUT);
    CHECK_OK(zrpc_timeoutconn_close_write(e.ours, NULL));
    CHECK_INT(zrpc_timeoutconn_read(e.peer, got, sizeof got, NULL), 0);
    done(&e);
}

struct trickle {
    struct ends *ends;
    atomic_bool stop;
};

static void *trickle(void *arg)
{
    static const struct timespec pause = {.tv_nsec = 2 * ZRPC_MILLISECOND};
    static const char endless[] = "0000065536 ";
    struct trickle *t = arg;

    for (size_t i = 0; !atomic_load(&t->stop); i++) {
        CHECK_OK(zrpc_timeoutconn_write(t->ends->peer, i < 11 ? endless + i : "x", 1, NULL, NULL));
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* Bytes that arrive do not renew the deadline. */
static void trickling_peer_times_out(void)
{
    struct ends e = ends();
    struct trickle t = {.ends = &e};
    zrpc_time start = zrpc_now();
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, trickle, &t), 0);
    CHECK_CODE(run(&e, SOON, NULL), ZRPC_ERR_TIMEOUT);
    CHECK(zrpc_now() - start >= SOON);
    atomic_store(&t.stop, true);
    CHECK_INT(pthread_join(thread, NULL), 0);
    done(&e);
}

static const struct zrpc_test tests[] = {
    {"banners are exchanged", banners_are_exchanged},
    {"two of us agree", two_of_us_agree},
    {"what follows the banner stays", what_follows_the_banner_stays},
    {"failures come back, and our banner went out", failures_come_back},
    {"end of file fails", end_of_file_fails},
    {"a silent peer times out", silent_peer_times_out},
    {"a deadline in the past sends nothing", deadline_in_the_past_sends_nothing},
    {"a trickling peer times out", trickling_peer_times_out},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("versionhandshake_run", tests, argc, argv);
}
