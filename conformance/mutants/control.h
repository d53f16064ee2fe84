/*
 * Relaying a control connection frame by frame, for mutants: what a hook does not deal with passes as it
 * came.
 */
#ifndef ZRPC_CONFORMANCE_MUTANT_CONTROL_H
#define ZRPC_CONFORMANCE_MUTANT_CONTROL_H

#include "conformance/h2_names.h"
#include "conformance/mutants/mutant.h"

#define ZRPC_CONTROL_LIST_MAX 24

/* A header list, zero-terminated. */
struct zrpc_control_list {
    size_t n;
    struct {
        char name[64], value[1024];
    } at[ZRPC_CONTROL_LIST_MAX];
};

typedef struct zrpc_h2_header_of_frame zrpc_control_frame;

/* All optional. True: the frame was dealt with. */
struct zrpc_control_hooks {
    bool (*up)(struct zrpc_relay *r, zrpc_control_frame frame, struct zrpc_view payload);
    bool (*down)(struct zrpc_relay *r, zrpc_control_frame frame, struct zrpc_view payload);
    /* May change the header list of a request, of an answer or its trailers. False: it does not pass. */
    bool (*request)(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list);
    bool (*answer)(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list);
    /* May change an answer's message, decoded; for messages that come in one DATA frame. */
    void (*reply)(struct zrpc_relay *r, ProtobufCMessage *reply);
    zrpc_time idle_limit; /* 0: none; the connection is cut after that long without a byte from the client */
};

/* The relay's own: NULL without memory. */
struct zrpc_control_relay *zrpc_control_relay_new(void);
void zrpc_control_relay_free(struct zrpc_control_relay *c);
/* Bytes of the control connection, in the client's or in the server's direction. */
void zrpc_control_relay_take(struct zrpc_relay *r, bool up, struct zrpc_view bytes);

/* For hooks: a frame to the server, to the client. */
void zrpc_control_up(struct zrpc_relay *r, uint8_t type, uint8_t flags, uint32_t stream,
                     struct zrpc_view payload);
void zrpc_control_down(struct zrpc_relay *r, uint8_t type, uint8_t flags, uint32_t stream,
                       struct zrpc_view payload);
/* GOAWAY with that code, and then the end. */
void zrpc_control_end(struct zrpc_relay *r, uint32_t code);
/* The value of that name, or NULL. */
char *zrpc_control_value(struct zrpc_control_list *list, const char *name);
void zrpc_control_remove(struct zrpc_control_list *list, const char *name);

#endif
