/*
 * What one client has of a server, over all of its connections: open streams, bytes of messages, handlers at
 * work. Thread-safe.
 *
 * Each session is a member of its client's account, and may have of handlers and bytes three times what it
 * leaves to the other members: one alone has most, and each that comes finds something. What it cannot have
 * at once it waits for: it is woken when it should ask again, unless it is the one that gives back, and asks
 * again anyway. Of those that may have a handler, the one that has waited for longest has its turn.
 */
#ifndef ZRPC_GRPC_ACCOUNT_H
#define ZRPC_GRPC_ACCOUNT_H

#include "zrpc/grpc_server.h"

struct grpc_account;

/* In bytes, but for streams and handlers. */
struct grpc_limits {
    unsigned streams, handlers;
    size_t budget;
    size_t windows; /* of the budget, what all streams may send without leave */
    size_t granted; /* ... to large requests at once, at most */
    size_t share;   /* ... kept for each call that is taken, above all for its response */
};

struct grpc_use {
    unsigned streams;
    unsigned taken, at_work; /* calls that are taken; those of them that are not prompt */
    size_t granted;          /* to large requests */
    size_t unsent;           /* responses */
};

struct grpc_member {
    struct grpc_account *account; /* NULL: of none */
    struct grpc_use use;          /* its part of the account's */
    void (*wake)(void *ctx);      /* optional; from any thread, with the account's lock held */
    void *wake_ctx;
    /* the account's: what it waits for */
    bool prompt, handler; /* to begin a call of a prompt method, of another */
    size_t room;          /* for a large request */
    bool waits;           /* for any of these: it is in the line */
    bool woken;           /* and has not asked since */
    struct grpc_member *next, **link;
};

/* Joins the account of that identity in the ledger, where the limits are those of the client's first session;
 * without a ledger one of its own. wake and wake_ctx are set before. ZRPC_ERR_NOMEM. */
int zrpc_grpc_account_join(struct grpc_member *m, struct zrpc_grpc_ledger *ledger, const char *identity,
                           const struct grpc_limits *limits, struct zrpc_error *err);
/* What it has used must have been given back. Of none: nothing happens. */
void zrpc_grpc_account_leave(struct grpc_member *m);

/* Each takes what is asked for, or answers false. The last two then wait for it. */
bool zrpc_grpc_account_open_stream(struct grpc_member *m);
bool zrpc_grpc_account_start(struct grpc_member *m, bool prompt);
bool zrpc_grpc_account_grant(struct grpc_member *m, size_t length);
/* What start() would answer now. */
bool zrpc_grpc_account_may_start(const struct grpc_member *m, bool prompt);
/* It waits for neither kind of handler, or for no grant, any more. */
void zrpc_grpc_account_no_start(struct grpc_member *m);
void zrpc_grpc_account_no_grant(struct grpc_member *m);

void zrpc_grpc_account_give_back(struct grpc_member *m, struct grpc_use use);
/* The same for a call's `use`, whose place a response of that size takes. False: there is no room for it. */
bool zrpc_grpc_account_answer(struct grpc_member *m, struct grpc_use use, size_t response);

/* What a call holds, for those who look: bytes before and now. */
void zrpc_grpc_account_hold(struct grpc_member *m, size_t before, size_t now);
struct zrpc_grpc_server_memory zrpc_grpc_account_memory(const struct grpc_member *m);

#endif
