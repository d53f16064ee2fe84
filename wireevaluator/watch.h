/*
 * Watch: one run of a case, in a process of its own, as seen from outside. It survives whatever becomes of
 * that process.
 *
 * A run hangs when nothing happens on its ends for `patience`. A machine that is busy makes it slow, not
 * silent.
 */
#ifndef ZRPC_WIREEVALUATOR_WATCH_H
#define ZRPC_WIREEVALUATOR_WATCH_H

#include <poll.h>
#include <sys/types.h>

#include "wireevaluator/run.h"

/* What the run is about. */
struct zrpc_eval_watched {
    const struct zrpc_eval_case *tc;
    struct zrpc_evaluated *transport;
    uint64_t seed, bulk;
    zrpc_time patience;
};

struct zrpc_eval_watch {
    struct zrpc_eval_watched what;
    pid_t pid;           /* 0: no run is going on */
    int process, report; /* a pidfd; what the run tells */
    zrpc_time started, heard, over;
    struct zrpc_trace trace;
    struct zrpc_eval_message step; /* the last one */
    /* The verdict, when the run has ended. */
    bool decided;
    struct zrpc_eval_message verdict;
    zrpc_time took;
};

/* Starts a run. Its process closes what `all`, the watches beside this one, hold open. On failure nothing is
 * left. No other thread may run. */
int zrpc_eval_watch_start(struct zrpc_eval_watch *w, const struct zrpc_eval_watched *what,
                          const struct zrpc_eval_watch *all, size_t n, struct zrpc_error *err);
/* What to poll for, and until when at the latest. */
void zrpc_eval_watch_poll(const struct zrpc_eval_watch *w, struct pollfd out[static 2], zrpc_time *until);
/* Takes what there is to take; true if that ended the run: verdict and trace, which is the caller's then, are
 * complete, and the process and all it started in its group are gone. */
bool zrpc_eval_watch_attend(struct zrpc_eval_watch *w);
/* Ends a run without a verdict. */
void zrpc_eval_watch_abandon(struct zrpc_eval_watch *w);

#endif
