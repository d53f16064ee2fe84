/*
 * Mutants that harm their whole process, and so every client.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "conformance/mutants/families.h"

static void pass(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    zrpc_relay_frame_up(r, frame.type, payload);
}

static void die(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    if (frame.length == 1)
        abort();
    pass(r, frame, payload);
}

/* Takes the turn that every new connection needs, and keeps it. */
static void hang(struct zrpc_relay *r, struct zrpc_frame frame, struct zrpc_view payload)
{
    const struct timespec pause = {.tv_nsec = 10 * ZRPC_MILLISECOND};

    if (frame.length == 1)
        zrpc_relay_take_turn(r);
    while (r->holds_turn && !zrpc_relay_is_over(r))
        nanosleep(&pause, NULL);
    pass(r, frame, payload);
}

static void take_and_give_turn(struct zrpc_relay *r)
{
    zrpc_relay_take_turn(r);
    zrpc_relay_give_turn(r);
}

static void map_by_length(struct zrpc_relay *r, struct zrpc_frame frame)
{
    (void)r;
    if (frame.length > ZRPC_RELAY_FRAME_MAX)
        (void)mmap(NULL, frame.length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
}

const struct zrpc_mutant zrpc_mutants_process[] = {
    {
        .name = "dies-of-single-bytes",
        .what = "the process dies of a payload of one byte",
        .caught_by = "frame.one-byte-payload",
        .frame = die,
        .needs_process = true,
    },
    {
        .name = "hangs-on-single-bytes",
        .what = "serves nobody any more after a payload of one byte",
        .caught_by = "frame.one-byte-payload",
        .accepted = take_and_give_turn,
        .frame = hang,
        .needs_process = true,
    },
    {
        .name = "allocates-by-length",
        .what = "allocates what a frame's length field says",
        .caught_by = "frame.huge-length-memory",
        .frame = pass,
        .long_frame = map_by_length,
        .needs_process = true,
    },
    {0},
};
