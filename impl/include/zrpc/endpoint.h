/*
 * Endpoints: zrepl's Sender and Receiver over a zfs backend, as handlers (ZR-MSG-005 to ZR-MSG-030).
 *
 * The sender serves the filesystems its filter admits, under their own names. It refuses Receive. It goes on
 * from a resume token that tells of the very stream that is asked for: of that filesystem, to and from
 * versions with those guids. Any other token fails the send (ZR-MSG-013).
 *
 * The receiver maps each path to ROOT/CLIENT-IDENTITY/path; no path and no identity gets out of there.
 * Missing parents are created as placeholders. A placeholder that receives is emptied and un-marked first,
 * and marked again if the receive fails. A filesystem that is being received to refuses a second receive as
 * busy. Send and ReplicationCursor are refused.
 *
 * Where the backend can, the receiver keeps what has come of a receive that fails, and lists its resume
 * token. Real zrepl 0.1.1 takes no notice: it asks for whole streams with ClearResumeToken, which drops what
 * was kept (ZR-MSG-016).
 *
 * Both, for tests, is a sender and a receiver in one namespace, in which a client can push, look, and pull
 * what it pushed: Receive maps as the receiver does. Every other call takes a path for
 * ROOT/CLIENT-IDENTITY/path where that exists and is no placeholder, else for the sender's filesystem of that
 * name. Listing is the union. ROOT and what is below it is not the sender's.
 *
 * Calls block: on the backend, and on a free slot of the limits below, until call->cancelled. A send holds
 * its slot until its source is closed, a receive until its sink is. So whatever finishes and closes those
 * must not wait for a thread that a waiting handler may occupy.
 */
#ifndef ZRPC_ENDPOINT_H
#define ZRPC_ENDPOINT_H

#include <pthread.h>

#include "zrpc/handler.h"
#include "zrpc/zfs.h"

#define ZRPC_ENDPOINT_CONCURRENCY_DEFAULT 10
#define ZRPC_REPLICATION_CURSOR           "zrepl_replication_cursor" /* the bookmark's name */

enum zrpc_endpoint_role { ZRPC_ENDPOINT_SENDER, ZRPC_ENDPOINT_RECEIVER, ZRPC_ENDPOINT_BOTH };

/* "sender", "receiver", "both": 0, or ZRPC_ERR_USAGE. */
int zrpc_endpoint_role_parse(const char *text, enum zrpc_endpoint_role *out, struct zrpc_error *err);

/* zrepl's filesystem filter: the pattern "tank/a" matches that filesystem, "tank/a<" it and all below, "<"
 * all. An exact match decides, else the longest subtree's; what matches nothing is not admitted. */
struct zrpc_endpoint_rule {
    const char *pattern;
    bool admit;
};

/* 0, or ZRPC_ERR_USAGE. */
int zrpc_endpoint_pattern_check(const char *pattern, struct zrpc_error *err);

/* Everything pointed to is borrowed until dispose. */
struct zrpc_endpoint_config {
    enum zrpc_endpoint_role role;
    struct zrpc_zfs zfs;
    const char *root;                       /* receiver and both: the dataset below which clients receive */
    bool for_one;                           /* ... in it, not in ROOT/CLIENT-IDENTITY: as zrepl's pull job */
    bool not_resumable;                     /* nothing is kept of a receive that fails */
    const struct zrpc_endpoint_rule *rules; /* sender and both */
    size_t n_rules;                         /* 0: everything is admitted */
    unsigned max_sends, max_receives;       /* at a time; 0: the default */
};

/* Sets max_sends and max_receives from ZREPL_ENDPOINT_MAX_CONCURRENT_SEND and ..._RECV where those are set.
 * ZRPC_ERR_USAGE names the variable that holds no positive number. */
int zrpc_endpoint_config_env(struct zrpc_endpoint_config *config, struct zrpc_error *err);

/* A counting semaphore whose waiters can be cancelled. */
struct zrpc_endpoint_limit {
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    unsigned used, max;
};

struct zrpc_endpoint_receive;

struct zrpc_endpoint {
    struct zrpc_endpoint_config config;
    struct zrpc_endpoint_limit sends, receives;
    pthread_mutex_t tree;                    /* creating parents */
    pthread_mutex_t cursor;                  /* reading, comparing and setting a cursor */
    pthread_mutex_t targets;                 /* guards `receiving` */
    struct zrpc_endpoint_receive *receiving; /* receives under way, one for each filesystem at most */
};

/* ZRPC_ERR_USAGE for a root or a rule that cannot be. */
int zrpc_endpoint_init(struct zrpc_endpoint *e, const struct zrpc_endpoint_config *config,
                       struct zrpc_error *err);
/* No call may be in it, and every source and sink it gave must be closed. */
void zrpc_endpoint_dispose(struct zrpc_endpoint *e);
/* Valid until dispose. */
struct zrpc_handler zrpc_endpoint_handler(struct zrpc_endpoint *e);

#endif
