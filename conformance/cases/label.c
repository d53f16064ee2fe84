/*
 * Mux label, as a server: proto/SPEC.md section 4.
 */
#include "conformance/cases/cases.h"
#include "conformance/exchange.h"

#define STALLED 300 /* connections */

static void put_label(uint8_t label[static ZRPC_LABEL_LEN], const char *text)
{
    memset(label, 0, ZRPC_LABEL_LEN);
    memcpy(label, text, strlen(text));
}

static void byte_by_byte(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_greeted(run);
    uint8_t label[ZRPC_LABEL_LEN];

    zrpc_label_encode(ZRPC_DATA, label);
    zrpc_peer_send_pieces(p, zrpc_view(label, sizeof label), 1, 2 * ZRPC_MILLISECOND);
    zrpc_request_ping(p, "label in pieces");
    zrpc_expect_pong(p, "label in pieces");
}

static void with_request(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_greeted(run);
    uint8_t label[ZRPC_LABEL_LEN];
    struct zrpc_buf bytes = {0};

    zrpc_label_encode(ZRPC_DATA, label);
    (void)zrpc_buf_append(&bytes, zrpc_view(label, sizeof label), NULL);
    zrpc_put_ping(&bytes, "right behind the label");
    zrpc_peer_send(p, zrpc_buf_view(&bytes));
    zrpc_buf_dispose(&bytes);
    zrpc_expect_pong(p, "right behind the label");
}

static void no_answer(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_run_step(run, "say nothing after the label: nothing may come but heartbeats");
    zrpc_expect_heartbeats_only(p, zrpc_run_timing(run)->prompt / 10);
    zrpc_request_ping(p, "first");
    zrpc_expect_pong(p, "first");
}

/* The label, then a request: a server that takes the label for a known one answers. */
static void refused(struct zrpc_run *run, const uint8_t label[static ZRPC_LABEL_LEN])
{
    struct zrpc_peer *p = zrpc_peer_greeted(run);

    zrpc_peer_send(p, zrpc_view(label, ZRPC_LABEL_LEN));
    zrpc_request_ping(p, "not to be served");
    zrpc_expect_closed(p, 0, zrpc_run_timing(run)->prompt);
    zrpc_expect_service(run);
}

static void refused_text(struct zrpc_run *run, const char *text)
{
    uint8_t label[ZRPC_LABEL_LEN];

    put_label(label, text);
    refused(run, label);
}

static void unknown(struct zrpc_run *run)
{
    refused_text(run, "zrepl_other");
}

static void empty(struct zrpc_run *run)
{
    refused_text(run, "");
}

static void shorter(struct zrpc_run *run)
{
    refused_text(run, "zrepl_dat");
}

static void longer(struct zrpc_run *run)
{
    refused_text(run, "zrepl_data2");
}

static void upper_case(struct zrpc_run *run)
{
    refused_text(run, "ZREPL_DATA");
}

static void padded_with(struct zrpc_run *run, uint8_t byte, size_t at)
{
    uint8_t label[ZRPC_LABEL_LEN];

    put_label(label, ZRPC_LABEL_DATA);
    label[at] = byte;
    refused(run, label);
}

static void padded_with_blanks(struct zrpc_run *run)
{
    uint8_t label[ZRPC_LABEL_LEN];

    memset(label, ' ', sizeof label);
    memcpy(label, ZRPC_LABEL_DATA, strlen(ZRPC_LABEL_DATA));
    refused(run, label);
}

static void dirty_at_the_end(struct zrpc_run *run)
{
    padded_with(run, 1, ZRPC_LABEL_LEN - 1);
}

static void dirty_after_a_zero(struct zrpc_run *run)
{
    padded_with(run, 'x', strlen(ZRPC_LABEL_DATA) + 1);
}

static void cut_off(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_greeted(run);

    zrpc_peer_send_text(p, "zrepl_data");
    zrpc_peer_half_close(p);
    zrpc_expect_closed(p, 0, zrpc_run_timing(run)->prompt);
    zrpc_expect_service(run);
}

static void reset_anywhere(struct zrpc_run *run)
{
    uint8_t label[ZRPC_LABEL_LEN];
    struct zrpc_peer *p;

    zrpc_label_encode(ZRPC_DATA, label);
    for (size_t n = 0; n <= sizeof label && zrpc_run_going(run); n += 8) {
        p = zrpc_peer_greeted(run);
        zrpc_peer_send(p, zrpc_view(label, n));
        zrpc_peer_reset(p);
    }
    zrpc_expect_service(run);
}

static void silent_client(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    zrpc_time began = zrpc_now();
    struct zrpc_peer *p = zrpc_peer_greeted(run);

    zrpc_run_step(run, "send no label");
    zrpc_expect_closed(p, began + t->label - t->early - zrpc_now(), t->label + t->slack);
}

static void dribbling_client(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    struct zrpc_peer *p = zrpc_peer_greeted(run);
    uint8_t label[ZRPC_LABEL_LEN];
    struct zrpc_view left = zrpc_view(label, sizeof label - 1);
    zrpc_time began = zrpc_now();

    zrpc_run_step(run, "a byte every now and then: the deadline is absolute, no byte renews it");
    zrpc_label_encode(ZRPC_DATA, label);
    while (left.len > 0 && zrpc_now() - began < t->label + t->slack && zrpc_run_going(run)) {
        if (!zrpc_peer_send(p, zrpc_view_take(&left, 1)))
            break;
        zrpc_run_sleep(run, t->label / 20);
    }
    zrpc_expect_closed(p, 0, t->slack / 3);
}

static void stalled_clients(struct zrpc_run *run)
{
    struct zrpc_peer *p;

    zrpc_run_step(run, "%d connections that say no label or half of one", STALLED);
    for (unsigned i = 0; i < STALLED && zrpc_run_going(run); i++) {
        p = zrpc_peer_dial(run);
        zrpc_peer_send_banner(p);
        zrpc_peer_send_text(p, i % 2 == 0 ? "" : "zrepl_");
    }
    zrpc_expect_service(run);
}

static const char refused_legal[] = "the end of the connection, promptly; no frame";

#define REFUSED(case_id, sentence, requirement, function)                                                 \
    {                                                                                                     \
        .id = "label." case_id, .title = sentence, .requirements = {requirement}, .legal = refused_legal, \
        .flags = ZRPC_CASE_HOSTILE, .budget = 30, .run = function                                         \
    }

static const struct zrpc_case cases[] = {
    {
        .id = "label.byte-by-byte",
        .title = "A label that arrives in single bytes is accepted",
        .requirements = {"ZR-MUX-004"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = byte_by_byte,
    },
    {
        .id = "label.with-request",
        .title = "What follows the label in the same write belongs to the next layer",
        .requirements = {"ZR-MUX-004"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = with_request,
    },
    {
        .id = "label.no-answer",
        .title = "The server does not answer the label; its first byte starts a frame",
        .requirements = {"ZR-MUX-005", "ZR-HS-001"},
        .legal = "heartbeats or nothing, then the ping's answer",
        .budget = 30,
        .run = no_answer,
    },
    REFUSED("unknown", "An unknown label is closed", "ZR-MUX-006", unknown),
    REFUSED("empty", "A label of zeros only is closed", "ZR-MUX-006", empty),
    REFUSED("shorter", "A known label without its last letter is closed", "ZR-MUX-006", shorter),
    REFUSED("longer", "A known label with a letter more is closed", "ZR-MUX-007", longer),
    REFUSED("upper-case", "A known label in upper case is closed", "ZR-MUX-006", upper_case),
    REFUSED("padded-with-blanks", "A label padded with blanks is closed", "ZR-MUX-007", padded_with_blanks),
    REFUSED("dirty-at-the-end", "A non-zero last byte is closed", "ZR-MUX-007", dirty_at_the_end),
    REFUSED("dirty-after-a-zero", "A non-zero byte behind a zero is closed", "ZR-MUX-007",
            dirty_after_a_zero),
    REFUSED("cut-off", "The end of the byte stream inside the label is closed", "ZR-MUX-008", cut_off),
    {
        .id = "label.reset-anywhere",
        .title = "A client that resets the connection at any point of its label harms nobody",
        .requirements = {"ZR-SRV-002"},
        .legal = "the ping's answer on the next connection",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = reset_anywhere,
    },
    {
        .id = "label.silent-client",
        .title = "A client that says nothing after the handshake is closed at the label's deadline",
        .requirements = {"ZR-MUX-008"},
        .legal = "the end of the connection, not before the deadline and not more than 3 s after",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = silent_client,
    },
    {
        .id = "label.dribbling-client",
        .title = "A byte now and then does not renew the label's deadline",
        .requirements = {"ZR-MUX-008"},
        .legal = "the end of the connection not more than 3 s after the deadline",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = dribbling_client,
    },
    {
        .id = "label.stalled-clients",
        .title = "300 clients stalled in the label delay no other",
        .requirements = {"ZR-MUX-009", "ZR-SRV-001"},
        .legal = "the ping's answer on a fresh connection, promptly",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 240,
        .run = stalled_clients,
    },
};

const struct zrpc_area zrpc_area_label = {
    .name = "label",
    .title = "mux label, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_DATA,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
