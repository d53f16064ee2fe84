#include "sim/link/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/link/plan.h"
#include "testing/suite.h"

#define T0 (1000 * ZRPC_SECOND) /* any point in time */
#define MS ZRPC_MILLISECOND

/* A machine, the time, and what came out of each direction, as text: "abc|def<eof" are two writes and an end;
 * "@30" in between means that what follows came 30 ms after the beginning. */
struct bench {
    struct zrpc_link_machine m;
    zrpc_time now;
    struct zrpc_buf out[2];
    zrpc_time said[2];
    struct zrpc_link_fault struck[64];
    size_t n_struck;
    size_t receiver_takes; /* per write; 0: everything */
};

static void note_strike(void *ctx, const struct zrpc_link_fault *f)
{
    struct bench *b = ctx;

    if (CHECK(b->n_struck < 64))
        b->struck[b->n_struck++] = *f;
}

static void begin(struct bench *b, enum zrpc_link_protocol protocol, const char *faults)
{
    struct zrpc_link_plan plan;
    struct zrpc_error err = {0};

    *b = (struct bench){.now = T0};
    zrpc_link_plan_init(&plan);
    if (!CHECK_OK(zrpc_link_plan_parse(&plan, "faults", zrpc_view_of(faults), &err)))
        printf("%s\n", err.text);
    zrpc_link_machine_init(&b->m, plan.seed, 1, protocol, 1 << 20, b->now);
    b->m.struck = note_strike;
    b->m.ctx = b;
    for (size_t i = 0; i < plan.n_faults; i++)
        CHECK_OK(zrpc_link_machine_add(&b->m, b->now, &plan.faults[i], &err));
    zrpc_link_plan_dispose(&plan);
}

static void finish(struct bench *b)
{
    zrpc_link_machine_dispose(&b->m);
    zrpc_buf_dispose(&b->out[0]);
    zrpc_buf_dispose(&b->out[1]);
}

static void say(struct bench *b, enum zrpc_link_direction d, struct zrpc_view v)
{
    char text[32];

    if (b->now != T0 && b->said[d] != b->now) {
        snprintf(text, sizeof text, "@%" PRId64 " ", (b->now - T0) / MS);
        CHECK_OK(zrpc_buf_append(&b->out[d], zrpc_view_of(text), NULL));
    }
    b->said[d] = b->now;
    CHECK_OK(zrpc_buf_append(&b->out[d], v, NULL));
}

static void say_text(struct bench *b, enum zrpc_link_direction d, const char *text)
{
    say(b, d, zrpc_view_of(text));
}

static bool step(struct bench *b, enum zrpc_link_direction d, zrpc_time *wakeup)
{
    struct zrpc_view v;
    enum zrpc_link_end end;
    zrpc_time when;
    enum zrpc_link_step s = zrpc_link_machine_next(&b->m, d, b->now, &v, &end, &when);

    *wakeup = zrpc_earlier(*wakeup, when);
    if (s == ZRPC_LINK_PASS) {
        if (b->receiver_takes != 0 && v.len > b->receiver_takes)
            v.len = b->receiver_takes;
        CHECK(v.len > 0);
        say(b, d, v);
        say_text(b, d, "|");
        zrpc_link_machine_passed(&b->m, d, b->now, v.len);
    } else if (s == ZRPC_LINK_CLOSE) {
        say_text(b, d, end == ZRPC_LINK_END_OF_FILE ? "<eof" : "<reset");
        zrpc_link_machine_ended(&b->m, d, end);
    }
    return s != ZRPC_LINK_WAIT;
}

/* All that can happen now; answers when more will. */
static zrpc_time settle(struct bench *b)
{
    zrpc_time wakeup;
    uint64_t strikes;
    bool any;

    do {
        strikes = b->m.strikes;
        wakeup = ZRPC_NEVER;
        any = step(b, ZRPC_LINK_TO_SERVER, &wakeup);
        any = step(b, ZRPC_LINK_TO_CLIENT, &wakeup) || any || strikes != b->m.strikes;
    } while (any);
    return wakeup;
}

/* Lets time pass until `until` (after T0). */
static void pass(struct bench *b, zrpc_time until)
{
    zrpc_time wakeup = settle(b);

    while (wakeup <= T0 + until) {
        CHECK(wakeup >= b->now);
        b->now = wakeup;
        wakeup = settle(b);
        if (!CHECK(wakeup > b->now))
            return;
    }
    b->now = T0 + until;
}

static void feed(struct bench *b, enum zrpc_link_direction d, struct zrpc_view v)
{
    CHECK(v.len <= zrpc_link_machine_room(&b->m, d));
    CHECK_OK(zrpc_link_machine_feed(&b->m, d, b->now, v, NULL));
    settle(b);
}

static void send(struct bench *b, const char *text)
{
    feed(b, ZRPC_LINK_TO_SERVER, zrpc_view_of(text));
}

static void answer(struct bench *b, const char *text)
{
    feed(b, ZRPC_LINK_TO_CLIENT, zrpc_view_of(text));
}

static void end(struct bench *b, enum zrpc_link_direction d, enum zrpc_link_end how)
{
    zrpc_link_machine_feed_end(&b->m, d, b->now, how);
    settle(b);
}

static void check_out(struct bench *b, enum zrpc_link_direction d, const char *expected)
{
    struct zrpc_view v = zrpc_buf_view(&b->out[d]);
    char text[4096];

    snprintf(text, sizeof text, "%.*s", (int)v.len, v.len == 0 ? "" : (const char *)v.data);
    CHECK_STR(text, expected);
}

#define to_server(b, expected) check_out((b), ZRPC_LINK_TO_SERVER, (expected))
#define to_client(b, expected) check_out((b), ZRPC_LINK_TO_CLIENT, (expected))

static void each_end_stays_what_it_is(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "{}");
    send(&b, "abc");
    end(&b, ZRPC_LINK_TO_SERVER, ZRPC_LINK_END_OF_FILE);
    to_server(&b, "abc|<eof");
    to_client(&b, "");
    answer(&b, "still here");
    end(&b, ZRPC_LINK_TO_CLIENT, ZRPC_LINK_END_RESET);
    to_client(&b, "still here|<reset");
    to_server(&b, "abc|<eof");
    finish(&b);
}

static void silence_is_neither_end(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "faults: [{action: blackhole, direction: to-server, at: byte 2}]");
    send(&b, "abc");
    end(&b, ZRPC_LINK_TO_SERVER, ZRPC_LINK_END_OF_FILE);
    answer(&b, "xyz");
    pass(&b, 3600 * ZRPC_SECOND);
    to_server(&b, "ab|");
    to_client(&b, "xyz|");
    CHECK_INT(zrpc_link_machine_room(&b.m, ZRPC_LINK_TO_CLIENT) > 0, 1);
    finish(&b);
}

static void black_hole_takes_from_the_sender_and_ends_on_resume(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "faults: [{action: blackhole, direction: to-server, at: byte 2, for: 1s}]");
    send(&b, "abcd");
    CHECK_INT(b.m.pipes[0].queue.len, 0);
    pass(&b, 1000 * MS);
    send(&b, "ef");
    to_server(&b, "ab|@1000 ef|");
    CHECK_INT(b.m.pipes[0].delivered, 4);
    finish(&b);
}

static void an_end_that_was_lost_stays_lost(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "faults: [{action: blackhole, direction: to-server, at: byte 2, for: 1s}]");
    send(&b, "abcd");
    end(&b, ZRPC_LINK_TO_SERVER, ZRPC_LINK_END_OF_FILE);
    pass(&b, 3600 * ZRPC_SECOND);
    to_server(&b, "ab|");
    finish(&b);
}

static void stall_loses_nothing_and_holds_the_sender(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "faults: [{action: stall, direction: to-server, at: byte 2, for: 500ms}]");
    send(&b, "abcd");
    end(&b, ZRPC_LINK_TO_SERVER, ZRPC_LINK_END_OF_FILE);
    CHECK_INT(b.m.pipes[0].queue.len, 2);
    pass(&b, 499 * MS);
    to_server(&b, "ab|");
    pass(&b, 600 * MS);
    to_server(&b, "ab|@500 cd|<eof");
    finish(&b);
}

static void resume_may_be_told_by_the_other_direction(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE,
          "faults:\n"
          "  - {action: stall, direction: to-server}\n"
          "  - {action: resume, direction: to-server, at: byte 3, watch: to-client}\n");
    send(&b, "abc");
    answer(&b, "12");
    to_server(&b, "");
    answer(&b, "34");
    to_client(&b, "12|3|4|");
    to_server(&b, "abc|");
    finish(&b);
}

static void faulty_eof_leaves_the_other_direction_alone(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "faults: [{action: eof, direction: to-server, at: byte 2}]");
    send(&b, "abc");
    send(&b, "def");
    answer(&b, "xyz");
    end(&b, ZRPC_LINK_TO_SERVER, ZRPC_LINK_END_OF_FILE);
    to_server(&b, "ab|<eof");
    to_client(&b, "xyz|");
    finish(&b);
}

static void one_sided_reset_answers_what_comes_next(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "faults: [{action: reset, direction: to-client, at: byte 2}]");
    answer(&b, "ab");
    pass(&b, 1000 * MS);
    to_client(&b, "ab|<reset");
    to_server(&b, "");
    answer(&b, "more");
    to_server(&b, "@1000 <reset");
    finish(&b);
}

static void a_quiet_reset_is_told_nobody(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "faults: [{action: reset, direction: to-client, at: byte 2, quiet: true}]");
    answer(&b, "abcd");
    answer(&b, "more");
    end(&b, ZRPC_LINK_TO_CLIENT, ZRPC_LINK_END_OF_FILE);
    to_client(&b, "ab|<reset");
    to_server(&b, "");
    finish(&b);
}

static void the_end_is_a_position(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE,
          "faults:\n"
          "  - {action: stall, direction: to-server, at: end, for: 1s}\n"
          "  - {action: reset, direction: to-client, at: end}\n");
    send(&b, "abc");
    answer(&b, "xyz");
    end(&b, ZRPC_LINK_TO_SERVER, ZRPC_LINK_END_OF_FILE);
    to_server(&b, "abc|");
    CHECK_INT(b.n_struck, 1);
    CHECK_INT(b.struck[0].at.edge, ZRPC_LINK_AT_END);
    pass(&b, 2000 * MS);
    to_server(&b, "abc|@1000 <eof");
    end(&b, ZRPC_LINK_TO_CLIENT, ZRPC_LINK_END_OF_FILE);
    to_client(&b, "xyz|@2000 <reset");
    finish(&b);
}

static void drop_resets_both_even_after_a_half_close(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "faults: [{action: drop, after: 2s}]");
    send(&b, "abc");
    end(&b, ZRPC_LINK_TO_SERVER, ZRPC_LINK_END_OF_FILE);
    pass(&b, 1999 * MS);
    to_client(&b, "");
    pass(&b, 2001 * MS);
    to_server(&b, "abc|<eof@2000 <reset");
    to_client(&b, "@2000 <reset");
    finish(&b);
}

static void drop_after_bytes_counts_each_direction(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "faults: [{action: drop, at: byte 4}]");
    send(&b, "abc");
    answer(&b, "12345");
    to_server(&b, "abc|<reset");
    to_client(&b, "1234|<reset");
    finish(&b);
}

static void latency_delays_bytes_and_end_alike(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "faults: [{action: latency, delay: 30ms}]");
    send(&b, "a");
    pass(&b, 10 * MS);
    send(&b, "b");
    answer(&b, "x");
    pass(&b, 20 * MS);
    end(&b, ZRPC_LINK_TO_SERVER, ZRPC_LINK_END_OF_FILE);
    pass(&b, 100 * MS);
    to_server(&b, "@30 a|@40 b|@50 <eof");
    to_client(&b, "@40 x|");
    finish(&b);
}

static void jitter_comes_from_the_seed(void)
{
    zrpc_time at[2][20];
    bool differ = false;

    for (int run = 0; run < 2; run++) {
        struct bench b;

        begin(&b, ZRPC_LINK_OPAQUE,
              "seed: 7\nfaults: [{action: latency, delay: 10ms, jitter: 20ms, direction: to-server}]");
        for (int i = 0; i < 20; i++) {
            send(&b, "x");
            while (b.m.pipes[0].queue.len > 0) {
                b.now += MS;
                settle(&b);
            }
            at[run][i] = b.now;
        }
        finish(&b);
    }
    for (int i = 0; i < 20; i++) {
        zrpc_time took = at[0][i] - (i == 0 ? T0 : at[0][i - 1]);

        CHECK_INT(at[0][i], at[1][i]);
        CHECK(took >= 10 * MS && took <= 31 * MS);
        differ = differ || took != at[0][0] - T0;
    }
    CHECK(differ);
}

static void bandwidth_spreads_bytes_over_time(void)
{
    struct bench b;
    uint8_t bytes[1000] = {0};

    begin(&b, ZRPC_LINK_OPAQUE,
          "faults: [{action: bandwidth, rate: 1000, direction: to-server, for: 600ms}]");
    feed(&b, ZRPC_LINK_TO_SERVER, zrpc_view(bytes, sizeof bytes));
    pass(&b, 500 * MS);
    CHECK(b.m.pipes[0].passed >= 480 && b.m.pipes[0].passed <= 520);
    pass(&b, 599 * MS);
    CHECK(b.m.pipes[0].passed <= 620);
    pass(&b, 700 * MS);
    CHECK_INT(b.m.pipes[0].passed, 1000);
    finish(&b);
}

static void slices_have_the_given_sizes_however_the_bytes_arrive(void)
{
    for (size_t takes = 0; takes < 3; takes += 2) {
        struct bench b;

        begin(&b, ZRPC_LINK_OPAQUE,
              "faults: [{action: slice, at: byte 1, sizes: [1, 3], gap: 5ms, direction: to-server}]");
        b.receiver_takes = takes;
        send(&b, "ab");
        send(&b, "cdefghi");
        pass(&b, 100 * MS);
        /* a receiver that takes two at a time gets no gap inside a slice */
        to_server(&b, takes == 0 ? "a|b|@5 cde|@10 f|@15 ghi|" : "a|b|@5 cd|e|@10 f|@15 gh|i|");
        finish(&b);
    }
}

static void slow_close_holds_the_end_only(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "faults: [{action: slow-close, delay: 3s, direction: to-server}]");
    send(&b, "abc");
    end(&b, ZRPC_LINK_TO_SERVER, ZRPC_LINK_END_OF_FILE);
    end(&b, ZRPC_LINK_TO_CLIENT, ZRPC_LINK_END_OF_FILE);
    pass(&b, 10 * ZRPC_SECOND);
    to_server(&b, "abc|@3000 <eof");
    to_client(&b, "<eof");
    finish(&b);
}

static void corruption_flips_the_bytes_it_names(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE,
          "faults: [{action: corrupt, at: byte 2, length: 2, mask: 0x20, direction: to-server}]");
    b.receiver_takes = 1;
    send(&b, "abc");
    send(&b, "def");
    to_server(&b, "a|b|C|D|e|f|");
    finish(&b);
}

static void a_receiver_that_is_gone_ends_its_direction_only(void)
{
    struct bench b;

    begin(&b, ZRPC_LINK_OPAQUE, "{}");
    send(&b, "abc");
    zrpc_link_machine_broken(&b.m, ZRPC_LINK_TO_SERVER);
    send(&b, "def");
    answer(&b, "x");
    to_server(&b, "abc|");
    to_client(&b, "x|");
    finish(&b);
}

/*
 * Protocol positions
 */
static void put_frame(struct zrpc_buf *out, uint32_t type, const char *payload)
{
    uint8_t header[ZRPC_FRAME_HEADER_LEN];

    zrpc_frame_encode((struct zrpc_frame){.type = type, .length = (uint32_t)strlen(payload)}, header);
    CHECK_OK(zrpc_buf_append(out, zrpc_view(header, sizeof header), NULL));
    CHECK_OK(zrpc_buf_append(out, zrpc_view_of(payload), NULL));
}

static void put_banner(struct zrpc_buf *out)
{
    CHECK_OK(zrpc_banner_encode(&(struct zrpc_banner){.version = 1}, out, NULL));
}

/* What a client sends: banner, label, and frames: data "hello", heartbeat, data "", heartbeat, end. */
enum { BANNER = 67, LABEL = BANNER + 64, FRAME2 = LABEL + 13, FRAME3 = FRAME2 + 8, FRAME4 = FRAME3 + 8 };

static void put_client(struct zrpc_buf *out, enum zrpc_label label)
{
    uint8_t bytes[ZRPC_LABEL_LEN];

    put_banner(out);
    zrpc_label_encode(label, bytes);
    CHECK_OK(zrpc_buf_append(out, zrpc_view(bytes, sizeof bytes), NULL));
    put_frame(out, 1, "hello");
    put_frame(out, ZRPC_FRAME_HEARTBEAT, "");
    put_frame(out, 1, "");
    put_frame(out, ZRPC_FRAME_HEARTBEAT, "");
    put_frame(out, ZRPC_FRAME_STREAM_END, "");
}

/* How many bytes of it pass before the end of file that strikes at the position; cut into `chunk` bytes. */
static uint64_t passes(const char *position, enum zrpc_label label, size_t chunk)
{
    struct zrpc_buf stream = {0};
    struct zrpc_view rest;
    char faults[200];
    struct bench b;
    uint64_t n;

    snprintf(faults, sizeof faults, "faults: [{action: eof, direction: to-server, at: %s}]", position);
    begin(&b, ZRPC_LINK_ZREPL, faults);
    put_client(&stream, label);
    rest = zrpc_buf_view(&stream);
    while (rest.len > 0)
        feed(&b, ZRPC_LINK_TO_SERVER, zrpc_view_take(&rest, chunk < rest.len ? chunk : rest.len));
    end(&b, ZRPC_LINK_TO_SERVER, ZRPC_LINK_END_OF_FILE);
    CHECK_INT(b.m.pipes[0].end, ZRPC_LINK_END_OF_FILE);
    n = b.m.pipes[0].passed;
    zrpc_buf_dispose(&stream);
    finish(&b);
    return n;
}

static const size_t chunks[] = {1, 2, 7, 8, 11, 64, 1000};
#define N_CHUNKS (sizeof chunks / sizeof chunks[0])

static void positions_are_exact_however_the_bytes_arrive(void)
{
    static const struct {
        const char *position;
        uint64_t byte;
    } rows[] = {
        {"start", 0},
        {"byte 5", 5},
        {"before the banner", 0},
        {"inside banner byte 11", 11},
        {"inside banner byte 66", 66},
        {"after the banner", BANNER},
        {"before the label", BANNER},
        {"inside the label byte 13", BANNER + 13},
        {"after the label", LABEL},
        {"before the 1st frame", LABEL},
        {"after the header of frame 1", LABEL + 8},
        {"inside frame 1 byte 10", LABEL + 10},
        {"after frame 1", FRAME2},
        {"before the heartbeat", FRAME2},
        {"before the 2nd heartbeat", FRAME4},
        {"inside heartbeat 2 byte 3", FRAME4 + 3},
        {"after the header of frame 3", FRAME3 + 8},
        {"after data 2", FRAME4},
        {"before the end", FRAME4 + 8},
        {"after the end", FRAME4 + 16},
        {"inside frame 2 byte 8", FRAME4 + 16}, /* there is no such byte: everything passes */
        {"before rst", FRAME4 + 16},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t k = 0; k < N_CHUNKS; k++)
            if (!CHECK_INT(passes(rows[i].position, ZRPC_DATA, chunks[k]), rows[i].byte))
                printf("%s in portions of %zu\n", rows[i].position, chunks[k]);
}

static void control_connections_have_no_frames(void)
{
    CHECK_INT(passes("before frame 1", ZRPC_CONTROL, 1000), FRAME4 + 16);
    CHECK_INT(passes("after the label", ZRPC_CONTROL, 1000), LABEL);
}

static void the_servers_frames_count_after_its_banner(void)
{
    struct zrpc_buf client = {0}, server = {0};
    struct bench b;

    begin(&b, ZRPC_LINK_ZREPL,
          "faults: [{action: reset, direction: to-client, at: before the 2nd heartbeat}]");
    put_client(&client, ZRPC_DATA);
    put_banner(&server);
    put_frame(&server, ZRPC_FRAME_HEARTBEAT, "");
    put_frame(&server, 3, "HANDLER OK\n");
    put_frame(&server, ZRPC_FRAME_HEARTBEAT, "");
    feed(&b, ZRPC_LINK_TO_CLIENT, zrpc_view(server.base, 67));
    feed(&b, ZRPC_LINK_TO_SERVER, zrpc_buf_view(&client));
    feed(&b, ZRPC_LINK_TO_CLIENT, zrpc_view(server.base + 67, server.len - 67));
    CHECK_INT(b.m.pipes[1].passed, 67 + 8 + 8 + 11);
    CHECK_INT(b.m.pipes[1].end, ZRPC_LINK_END_RESET);
    zrpc_buf_dispose(&client);
    zrpc_buf_dispose(&server);
    finish(&b);
}

static void every_and_next_strike_again_and_later(void)
{
    struct zrpc_buf frames = {0};
    struct zrpc_link_fault next = {.action = ZRPC_LINK_STALL,
                                   .at = {.edge = ZRPC_LINK_BEFORE,
                                          .thing = ZRPC_LINK_HEARTBEAT,
                                          .ordinal = ZRPC_LINK_NEXT,
                                          .watch = ZRPC_LINK_BOTH}};
    struct bench b;

    begin(
        &b, ZRPC_LINK_FRAMES,
        "faults: [{action: corrupt, direction: to-server, at: after the header of every data, mask: 0x20}]");
    put_frame(&frames, 5, "abc");
    put_frame(&frames, ZRPC_FRAME_HEARTBEAT, "");
    put_frame(&frames, 5, "def");
    feed(&b, ZRPC_LINK_TO_SERVER, zrpc_buf_view(&frames));
    CHECK_INT(b.n_struck, 2);
    CHECK_INT(b.struck[0].at.byte, 8);
    CHECK_INT(b.struck[1].at.byte, 27);
    CHECK_OK(zrpc_link_machine_add(&b.m, b.now, &next, NULL));
    feed(&b, ZRPC_LINK_TO_SERVER, zrpc_buf_view(&frames));
    CHECK_INT(b.m.pipes[0].passed, frames.len + 11);
    zrpc_buf_dispose(&frames);
    finish(&b);
}

/*
 * Replays
 */
struct tape {
    struct zrpc_buf out[2];
    struct zrpc_link_fault struck[64];
    size_t n_struck;
};

/* The same conversation in portions and at times that the roll decides, under the given faults. */
static void converse(const struct zrpc_link_fault *faults, size_t n, uint64_t roll, struct tape *tape)
{
    struct zrpc_buf streams[2] = {{0}};
    struct zrpc_view rest[2];
    struct bench b;
    uint64_t k = 0;

    begin(&b, ZRPC_LINK_ZREPL, "seed: 99");
    for (size_t i = 0; i < n; i++)
        CHECK_OK(zrpc_link_machine_add(&b.m, b.now, &faults[i], NULL));
    put_client(&streams[0], ZRPC_DATA);
    put_banner(&streams[1]);
    for (int i = 0; i < 30; i++)
        put_frame(&streams[i % 2], 5, "some payload that is not short");
    rest[0] = zrpc_buf_view(&streams[0]);
    rest[1] = zrpc_buf_view(&streams[1]);
    while (rest[0].len + rest[1].len > 0) {
        int d = rest[0].len > 0 && (rest[1].len == 0 || zrpc_link_hash(roll, 1, k) % 2 == 0) ? 0 : 1;
        size_t portion = 1 + zrpc_link_hash(roll, 2, k) % 100;

        feed(&b, (enum zrpc_link_direction)d,
             zrpc_view_take(&rest[d], portion < rest[d].len ? portion : rest[d].len));
        pass(&b, b.now - T0 + (zrpc_time)(zrpc_link_hash(roll, 3, k++) % 100) * MS);
    }
    end(&b, ZRPC_LINK_TO_SERVER, ZRPC_LINK_END_OF_FILE);
    end(&b, ZRPC_LINK_TO_CLIENT, ZRPC_LINK_END_OF_FILE);
    pass(&b, 600 * ZRPC_SECOND);
    for (int d = 0; d < 2; d++) {
        uint8_t facts[] = {(uint8_t)b.m.pipes[d].end, 0};

        CHECK_OK(zrpc_buf_append(&tape->out[d], zrpc_view(&b.m.pipes[d].digest, 8), NULL));
        CHECK_OK(zrpc_buf_append(&tape->out[d], zrpc_view(&b.m.pipes[d].delivered, 8), NULL));
        CHECK_OK(zrpc_buf_append(&tape->out[d], zrpc_view(facts, 1), NULL));
    }
    memcpy(tape->struck, b.struck, sizeof tape->struck);
    tape->n_struck = b.n_struck;
    zrpc_buf_dispose(&streams[0]);
    zrpc_buf_dispose(&streams[1]);
    finish(&b);
}

/* Whatever chance and time did, what struck repeats it: in another rhythm, and written out and read again. */
static void what_struck_replays_bit_by_bit(void)
{
    struct zrpc_link_plan plan;
    unsigned ended = 0;

    zrpc_link_plan_init(&plan);
    plan.random.faults = 4;
    plan.random.bytes = 600;
    plan.random.actions = (1u << ZRPC_LINK_REFUSE) - 1 - (1u << ZRPC_LINK_RESUME);
    for (plan.seed = 1; plan.seed <= 500; plan.seed++) {
        struct zrpc_link_fault faults[8], again[64];
        struct tape first = {0}, second = {0};
        char text[ZRPC_LINK_FAULT_TEXT_MAX];
        size_t n = 0;

        while (n < 8 && zrpc_link_plan_random(&plan, 1, (unsigned)n, &faults[n]))
            n++;
        CHECK(n >= 1 && n <= 4);
        converse(faults, n, plan.seed, &first);
        for (size_t i = 0; i < first.n_struck; i++)
            CHECK_OK(zrpc_link_fault_parse(zrpc_link_fault_format(&first.struck[i], text), &again[i], NULL));
        converse(again, first.n_struck, plan.seed + 1000, &second);
        for (int d = 0; d < 2; d++) {
            ended += first.out[d].base[first.out[d].len - 1] != ZRPC_LINK_END_OF_FILE;
            if (!CHECK_BYTES(zrpc_buf_view(&first.out[d]), zrpc_buf_view(&second.out[d])))
                for (size_t i = 0; i < first.n_struck; i++)
                    printf("seed %" PRIu64 " struck %s\n", plan.seed,
                           zrpc_link_fault_format(&first.struck[i], text));
            zrpc_buf_dispose(&first.out[d]);
            zrpc_buf_dispose(&second.out[d]);
        }
    }
    /* and the faults were not idle */
    CHECK(ended > 150);
    zrpc_link_plan_dispose(&plan);
}

static const struct zrpc_test tests[] = {
    {"each end stays what it is", each_end_stays_what_it_is},
    {"silence is neither end", silence_is_neither_end},
    {"black hole takes from the sender, and ends on resume",
     black_hole_takes_from_the_sender_and_ends_on_resume},
    {"an end that was lost stays lost", an_end_that_was_lost_stays_lost},
    {"stall loses nothing and holds the sender", stall_loses_nothing_and_holds_the_sender},
    {"resume may be told by the other direction", resume_may_be_told_by_the_other_direction},
    {"faulty eof leaves the other direction alone", faulty_eof_leaves_the_other_direction_alone},
    {"one-sided reset answers what comes next", one_sided_reset_answers_what_comes_next},
    {"a quiet reset is told nobody", a_quiet_reset_is_told_nobody},
    {"the end is a position", the_end_is_a_position},
    {"drop resets both, even after a half-close", drop_resets_both_even_after_a_half_close},
    {"drop after bytes counts each direction", drop_after_bytes_counts_each_direction},
    {"latency delays bytes and end alike", latency_delays_bytes_and_end_alike},
    {"jitter comes from the seed", jitter_comes_from_the_seed},
    {"bandwidth spreads bytes over time", bandwidth_spreads_bytes_over_time},
    {"slices have the given sizes", slices_have_the_given_sizes_however_the_bytes_arrive},
    {"slow close holds the end only", slow_close_holds_the_end_only},
    {"corruption flips the bytes it names", corruption_flips_the_bytes_it_names},
    {"a receiver that is gone ends its direction only", a_receiver_that_is_gone_ends_its_direction_only},
    {"positions are exact however the bytes arrive", positions_are_exact_however_the_bytes_arrive},
    {"control connections have no frames", control_connections_have_no_frames},
    {"the server's frames count after its banner", the_servers_frames_count_after_its_banner},
    {"every and next strike again and later", every_and_next_strike_again_and_later},
    {"what struck replays bit by bit", what_struck_replays_bit_by_bit},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("link-machine", tests, argc, argv);
}
