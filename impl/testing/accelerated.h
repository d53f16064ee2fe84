/*
 * End-to-end tests of timeouts: the real program with the real poll(2), and time that passes 20 times as
 * fast; TEST_ACCELERATION (environment) sets another factor, as scripts/run-tests does where programs run
 * slowly.
 */
#ifndef ZRPC_TESTING_ACCELERATED_H
#define ZRPC_TESTING_ACCELERATED_H

#include "testing/suite.h"

#define ZRPC_ACCELERATION 20

/* zrpc_suite_main() in a process that scripts/with-faketime starts; run from the top of the tree. Programs
 * that the tests start inherit the speed. Waits must be poll(2), sleeps or zrpc_cond_wait(). Runs nothing
 * under the thread sanitizer, and says so. */
int zrpc_suite_main_accelerated(const char *suite, const struct zrpc_test *tests, int argc, char **argv);

#endif
