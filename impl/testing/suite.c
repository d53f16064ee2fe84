#include "testing/suite.h"

#include <CUnit/TestRun.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing/alloc.h"
#include "testing/hang.h"

static const char *volatile current, *volatile last_file = "(none)"; /* for the alarm's message */
static volatile unsigned last_line;
static const struct zrpc_test *all_tests;

static unsigned test_seconds(void)
{
    const char *text = getenv("TEST_SECONDS");
    int seconds = text == NULL ? 0 : atoi(text);

    return seconds > 0 ? (unsigned)seconds : 60;
}

static void on_alarm(int signo)
{
    char line[400];
    int n;

    (void)signo;
    alarm(0);
    n = snprintf(line, sizeof line, "%s: out of time after %u s; the last check was at %s:%u\n", current,
                 test_seconds(), last_file, last_line);
    if (write(STDERR_FILENO, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
        _exit(3);
    zrpc_hang_report();
    _exit(2);
}

static int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

/* A test gives back what it took: descriptors and child processes (memory is the business of the sanitizers
 * and valgrind). Detached threads may be about to, and get two seconds. */
static void run_and_check_leftovers(const struct zrpc_test *t)
{
    int before = open_descriptors(), tries = 200;

    t->run();
    zrpc_alloc_fail_at(0);
    zrpc_resource_fail_at(0);
    while (open_descriptors() > before && tries-- > 0)
        usleep(10000);
    CHECK(open_descriptors() <= before);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void run_current(void)
{
    const char *name = CU_get_current_test()->pName;

    for (const struct zrpc_test *t = all_tests; t->name != NULL; t++) {
        if (strcmp(t->name, name) != 0)
            continue;
        current = t->name;
        last_file = "(none)";
        last_line = 0;
        alarm(test_seconds());
        run_and_check_leftovers(t);
        alarm(0);
        return;
    }
}

static int selected(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i]) != NULL)
            return 1;
    return argc <= 1;
}

static int list(const struct zrpc_test *tests)
{
    for (const struct zrpc_test *t = tests; t->name != NULL; t++)
        puts(t->name);
    return 0;
}

static int add_tests(const char *suite, const struct zrpc_test *tests, int argc, char **argv)
{
    CU_pSuite cu;

    if (CU_initialize_registry() != CUE_SUCCESS || (cu = CU_add_suite(suite, NULL, NULL)) == NULL) {
        fprintf(stderr, "%s: %s\n", suite, CU_get_error_msg());
        return -1;
    }
    for (const struct zrpc_test *t = tests; t->name != NULL; t++) {
        if (selected(t->name, argc, argv) && CU_add_test(cu, t->name, run_current) == NULL) {
            fprintf(stderr, "%s: %s: %s\n", suite, t->name, CU_get_error_msg());
            return -1;
        }
    }
    return 0;
}

int zrpc_suite_main(const char *suite, const struct zrpc_test *tests, int argc, char **argv)
{
    struct sigaction on_time_out = {.sa_handler = on_alarm};
    unsigned failed, ran;

    if (argc == 2 && strcmp(argv[1], "-l") == 0)
        return list(tests);
    zrpc_hang_prepare();
    sigaction(SIGALRM, &on_time_out, NULL);
    all_tests = tests;
    if (add_tests(suite, tests, argc, argv) < 0)
        return 2;
    CU_run_all_tests();
    for (CU_pFailureRecord f = CU_get_failure_list(); f != NULL; f = f->pNext)
        printf("%s:%u: %s: %s\n", f->strFileName, f->uiLineNumber, f->pTest == NULL ? suite : f->pTest->pName,
               f->strCondition);
    failed = CU_get_number_of_tests_failed();
    ran = CU_get_number_of_tests_run();
    printf("%s: %u passed, %u failed\n", suite, ran - failed, failed);
    CU_cleanup_registry();
    return ran == 0 || failed > 0;
}

int zrpc_under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

static int assert_with(int held, const char *message, const char *file, unsigned line)
{
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&one_at_a_time);
    last_file = file;
    last_line = line;
    CU_assertImplementation(held ? CU_TRUE : CU_FALSE, line, message, file, "", CU_FALSE);
    pthread_mutex_unlock(&one_at_a_time);
    return held;
}

int zrpc_check(int held, const char *what, const char *file, unsigned line)
{
    return assert_with(held, what, file, line);
}

int zrpc_check_code(long actual, long expected, const char *what, const char *file, unsigned line)
{
    char message[512];

    snprintf(message, sizeof message, "%s: %s (%ld), expected %s (%ld)", what, zrpc_code_name((int)actual),
             actual, zrpc_code_name((int)expected), expected);
    return assert_with(actual == expected, message, file, line);
}

int zrpc_check_int(long long actual, long long expected, const char *what, const char *file, unsigned line)
{
    char message[512];

    snprintf(message, sizeof message, "%s is %lld, expected %lld", what, actual, expected);
    return assert_with(actual == expected, message, file, line);
}

int zrpc_check_str(const char *actual, const char *expected, const char *what, const char *file,
                   unsigned line)
{
    char message[2048];

    snprintf(message, sizeof message, "%s is \"%s\", expected \"%s\"", what,
             actual == NULL ? "(null)" : actual, expected);
    return assert_with(actual != NULL && strcmp(actual, expected) == 0, message, file, line);
}

int zrpc_check_contains(const char *text, const char *needle, const char *what, const char *file,
                        unsigned line)
{
    char message[2048];

    snprintf(message, sizeof message, "%s is \"%s\", expected \"%s\" in it", what,
             text == NULL ? "(null)" : text, needle);
    return assert_with(text != NULL && strstr(text, needle) != NULL, message, file, line);
}

static void hex(struct zrpc_view v, char *out, size_t size)
{
    size_t shown = v.len < (size - 8) / 2 ? v.len : (size - 8) / 2;

    for (size_t i = 0; i < shown; i++)
        snprintf(out + 2 * i, 3, "%02x", v.data[i]);
    snprintf(out + 2 * shown, 8, "%s", shown < v.len ? "..." : "");
}

int zrpc_check_bytes(struct zrpc_view actual, struct zrpc_view expected, const char *what, const char *file,
                     unsigned line)
{
    char a[300], e[300], message[1024];

    hex(actual, a, sizeof a);
    hex(expected, e, sizeof e);
    snprintf(message, sizeof message, "%s is %s (%zu bytes), expected %s (%zu bytes)", what, a, actual.len, e,
             expected.len);
    return assert_with(zrpc_view_equal(actual, expected), message, file, line);
}
