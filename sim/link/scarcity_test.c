/* The link with each allocation, and each descriptor, failing once. */
#include <stdio.h>

#include "sim/link/link.h"
#include "sim/link/machine.h"
#include "testing/alloc.h"
#include "testing/suite.h"

static const char faults[] =
    "faults:\n"
    "  - {action: corrupt, at: after the header of every data}\n"
    "  - {action: stall, direction: to-server, at: byte 3, for: 1s}\n"
    "  - {action: latency, delay: 1ms}\n"
    "  - {action: reset, at: before the 9th heartbeat}\n"
    "  - {action: eof, at: byte 1000}\n"
    "  - {action: drop, after: 1m}\n";

static int drive(struct zrpc_link_machine *m, struct zrpc_error *err)
{
    static const uint8_t frame[] = {0, 0, 0, 5, 0, 0, 0, 4, 'd', 'a', 't', 'a'};
    zrpc_time now = 0;
    int rc = 0;

    for (int i = 0; rc == 0 && i < 60; i++, now += 100 * ZRPC_MILLISECOND) {
        enum zrpc_link_end end;
        struct zrpc_view out;
        zrpc_time wakeup;

        rc = zrpc_link_machine_feed(m, ZRPC_LINK_TO_SERVER, now, zrpc_view(frame, sizeof frame), err);
        while (rc == 0 &&
               zrpc_link_machine_next(m, ZRPC_LINK_TO_SERVER, now, &out, &end, &wakeup) == ZRPC_LINK_PASS)
            zrpc_link_machine_passed(m, ZRPC_LINK_TO_SERVER, now, out.len);
    }
    return rc;
}

static int machine(void *arg)
{
    const struct zrpc_link_plan *plan = arg;
    struct zrpc_link_machine m;
    struct zrpc_error err;
    int rc = 0;

    zrpc_link_machine_init(&m, 1, 1, ZRPC_LINK_FRAMES, 1 << 20, 0);
    for (size_t i = 0; rc == 0 && i < plan->n_faults; i++)
        rc = zrpc_link_machine_add(&m, 0, &plan->faults[i], &err);
    if (rc == 0)
        rc = drive(&m, &err);
    zrpc_link_machine_dispose(&m);
    return rc;
}

static void a_machine_without_memory(void)
{
    struct zrpc_link_plan plan;

    zrpc_link_plan_init(&plan);
    CHECK_OK(zrpc_link_plan_parse(&plan, "plan", zrpc_view_of(faults), NULL));
    CHECK(zrpc_alloc_each(machine, &plan) >= 5);
    zrpc_link_plan_dispose(&plan);
}

static int plan_of(void *arg)
{
    struct zrpc_link_plan plan;
    struct zrpc_error err;
    int rc;

    (void)arg;
    zrpc_link_plan_init(&plan);
    rc = zrpc_link_plan_parse(&plan, "plan", zrpc_view_of(faults), &err);
    zrpc_link_plan_dispose(&plan);
    return rc;
}

static void a_plan_without_memory(void)
{
    CHECK(zrpc_alloc_each(plan_of, NULL) >= 3);
}

static int open_and_close(void *arg)
{
    struct zrpc_link_plan plan;
    struct zrpc_link *link;
    struct zrpc_error err;
    int rc;

    (void)arg;
    zrpc_link_plan_init(&plan);
    plan.has_seed = true;
    snprintf(plan.listen, sizeof plan.listen, "tcp:127.0.0.1:0");
    snprintf(plan.connect, sizeof plan.connect, "exec:true");
    snprintf(plan.record, sizeof plan.record, "/dev/null");
    rc = zrpc_link_open(&plan, NULL, &link, &err);
    if (rc == 0) {
        rc = zrpc_link_start(link, &err);
        zrpc_link_close(link);
    }
    zrpc_link_plan_dispose(&plan);
    return rc;
}

static int open_only(void *arg)
{
    struct zrpc_link_plan plan;
    struct zrpc_link *link;
    struct zrpc_error err;
    int rc;

    (void)arg;
    zrpc_link_plan_init(&plan);
    plan.has_seed = true;
    snprintf(plan.listen, sizeof plan.listen, "tcp:127.0.0.1:0");
    snprintf(plan.connect, sizeof plan.connect, "exec:true");
    rc = zrpc_link_open(&plan, NULL, &link, &err);
    if (rc == 0)
        zrpc_link_close(link);
    zrpc_link_plan_dispose(&plan);
    return rc;
}

static void a_link_without_memory_or_descriptors(void)
{
    CHECK(zrpc_alloc_each(open_only, NULL) >= 1);
    CHECK(zrpc_resource_each(open_and_close, NULL) >= 3);
}

static const struct zrpc_test tests[] = {
    {"a machine without memory", a_machine_without_memory},
    {"a plan without memory", a_plan_without_memory},
    {"a link without memory or descriptors", a_link_without_memory_or_descriptors},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("link-scarcity", tests, argc, argv);
}
