/*
 * A link: relays connections, with faults. One thread in one poll loop; the protocol of faults is the
 * machine's (machine.h), the bytes' ways in and out are the endpoints'.
 *
 *     zrpc_link_plan_init(&plan);
 *     snprintf(plan.listen, sizeof plan.listen, "tcp:127.0.0.1:0"); ... plan.connect, zrpc_link_plan_add()
 *     zrpc_link_open(&plan, NULL, &link, &err) ... zrpc_link_address(link)
 *     zrpc_link_start(link, &err) ... the test ... zrpc_link_close(link)
 */
#ifndef SIM_LINK_LINK_H
#define SIM_LINK_LINK_H

#include "sim/link/plan.h"
#include "zrpc/log.h"

struct zrpc_link;

struct zrpc_link_options {
    const char *const *argv;    /* what a plan with connect: exec runs, NULL-ended; may be NULL */
    const struct zrpc_log *log; /* may be NULL */
};

/* Listens, and resolves where to connect. The plan is the caller's and must outlive the link. A plan without
 * seed gets one. `options` may be NULL. */
int zrpc_link_open(struct zrpc_link_plan *plan, const struct zrpc_link_options *options,
                   struct zrpc_link **out, struct zrpc_error *err);
/* Stops, closes all connections, ends the children, completes the record. */
void zrpc_link_end(struct zrpc_link *l);
/* The same, and frees. NULL is allowed. */
void zrpc_link_close(struct zrpc_link *l);
/* "tcp:127.0.0.1:1234". */
const char *zrpc_link_address(const struct zrpc_link *l);

/* Relays until zrpc_link_stop(); with stdio, until that connection is over. */
int zrpc_link_run(struct zrpc_link *l, struct zrpc_error *err);
/* The same in a thread of its own, which zrpc_link_end() ends. */
int zrpc_link_start(struct zrpc_link *l, struct zrpc_error *err);
/* From any thread, and from signal handlers. */
void zrpc_link_stop(struct zrpc_link *l);
/* From any thread: a fault for the connections there are now (all, or the one it names), or, for one that is
 * yet to come, and for accepting, for later. */
int zrpc_link_inject(struct zrpc_link *l, const struct zrpc_link_fault *fault, struct zrpc_error *err);
/* From any thread: what `zrpc-link ctl` is answered, appended to *out. Words as on its command line. */
int zrpc_link_control(struct zrpc_link *l, const char *const *words, size_t n, struct zrpc_buf *out,
                      struct zrpc_error *err);

/* After zrpc_link_end(): the wait status of the last child that ended, -1 without one. */
int zrpc_link_child_status(const struct zrpc_link *l);
/* After zrpc_link_end(): the number of things that went wrong with the link itself, or differ from the record
 * that it replays. */
unsigned zrpc_link_failures(const struct zrpc_link *l);
/* The file that replays this run; empty if none was asked for. */
const char *zrpc_link_record_path(const struct zrpc_link *l);

#endif
