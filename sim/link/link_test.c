#include "sim/link/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "testing/suite.h"

/* A link between a client and a server, which are sockets of this thread. */
struct bench {
    struct zrpc_link_plan plan;
    struct zrpc_link *link;
    char directory[32];
    bool is_unix;
    int listener, client, server;
};

static void limit_waiting(int fd)
{
    struct timeval limit = {.tv_sec = 20};

    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), 0);
}

static void unix_path(const struct bench *b, const char *name, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(out->sun_path, sizeof out->sun_path, "%s/%s", b->directory, name);
}

static void listen_tcp(struct bench *b)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(b->listener, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_INT(listen(b->listener, 5), 0);
    CHECK_INT(getsockname(b->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(b->plan.listen, sizeof b->plan.listen, "tcp:127.0.0.1:0");
    snprintf(b->plan.connect, sizeof b->plan.connect, "tcp:127.0.0.1:%u", ntohs(address.sin_port));
}

static void listen_unix(struct bench *b)
{
    struct sockaddr_un address;

    unix_path(b, "server", &address);
    b->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(b->listener, (struct sockaddr *)&address, sizeof address), 0);
    CHECK_INT(listen(b->listener, 5), 0);
    snprintf(b->plan.listen, sizeof b->plan.listen, "unix:%s/link", b->directory);
    snprintf(b->plan.connect, sizeof b->plan.connect, "unix:%s/server", b->directory);
}

static void prepare(struct bench *b, bool is_unix, const char *plan)
{
    struct zrpc_error err;

    *b = (struct bench){.is_unix = is_unix, .client = -1, .server = -1};
    snprintf(b->directory, sizeof b->directory, "/tmp/link-test-XXXXXX");
    CHECK(mkdtemp(b->directory) != NULL);
    zrpc_link_plan_init(&b->plan);
    if (!CHECK_OK(zrpc_link_plan_parse(&b->plan, "plan", zrpc_view_of(plan), &err)))
        printf("%s\n", err.text);
    if (is_unix)
        listen_unix(b);
    else
        listen_tcp(b);
}

static void open_link(struct bench *b)
{
    struct zrpc_error err;

    if (!CHECK_OK(zrpc_link_open(&b->plan, NULL, &b->link, &err)))
        printf("%s\n", err.text);
    CHECK_OK(zrpc_link_start(b->link, &err));
}

/* -1 with errno where connecting fails. */
static int dial(const struct bench *b)
{
    int fd = socket(b->is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un;
    int rc;

    limit_waiting(fd);
    if (b->is_unix) {
        unix_path(b, "link", &un);
        rc = connect(fd, (struct sockaddr *)&un, sizeof un);
    } else {
        in.sin_port = htons((uint16_t)atoi(strrchr(zrpc_link_address(b->link), ':') + 1));
        rc = connect(fd, (struct sockaddr *)&in, sizeof in);
    }
    if (rc < 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int accept_server(const struct bench *b)
{
    struct pollfd p = {.fd = b->listener, .events = POLLIN};
    int fd = -1;

    if (CHECK_INT(poll(&p, 1, 20000), 1))
        fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);
    limit_waiting(fd);
    return fd;
}

static void begin(struct bench *b, bool is_unix, const char *plan)
{
    prepare(b, is_unix, plan);
    open_link(b);
    b->client = dial(b);
    CHECK(b->client >= 0);
    b->server = accept_server(b);
}

static void close_sockets(struct bench *b)
{
    if (b->client >= 0)
        close(b->client);
    if (b->server >= 0)
        close(b->server);
    b->client = b->server = -1;
}

static unsigned end(struct bench *b)
{
    char path[64];
    unsigned failures;

    zrpc_link_end(b->link);
    failures = zrpc_link_failures(b->link);
    zrpc_link_close(b->link);
    zrpc_link_plan_dispose(&b->plan);
    close_sockets(b);
    close(b->listener);
    snprintf(path, sizeof path, "%s/server", b->directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/record.yml", b->directory);
    unlink(path);
    CHECK_INT(rmdir(b->directory), 0);
    return failures;
}

static void put(int fd, const char *text)
{
    CHECK_INT(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads to the end: "text" and how it ended, "<eof" or "<reset". */
static void check_rest(int fd, const char *expected)
{
    char text[256];
    size_t have = 0;
    ssize_t n;

    while ((n = recv(fd, text + have, sizeof text - have - 16, 0)) > 0 || (n < 0 && errno == EINTR))
        have += n > 0 ? (size_t)n : 0;
    snprintf(text + have, 16, n == 0 ? "<eof" : errno == ECONNRESET ? "<reset" : "<errno %d", errno);
    CHECK_STR(text, expected);
}

static void check_next(int fd, const char *expected)
{
    char text[256] = "";

    CHECK_INT(recv(fd, text, strlen(expected), MSG_WAITALL), (ssize_t)strlen(expected));
    CHECK_STR(text, expected);
}

static void reset(int *fd)
{
    struct linger at_once = {.l_onoff = 1};

    CHECK_INT(setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(*fd);
    *fd = -1;
}

static bool is_silent(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 50) == 0;
}

static void half_close(bool is_unix)
{
    struct bench b;

    begin(&b, is_unix, "{}");
    put(b.client, "question");
    CHECK_INT(shutdown(b.client, SHUT_WR), 0);
    check_rest(b.server, "question<eof");
    CHECK(is_silent(b.client));
    put(b.server, "answer");
    check_next(b.client, "answer");
    put(b.server, " and more");
    CHECK_INT(shutdown(b.server, SHUT_WR), 0);
    check_rest(b.client, " and more<eof");
    CHECK_INT(end(&b), 0);
}

static void half_close_passes_on_tcp(void)
{
    half_close(false);
}

static void half_close_passes_on_unix_sockets(void)
{
    half_close(true);
}

static void reset_passes_both_ways(void)
{
    struct bench b;

    begin(&b, false, "{}");
    put(b.client, "x");
    check_next(b.server, "x");
    put(b.server, "last words");
    reset(&b.server);
    check_rest(b.client, "last words<reset");
    close_sockets(&b);
    b.client = dial(&b);
    b.server = accept_server(&b);
    put(b.client, "x");
    check_next(b.server, "x");
    reset(&b.client);
    check_rest(b.server, "<reset");
    CHECK_INT(end(&b), 0);
}

static void writing_to_one_that_closed_fails_on_unix_sockets(void)
{
    struct bench b;
    ssize_t n;

    begin(&b, true, "{}");
    close(b.server);
    b.server = -1;
    check_rest(b.client, "<eof");
    do
        n = send(b.client, "xxxx", 4, MSG_NOSIGNAL);
    while (n > 0);
    /* a reset where something was left unread */
    CHECK(errno == EPIPE || errno == ECONNRESET);
    CHECK_INT(end(&b), 0);
}

static void faults_strike_real_sockets(void)
{
    struct bench b;

    begin(&b, false,
          "protocol: opaque\n"
          "faults:\n"
          "  - {action: eof, connection: 1, direction: to-server, at: byte 3}\n"
          "  - {action: reset, connection: 2, direction: to-client, at: byte 5}\n"
          "  - {action: drop, connection: 3, at: byte 4}\n");
    put(b.client, "abcdef");
    check_rest(b.server, "abc<eof");
    put(b.server, "still");
    check_next(b.client, "still");
    close_sockets(&b);

    b.client = dial(&b);
    b.server = accept_server(&b);
    put(b.server, "abcdef");
    check_rest(b.client, "abcde<reset");
    CHECK(is_silent(b.server));
    put(b.server, "more");
    check_rest(b.server, "<reset");
    close_sockets(&b);

    b.client = dial(&b);
    b.server = accept_server(&b);
    put(b.client, "abcdef");
    check_rest(b.server, "abcd<reset");
    check_rest(b.client, "<reset");
    CHECK_INT(end(&b), 0);
}

static void black_hole_is_silence_for_everyone(void)
{
    struct bench b;

    begin(&b, false, "faults: [{action: blackhole, at: byte 1}]");
    put(b.client, "abc");
    check_next(b.server, "a");
    close(b.client);
    b.client = -1;
    CHECK(is_silent(b.server));
    CHECK_INT(end(&b), 0);
}

static int control(struct bench *b, const char *words, char answer[static 2048])
{
    const char *list[16];
    char copy[512], *save = NULL;
    struct zrpc_buf out = {0};
    struct zrpc_error err = {0};
    size_t n = 0;
    int rc;

    snprintf(copy, sizeof copy, "%s", words);
    for (char *w = strtok_r(copy, "|", &save); w != NULL; w = strtok_r(NULL, "|", &save))
        list[n++] = w;
    rc = zrpc_link_control(b->link, list, n, &out, &err);
    snprintf(answer, 2048, "%.*s", rc < 0 ? (int)strlen(err.text) : (int)out.len,
             rc < 0         ? err.text
             : out.len == 0 ? ""
                            : (const char *)zrpc_buf_view(&out).data);
    zrpc_buf_dispose(&out);
    return rc;
}

static void control_stalls_and_resumes(void)
{
    char answer[2048];
    struct bench b;

    begin(&b, false, "{}");
    put(b.client, "a");
    check_next(b.server, "a");
    CHECK_OK(control(&b, "stall|direction=to-server", answer));
    put(b.client, "b");
    CHECK(is_silent(b.server));
    CHECK_OK(control(&b, "status", answer));
    CHECK_CONTAINS(answer, "connection 1 to-server: 2 bytes in, 1 out, 0 frames, stalled");
    CHECK_OK(control(&b, "eof|direction=to-server|at=byte 5", answer));
    CHECK_OK(control(&b, "faults", answer));
    CHECK_STR(answer, "connection 1 {action: eof, direction: to-server, at: byte 5}\n");
    CHECK_OK(control(&b, "resume", answer));
    put(b.client, "cdefgh");
    check_rest(b.server, "bcde<eof");
    CHECK_CODE(control(&b, "stal", answer), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(answer, "unknown action \"stal\"");
    CHECK_CODE(control(&b, "stall|3s", answer), ZRPC_ERR_USAGE);
    CHECK_INT(end(&b), 0);
}

static void a_reset_that_a_write_finds_is_one(void)
{
    char answer[2048] = "";
    struct bench b;

    begin(&b, false, "buffer: 1");
    CHECK_OK(control(&b, "stall|direction=to-client", answer));
    put(b.server, "xy");
    while (strstr(answer, "to-client: 1 bytes in") == NULL)
        CHECK_OK(control(&b, "status", answer));
    reset(&b.server);
    put(b.client, "a");
    while (strstr(answer, "receiver gone") == NULL)
        CHECK_OK(control(&b, "status", answer));
    CHECK_OK(control(&b, "resume", answer));
    check_rest(b.client, "xy<reset");
    CHECK_INT(end(&b), 0);
}

static void control_answers_on_its_socket(void)
{
    struct sockaddr_un address;
    struct bench b;
    int fd;

    prepare(&b, false, "{}");
    unix_path(&b, "control", &address);
    snprintf(b.plan.control, sizeof b.plan.control, "%s", address.sun_path);
    open_link(&b);
    for (int i = 0; i < 2; i++) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        limit_waiting(fd);
        CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        put(fd, i == 0 ? "sta" : "blackhole\nat=nowhere\n");
        put(fd, i == 0 ? "tus\n" : "");
        CHECK_INT(shutdown(fd, SHUT_WR), 0);
        if (i == 0)
            check_next(fd, "listening on tcp:127.0.0.1:");
        else
            check_next(fd, "error: fault:1: at: position: \"nowhere\", expected start");
        close(fd);
    }
    CHECK_INT(end(&b), 0);
}

static void refusing_and_delaying(void)
{
    struct zrpc_link_fault refuse = {
        .action = ZRPC_LINK_REFUSE, .direction = ZRPC_LINK_BOTH, .at = {.watch = ZRPC_LINK_BOTH}};
    char answer[2048];
    struct bench b;
    int fd;

    prepare(&b, false,
            "faults:\n"
            "  - {action: refuse, connection: 1}\n"
            "  - {action: delay-accept, connection: 2, for: 100ms}\n");
    open_link(&b);
    b.client = dial(&b);
    check_rest(b.client, "<reset");
    close_sockets(&b);
    b.client = dial(&b);
    put(b.client, "late");
    CHECK(is_silent(b.listener));
    b.server = accept_server(&b);
    check_next(b.server, "late");
    /* The whole address: whoever is connected stays so. */
    CHECK_OK(zrpc_link_inject(b.link, &refuse, NULL));
    /* Those who are on their way when it begins are reset. */
    while ((fd = dial(&b)) >= 0 || errno == ECONNRESET)
        if (fd >= 0)
            close(fd);
    CHECK_INT(errno, ECONNREFUSED);
    put(b.server, "here");
    check_next(b.client, "here");
    CHECK_OK(control(&b, "status", answer));
    CHECK_INT(end(&b), 0);
}

static void refusal_for_a_time_ends(void)
{
    struct bench b;

    for (int is_unix = 0; is_unix < 2; is_unix++) {
        prepare(&b, is_unix, "faults: [{action: refuse, for: 100ms}]");
        open_link(&b);
        while ((b.client = dial(&b)) < 0) {
            CHECK_INT(errno, ECONNREFUSED);
            usleep(5000);
        }
        b.server = accept_server(&b);
        put(b.client, "a");
        check_next(b.server, "a");
        CHECK_INT(end(&b), 0);
    }
}

static void a_server_that_refuses_resets_the_client(void)
{
    struct bench b;

    prepare(&b, false, "{}");
    shutdown(b.listener, SHUT_RDWR);
    open_link(&b);
    b.client = dial(&b);
    check_rest(b.client, "<reset");
    CHECK_INT(end(&b), 1);
}

static void a_childs_pipes_close_one_by_one(void)
{
    struct bench b;

    prepare(&b, false, "{}");
    snprintf(b.plan.connect, sizeof b.plan.connect, "exec:sort; exec >&-; exit 7");
    open_link(&b);
    b.client = dial(&b);
    put(b.client, "b\na\n");
    CHECK_INT(shutdown(b.client, SHUT_WR), 0);
    check_rest(b.client, "a\nb\n<eof");
    zrpc_link_end(b.link);
    CHECK_INT(zrpc_link_child_status(b.link), 7 << 8);
    CHECK_INT(end(&b), 0);
}

/* As much as it takes for every buffer to be full, cut into pieces of all kinds. */
enum { MUCH = 4 << 20 };

static void *pour(void *arg)
{
    const int *fd = arg;
    uint8_t bytes[4096];

    for (size_t done = 0; done < MUCH; done += sizeof bytes) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)((done + i) * 2654435761u >> 24);
        CHECK_INT(send(*fd, bytes, sizeof bytes, MSG_NOSIGNAL), (ssize_t)sizeof bytes);
    }
    CHECK_INT(shutdown(*fd, SHUT_WR), 0);
    return NULL;
}

static void drain(int fd)
{
    uint8_t bytes[4096];
    size_t have = 0, wrong = 0;
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0) {
        for (size_t i = 0; i < (size_t)n; i++)
            wrong += bytes[i] != (uint8_t)((have + i) * 2654435761u >> 24);
        have += (size_t)n;
    }
    CHECK_INT(n, 0);
    CHECK_INT(have, MUCH);
    CHECK_INT(wrong, 0);
}

static void *drain_thread(void *arg)
{
    drain(*(const int *)arg);
    return NULL;
}

static void everything_arrives_in_order(void)
{
    struct bench b;
    pthread_t threads[3];

    begin(&b, false,
          "protocol: opaque\nbuffer: 10000\n"
          "faults:\n"
          "  - {action: slice, direction: to-server, sizes: [1, 70000, 3, 4096]}\n"
          "  - {action: stall, direction: to-client, at: byte 1000000, for: 50ms}\n");
    pthread_create(&threads[0], NULL, pour, &b.client);
    pthread_create(&threads[1], NULL, pour, &b.server);
    pthread_create(&threads[2], NULL, drain_thread, &b.server);
    drain(b.client);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(end(&b), 0);
}

static void drop_rest(int fd)
{
    char bytes[256];

    while (recv(fd, bytes, sizeof bytes, 0) > 0)
        ;
}

/* Question and answer, until one goes missing; then each side reads to the end, so that no reset comes but
 * the link's. */
static void talk(struct bench *b, int connections, const char *what)
{
    ssize_t len = (ssize_t)strlen(what);
    char bytes[64];

    for (int i = 0; i < connections; i++) {
        b->client = dial(b);
        b->server = accept_server(b);
        for (int k = 0; k < 20; k++)
            if (send(b->client, what, (size_t)len, MSG_NOSIGNAL) != len ||
                recv(b->server, bytes, (size_t)len, MSG_WAITALL) != len ||
                send(b->server, what, 1, MSG_NOSIGNAL) != 1 || recv(b->client, bytes, 1, 0) != 1)
                break;
        (void)shutdown(b->client, SHUT_WR);
        (void)shutdown(b->server, SHUT_WR);
        drop_rest(b->client);
        drop_rest(b->server);
        close_sockets(b);
    }
}

static void a_record_replays_and_differences_show(void)
{
    static const struct {
        int connections;
        const char *words;
        bool same;
    } replays[] = {{5, "some words ", true},
                   {5, "other words", false},
                   {0, "some words ", false},
                   {6, "some words ", false}};
    char path[64];
    struct bench b;

    prepare(
        &b, false,
        "seed: 4\nprotocol: opaque\n"
        "random: {faults: 3, bytes: 300, time: 100ms, actions: [eof, reset, drop, slice, stall, corrupt]}");
    snprintf(path, sizeof path, "%s/record.yml", b.directory);
    snprintf(b.plan.record, sizeof b.plan.record, "%s", path);
    open_link(&b);
    talk(&b, 5, "some words ");
    zrpc_link_end(b.link);
    for (size_t i = 0; i < sizeof replays / sizeof *replays; i++) {
        struct bench again;
        struct zrpc_error err;

        prepare(&again, false, "{}");
        if (!CHECK_OK(zrpc_link_plan_load(&again.plan, path, &err)))
            printf("%s\n", err.text);
        CHECK(again.plan.n_faults >= 5);
        CHECK_INT(again.plan.n_results, 10);
        CHECK_INT(again.plan.seed, 4);
        close(again.listener);
        listen_tcp(&again);
        open_link(&again);
        talk(&again, replays[i].connections, replays[i].words);
        CHECK_INT(end(&again) == 0, replays[i].same);
    }
    CHECK_INT(end(&b), 0);
}

static const struct zrpc_test tests[] = {
    {"half-close passes on tcp", half_close_passes_on_tcp},
    {"half-close passes on unix sockets", half_close_passes_on_unix_sockets},
    {"reset passes both ways", reset_passes_both_ways},
    {"writing to one that closed fails on unix sockets", writing_to_one_that_closed_fails_on_unix_sockets},
    {"faults strike real sockets", faults_strike_real_sockets},
    {"black hole is silence for everyone", black_hole_is_silence_for_everyone},
    {"control stalls and resumes", control_stalls_and_resumes},
    {"a reset that a write finds is one", a_reset_that_a_write_finds_is_one},
    {"control answers on its socket", control_answers_on_its_socket},
    {"refusing and delaying", refusing_and_delaying},
    {"refusal for a time ends", refusal_for_a_time_ends},
    {"a server that refuses resets the client", a_server_that_refuses_resets_the_client},
    {"a child's pipes close one by one", a_childs_pipes_close_one_by_one},
    {"everything arrives in order", everything_arrives_in_order},
    {"a record replays, and differences show", a_record_replays_and_differences_show},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("link", tests, argc, argv);
}
