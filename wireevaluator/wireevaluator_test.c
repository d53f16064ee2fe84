#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "testing/certificates.h"
#include "testing/suite.h"
#include "wireevaluator/certificate.h"
#include "wireevaluator/selftest.h"
#include "wireevaluator/transport.h"
#include "zrpc/transport.h"

/* Everything that a slow machine needs: less to transfer, more patience. */
static void init_runner(struct zrpc_eval_runner *r, struct zrpc_evaluated *t)
{
    zrpc_eval_runner_init(r, t);
    if (zrpc_under_valgrind()) {
        r->bulk = 1 << 20;
        r->patience = 120 * ZRPC_SECOND;
    }
}

static void check_certified(struct zrpc_evaluated *t, unsigned repeat)
{
    struct zrpc_eval_results results = {0};
    struct zrpc_eval_runner runner;
    struct zrpc_error err = {0};

    init_runner(&runner, t);
    runner.repeat = repeat;
    CHECK_OK(zrpc_eval_runner_run(&runner, &results, &err));
    CHECK(results.complete && results.n >= 30);
    CHECK(zrpc_eval_results_good(&results));
    for (size_t i = 0; i < results.n; i++)
        if (results.rows[i].verdict != ZRPC_VERDICT_PASS)
            zrpc_eval_print_result(stdout, &results.rows[i], false);
    CHECK_INT(results.counts[ZRPC_VERDICT_PASS], results.n);
    zrpc_eval_results_dispose(&results);
    t->ops->close(t);
}

static void the_cases_are_sound(void)
{
    struct zrpc_error err = {0};

    if (!CHECK_OK(zrpc_eval_cases_check(&err)))
        puts(err.text);
}

static void tcp_is_certified(void)
{
    struct zrpc_evaluated *t;

    if (CHECK_OK(zrpc_eval_transport_named("tcp", &t, NULL)))
        check_certified(t, 1);
}

static void local_is_certified(void)
{
    struct zrpc_evaluated *t;

    if (CHECK_OK(zrpc_eval_transport_named("local", &t, NULL)))
        check_certified(t, 1);
}

static void unknown_transports(void)
{
    struct zrpc_evaluated *t;
    struct zrpc_error err = {0};

    CHECK_CODE(zrpc_eval_transport_named("carrier pigeon", &t, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "expected tcp");
    CHECK_CODE(zrpc_eval_defect_open("none", &t, &err), ZRPC_ERR_USAGE);
    CHECK_CONTAINS(err.text, "loses-last-bytes");
    CHECK_CODE(zrpc_eval_transport_load("/nowhere.so", "", &t, &err), ZRPC_ERR_USAGE);
    CHECK_CODE(zrpc_eval_transport_config("/nowhere.yml", &t, &err), ZRPC_ERR_SYSTEM);
}

/* tls through a configuration file. */
static int free_port(void)
{
    static const struct zrpc_tcp_client nobody = {.ip = "127.0.0.1", .identity = "x"};
    struct zrpc_listener *l;
    int port = 0;

    if (CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", &nobody, 1, &l, NULL))) {
        port = atoi(strrchr(l->ops->address(l), ':') + 1);
        l->ops->close(l);
    }
    return port;
}

static void tls_is_certified(void)
{
    static const struct zrpc_test_cert certs[] = {
        {.name = "server", .cn = "server1"},
        {.name = "client", .cn = "client1"},
    };
    const char *dir = zrpc_test_dir(), *file = zrpc_test_path("tls.yml");
    struct zrpc_evaluated *t;
    struct zrpc_error err;
    int port = free_port();
    FILE *f;

    CHECK_INT(zrpc_test_cert_make(&certs[0]), 0);
    CHECK_INT(zrpc_test_cert_make(&certs[1]), 0);
    f = fopen(file, "w");
    fprintf(f,
            "connect:\n  type: tls\n  address: \"127.0.0.1:%d\"\n  ca: %s/server.crt\n  cert: %s/client.crt\n"
            "  key: %s/client.key\n  server_cn: server1\n"
            "serve:\n  type: tls\n  listen: \"127.0.0.1:%d\"\n  ca: %s/client.crt\n  cert: %s/server.crt\n"
            "  key: %s/server.key\n  client_cns: [client1]\n",
            port, dir, dir, dir, port, dir, dir, dir);
    fclose(f);
    if (CHECK_OK(zrpc_eval_transport_config(file, &t, &err)))
        check_certified(t, 1);
    zrpc_test_dir_remove();
}

/*
 * exec: this program as both commands. What one reads goes to the other in chunks of a length and bytes; the
 * length 0 is the end, so that a command that dies does not look like one.
 */
struct pump {
    int from, to;
};

static bool write_all(int fd, const void *buf, size_t len)
{
    ssize_t n = 1;

    for (const char *p = buf; len > 0 && n > 0; p += n, len -= (size_t)n)
        n = write(fd, p, len);
    return n > 0 || len == 0;
}

static bool read_all(int fd, void *buf, size_t len)
{
    ssize_t n = 1;

    for (char *p = buf; len > 0 && n > 0; p += n, len -= (size_t)n)
        n = read(fd, p, len);
    return n > 0 || len == 0;
}

static void *pack(void *arg)
{
    const struct pump *p = arg;
    char buf[32768];
    ssize_t n;

    do {
        uint32_t len;

        n = read(p->from, buf, sizeof buf);
        len = n < 0 ? 0 : (uint32_t)n;
        if (n < 0 || !write_all(p->to, &len, sizeof len) || !write_all(p->to, buf, len))
            _exit(1);
    } while (n > 0);
    return NULL;
}

static void unpack(const struct pump *p)
{
    char buf[32768];
    uint32_t len = 1;

    while (len > 0) {
        if (!read_all(p->from, &len, sizeof len) || len > sizeof buf || !read_all(p->from, buf, len) ||
            !write_all(p->to, buf, len))
            _exit(1);
    }
    if (shutdown(p->to, SHUT_WR) < 0)
        close(p->to);
}

/* relay IN OUT */
static int relay(char **argv)
{
    bool serves = strcmp(getenv("WIREEVALUATOR_SIDE"), "serve") == 0;
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct pump in = {.from = atoi(argv[2])}, out = {.to = atoi(argv[3])};
    pthread_t thread;

    snprintf(at.sun_path, sizeof at.sun_path, "%s/s", getenv("WIREEVALUATOR_DIR"));
    if (serves) {
        if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 1) < 0)
            return 1;
        fd = accept(fd, NULL, NULL);
    } else if (connect(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        return 1;
    }
    in.to = out.from = fd;
    if (fd < 0 || pthread_create(&thread, NULL, pack, &in) != 0)
        return 1;
    unpack(&out);
    pthread_join(thread, NULL);
    return 0;
}

static void certify_commands(const char *arguments, int fd)
{
    char self[512] = "", command[600];
    struct zrpc_evaluated *t;

    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(command, sizeof command, "exec '%s' relay %s", self, arguments);
    if (CHECK_OK(zrpc_eval_transport_exec(command, command, fd, &t, NULL)))
        check_certified(t, 1);
}

static void commands_are_certified(void)
{
    if (!zrpc_under_valgrind()) /* what it starts is not under it, and so outruns it */
        certify_commands("0 1", -1);
}

static void commands_with_a_descriptor_are_certified(void)
{
    if (!zrpc_under_valgrind())
        certify_commands("5 5", 5);
}

/*
 * What a transport may do to the evaluator
 */
static struct zrpc_eval_results run_some(struct zrpc_evaluated *t, const char *glob, unsigned repeat)
{
    struct zrpc_eval_results results = {0};
    struct zrpc_eval_runner runner;

    init_runner(&runner, t);
    runner.globs = &glob;
    runner.n_globs = 1;
    runner.repeat = repeat;
    CHECK_OK(zrpc_eval_runner_run(&runner, &results, NULL));
    return results;
}

static int abort_in_open(struct zrpc_evaluated *t, zrpc_time deadline, struct zrpc_wire *out[2],
                         struct zrpc_error *err)
{
    (void)t;
    (void)deadline;
    (void)out;
    (void)err;
    abort();
}

static int fail_to_open(struct zrpc_evaluated *t, zrpc_time deadline, struct zrpc_wire *out[2],
                        struct zrpc_error *err)
{
    (void)t;
    (void)deadline;
    (void)out;
    return zrpc_fail(err, ZRPC_ERR_DIAL, "nobody there");
}

static void a_crash_costs_one_case(void)
{
    static const struct zrpc_evaluated_ops ops = {.name = "crashes", .open_pair = abort_in_open};
    struct zrpc_evaluated t = {&ops};
    struct zrpc_eval_results results = run_some(&t, "bytes.*", 1);

    CHECK_INT(results.counts[ZRPC_VERDICT_FAIL], results.n);
    CHECK_CONTAINS(results.rows[0].got, "ended by signal 6");
    zrpc_eval_results_dispose(&results);
}

static void no_connection_is_inconclusive(void)
{
    static const struct zrpc_evaluated_ops ops = {.name = "absent", .open_pair = fail_to_open};
    struct zrpc_evaluated t = {&ops};
    struct zrpc_eval_results results = run_some(&t, "close.*", 1);

    CHECK_INT(results.counts[ZRPC_VERDICT_INCONCLUSIVE], results.n);
    CHECK_CONTAINS(results.rows[0].got, "nobody there");
    CHECK(!zrpc_eval_results_good(&results));
    zrpc_eval_results_dispose(&results);
}

/* Every third run is defective. */
struct moody {
    struct zrpc_evaluated base;
    struct zrpc_evaluated *defect;
    int *runs; /* shared with the processes of the cases */
};

static int open_moodily(struct zrpc_evaluated *base, zrpc_time deadline, struct zrpc_wire *out[2],
                        struct zrpc_error *err)
{
    struct moody *m = (struct moody *)base;

    if (++*m->runs % 3 == 0)
        return m->defect->ops->open_pair(m->defect, deadline, out, err);
    return zrpc_local_pair(out, err);
}

static void repetition_shows_what_is_flaky(void)
{
    static const struct zrpc_evaluated_ops ops = {.name = "moody", .open_pair = open_moodily};
    struct moody m = {.base = {&ops}};
    struct zrpc_eval_results results;
    struct zrpc_buf text = {0};

    m.runs = mmap(NULL, sizeof *m.runs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK_OK(zrpc_eval_defect_open("closewrite-once", &m.defect, NULL));
    results = run_some(&m.base, "closewrite.twice", 7);
    CHECK_INT(results.rows[0].verdict, ZRPC_VERDICT_FLAKY);
    CHECK_STR(results.rows[0].clause, "ZR-WIRE-009");
    CHECK(!zrpc_eval_results_good(&results));
    zrpc_eval_add_verdict(&text, &results.rows[0]);
    CHECK_STR(zrpc_text_str(&text), "FLAKY (5 of 7)");
    zrpc_buf_dispose(&text);
    zrpc_eval_results_dispose(&results);
    m.defect->ops->close(m.defect);
    munmap(m.runs, sizeof *m.runs);
}

static void no_such_case(void)
{
    const char *glob = "bytes.none";
    struct zrpc_eval_results results;
    struct zrpc_evaluated *t;
    struct zrpc_eval_runner runner;

    if (!CHECK_OK(zrpc_eval_transport_named("local", &t, NULL)))
        return;
    zrpc_eval_runner_init(&runner, t);
    runner.globs = &glob;
    runner.n_globs = 1;
    CHECK_CODE(zrpc_eval_runner_run(&runner, &results, NULL), ZRPC_ERR_USAGE);
    zrpc_eval_results_dispose(&results);
    t->ops->close(t);
}

/* Each defect fails the case that has to catch it, by the clause that it breaks. */
static void every_defect_is_caught(void)
{
    const struct zrpc_eval_defect *d;
    size_t n = 0;

    for (; (d = zrpc_eval_defect_at(n)) != NULL; n++) {
        struct zrpc_eval_selftest result;

        CHECK(zrpc_eval_case_find(d->caught_by) != NULL);
        if (zrpc_under_valgrind())
            continue;
        CHECK_OK(zrpc_eval_selftest(d, 1, &result, NULL));
        if (!CHECK(result.caught))
            printf("%s: %s by \"%s\", expected FAIL by %s in %s\n", d->name,
                   zrpc_verdict_name(result.verdict), result.clause, d->clause, d->caught_by);
    }
    CHECK(n >= 15);
}

/*
 * Certificates
 */
static struct zrpc_buf make_certificate(const char *glob, bool html)
{
    struct zrpc_buf json = {0}, page = {0};
    struct zrpc_eval_results results;
    struct zrpc_evaluated *t;

    CHECK_OK(zrpc_eval_transport_named("local", &t, NULL));
    results = run_some(t, glob, 2);
    CHECK_OK(zrpc_eval_certificate_json(&results, t, &json, NULL));
    if (html)
        zrpc_eval_certificate_html(&results, t, &json, &page);
    zrpc_eval_results_dispose(&results);
    t->ops->close(t);
    if (!html)
        return json;
    zrpc_buf_dispose(&json);
    return page;
}

static void check_alterations(struct zrpc_buf *certificate)
{
    struct zrpc_eval_verified v;
    uint8_t *bytes = certificate->base + certificate->off;
    size_t step = certificate->len / (zrpc_under_valgrind() ? 100 : 1000) + 1;

    for (size_t i = 0; i < certificate->len; i += step) {
        uint8_t was = bytes[i];

        bytes[i] = was == ' ' ? '\n' : was == '\n' ? ' ' : was == '1' ? '2' : '1';
        CHECK_CODE(zrpc_eval_certificate_verify(zrpc_buf_view(certificate), &v, NULL), ZRPC_ERR_USAGE);
        bytes[i] = was;
    }
    for (size_t len = certificate->len; len > 0; len -= len < step ? len : step)
        CHECK_CODE(zrpc_eval_certificate_verify(zrpc_view(bytes, len - 1), &v, NULL), ZRPC_ERR_USAGE);
}

static void alterations_show(void)
{
    for (int html = 0; html < 2; html++) {
        struct zrpc_buf certificate = make_certificate("closewrite.twice", html == 1);
        struct zrpc_eval_verified v;
        struct zrpc_error err = {0};

        if (!CHECK_OK(zrpc_eval_certificate_verify(zrpc_buf_view(&certificate), &v, &err)))
            puts(err.text);
        CHECK(!v.complete && !v.certified);
        CHECK_INT(v.cases, 1);
        CHECK_STR(v.transport, "local");
        CHECK_STR(v.version, ZRPC_VERSION);
        check_alterations(&certificate);
        zrpc_buf_dispose(&certificate);
    }
}

static void a_whole_certificate(void)
{
    struct zrpc_buf page = make_certificate("*", true);
    struct zrpc_eval_verified v;

    CHECK_OK(zrpc_eval_certificate_verify(zrpc_buf_view(&page), &v, NULL));
    CHECK(v.complete && v.certified);
    CHECK_CONTAINS(zrpc_text_str(&page), "ZR-WIRE-009");
    CHECK(strstr(zrpc_text_str(&page), "http://") == NULL &&
          strstr(zrpc_text_str(&page), "https://") == NULL);
    zrpc_buf_dispose(&page);
}

static const struct zrpc_test tests[] = {
    {"the cases are sound", the_cases_are_sound},
    {"tcp is certified", tcp_is_certified},
    {"local is certified", local_is_certified},
    {"tls is certified, by a configuration file", tls_is_certified},
    {"commands are certified", commands_are_certified},
    {"commands with a descriptor are certified", commands_with_a_descriptor_are_certified},
    {"unknown transports", unknown_transports},
    {"a crash costs one case", a_crash_costs_one_case},
    {"no connection is inconclusive", no_connection_is_inconclusive},
    {"repetition shows what is flaky", repetition_shows_what_is_flaky},
    {"no such case", no_such_case},
    {"every defect is caught, by its clause", every_defect_is_caught},
    {"alterations of a certificate show", alterations_show},
    {"a whole certificate", a_whole_certificate},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "relay") == 0)
        return relay(argv);
    return zrpc_suite_main("wireevaluator", tests, argc, argv);
}
