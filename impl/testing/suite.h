/*
 * Test programs: a const table of tests, run by CUnit, one program per suite.
 *
 *     static const struct zrpc_test tests[] = {{"an empty banner is refused", empty_banner}, {NULL, NULL}};
 *     int main(int argc, char **argv) { return zrpc_suite_main("versionhandshake", tests, argc, argv); }
 *
 * Prints a line for each failed assertion and closes with `NAME: N passed, N failed`. Exit status 0 only when
 * at least one test ran and none failed. A test that leaves descriptors or child processes behind has failed;
 * assertions may come from any thread. Arguments select tests by substring; -l lists them. Each test gets
 * TEST_SECONDS (default 60, environment) and is ended with SIGALRM beyond that, after a
 * report of where its threads are (testing/hang.h).
 */
#ifndef ZRPC_TESTING_SUITE_H
#define ZRPC_TESTING_SUITE_H

#include <CUnit/CUnit.h>

#include "zrpc/bytes.h"

struct zrpc_test {
    const char *name;
    void (*run)(void);
};

int zrpc_suite_main(const char *suite, const struct zrpc_test *tests, int argc, char **argv);

/* For what cannot be had there; say so in the output. */
int zrpc_under_valgrind(void);

/* Assertions that show what they compared. */
#define CHECK_OK(call)               zrpc_check_code((call), 0, #call, __FILE__, __LINE__)
#define CHECK_CODE(call, expected)   zrpc_check_code((call), (expected), #call, __FILE__, __LINE__)
#define CHECK_STR(actual, expected)  zrpc_check_str((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_INT(actual, expected)  zrpc_check_int((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_BYTES(view, expected)  zrpc_check_bytes((view), (expected), #view, __FILE__, __LINE__)
#define CHECK_CONTAINS(text, needle) zrpc_check_contains((text), (needle), #text, __FILE__, __LINE__)
#define CHECK(condition)             zrpc_check((condition), #condition, __FILE__, __LINE__)

/* All answer whether the check held, so that a test can stop where going on makes no sense. */
int zrpc_check(int held, const char *what, const char *file, unsigned line);
int zrpc_check_code(long actual, long expected, const char *what, const char *file, unsigned line);
int zrpc_check_int(long long actual, long long expected, const char *what, const char *file, unsigned line);
int zrpc_check_str(const char *actual, const char *expected, const char *what, const char *file,
                   unsigned line);
int zrpc_check_contains(const char *text, const char *needle, const char *what, const char *file,
                        unsigned line);
int zrpc_check_bytes(struct zrpc_view actual, struct zrpc_view expected, const char *what, const char *file,
                     unsigned line);

#endif
