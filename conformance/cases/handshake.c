/*
 * Version handshake, as a server: proto/SPEC.md section 3.
 */
#include "conformance/cases/cases.h"
#include "conformance/exchange.h"
#include "conformance/greeting.h"

#define STALLED   300 /* connections */
#define FIXED_LEN 56  /* of a body, without extension lines */

/* After the banner: the rest of the way to an answer. */
static void finish_with_ping(struct zrpc_peer *p)
{
    zrpc_expect_banner(p, zrpc_run_timing(p->run)->prompt);
    zrpc_peer_send_label(p, ZRPC_DATA);
    zrpc_request_ping(p, "after the handshake");
    zrpc_expect_pong(p, "after the handshake");
}

static void speaks_unasked(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_dial(run);

    zrpc_run_step(run, "send nothing, expect the whole banner");
    zrpc_expect_banner(p, zrpc_run_timing(run)->prompt);
    zrpc_peer_send_banner(p);
    zrpc_peer_send_label(p, ZRPC_DATA);
    zrpc_request_ping(p, "you first");
    zrpc_expect_pong(p, "you first");
}

static void plain_banner(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_greeted(run);
    char wanted[ZRPC_GREETING_MAX];
    struct zrpc_view theirs = zrpc_buf_view(&p->banner);

    zrpc_greeting_plain(run->profile->protocol_version, wanted);
    if (!zrpc_view_equal(theirs, zrpc_view_of(wanted)))
        zrpc_run_fail(run, "exactly the 67 bytes of a banner without extensions",
                      "a valid banner of %zu bytes", theirs.len);
}

static void byte_by_byte(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_dial(run);
    char banner[ZRPC_GREETING_MAX];

    zrpc_greeting_plain(run->profile->protocol_version, banner);
    zrpc_peer_send_pieces(p, zrpc_view_of(banner), 1, 2 * ZRPC_MILLISECOND);
    finish_with_ping(p);
}

static void one_write(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_dial(run);
    char banner[ZRPC_GREETING_MAX];
    uint8_t label[ZRPC_LABEL_LEN];
    struct zrpc_buf all = {0};

    zrpc_run_step(run, "banner, label and request in one write");
    zrpc_text_add(&all, "%s", zrpc_greeting_plain(run->profile->protocol_version, banner));
    zrpc_label_encode(ZRPC_DATA, label);
    (void)zrpc_buf_append(&all, zrpc_view(label, sizeof label), NULL);
    zrpc_put_ping(&all, "all at once");
    zrpc_peer_send(p, zrpc_buf_view(&all));
    zrpc_buf_dispose(&all);
    zrpc_expect_banner(p, zrpc_run_timing(run)->prompt);
    zrpc_expect_pong(p, "all at once");
}

/* A banner with `count` in it and these lines behind it. */
static void put_banner(struct zrpc_run *run, struct zrpc_buf *out, unsigned count, const char *lines)
{
    struct zrpc_buf body = {0};

    zrpc_text_add(&body, "ZREPL_ZFS_REPLICATION PROTOVERSION=%04u EXTENSIONS=%04u\n%s",
                  run->profile->protocol_version, count, lines);
    zrpc_greeting_put_body(out, zrpc_buf_view(&body));
    zrpc_buf_dispose(&body);
}

static void accepted_with_lines(struct zrpc_run *run, unsigned count, const char *lines)
{
    struct zrpc_peer *p = zrpc_peer_dial(run);
    struct zrpc_buf banner = {0};

    put_banner(run, &banner, count, lines);
    zrpc_peer_send(p, zrpc_buf_view(&banner));
    zrpc_buf_dispose(&banner);
    finish_with_ping(p);
}

static void extensions_ignored(struct zrpc_run *run)
{
    accepted_with_lines(
        run, 4, "compress=zstd\n\nnaïve ✓ EXTENSIONS=0001\nZREPL_ZFS_REPLICATION PROTOVERSION=0002\n");
}

static void most_extensions(struct zrpc_run *run)
{
    char *lines = zrpc_run_alloc(run, 9998 + 1);

    if (lines == NULL)
        return;
    memset(lines, '\n', 9998);
    accepted_with_lines(run, 9998, lines);
}

static void longest_banner(struct zrpc_run *run)
{
    const size_t len = 65536 - FIXED_LEN;
    char *line = zrpc_run_alloc(run, len + 1);

    if (line == NULL)
        return;
    memset(line, 'x', len - 1);
    line[len - 1] = '\n';
    zrpc_run_step(run, "a banner with a declared length of 65536");
    accepted_with_lines(run, 1, line);
}

/*
 * Banners to refuse. Label and request follow at once, so that a server that overlooks the flaw answers.
 */
static void refused(struct zrpc_run *run, struct zrpc_view banner)
{
    struct zrpc_peer *p = zrpc_peer_dial(run);
    const zrpc_time prompt = zrpc_run_timing(run)->prompt;

    zrpc_peer_send(p, banner);
    zrpc_peer_send_label(p, ZRPC_DATA);
    zrpc_request_ping(p, "not to be served");
    p->quiet = true;
    zrpc_expect_banner_or_end(p, prompt);
    zrpc_run_step(run, "expect the end, and nothing before it");
    zrpc_expect_closed(p, 0, prompt);
    zrpc_expect_service(run);
}

static void refused_text(struct zrpc_run *run, const char *banner)
{
    refused(run, zrpc_view_of(banner));
}

static void refused_body(struct zrpc_run *run, const char *body)
{
    struct zrpc_buf banner = {0};

    zrpc_greeting_put_body(&banner, zrpc_view_of(body));
    refused(run, zrpc_buf_view(&banner));
    zrpc_buf_dispose(&banner);
}

static void oversized(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_dial(run);

    zrpc_run_step(run, "only the length and its space, one above the limit; no body");
    zrpc_peer_send_text(p, "0000065537 ");
    zrpc_expect_banner_or_end(p, zrpc_run_timing(run)->prompt);
    zrpc_expect_closed(p, 0, zrpc_run_timing(run)->prompt);
}

static void huge_length(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_dial(run);

    zrpc_peer_send_text(p, "9999999999 ");
    zrpc_expect_banner_or_end(p, zrpc_run_timing(run)->prompt);
    zrpc_expect_closed(p, 0, zrpc_run_timing(run)->prompt);
    zrpc_expect_service(run);
}

static void length_not_numeric(struct zrpc_run *run)
{
    refused_text(run, "00000000xx ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n");
}

static void length_negative(struct zrpc_run *run)
{
    refused_text(run, "-000000056 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n");
}

static void length_too_small(struct zrpc_run *run)
{
    zrpc_run_step(run, "the declared length ends before the newline");
    refused_text(run, "0000000055 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n");
}

static void length_zero(struct zrpc_run *run)
{
    refused_text(run, "0000000000 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n");
}

static void wrong_keyword(struct zrpc_run *run)
{
    refused_body(run, "ZREPL_ZFS_REPLICATIOM PROTOVERSION=0001 EXTENSIONS=0000\n");
}

static void wrong_order(struct zrpc_run *run)
{
    refused_body(run, "ZREPL_ZFS_REPLICATION EXTENSIONS=0000 PROTOVERSION=0001\n");
}

static void version_zero(struct zrpc_run *run)
{
    refused_body(run, "ZREPL_ZFS_REPLICATION PROTOVERSION=0000 EXTENSIONS=0000\n");
}

static void version_not_numeric(struct zrpc_run *run)
{
    refused_body(run, "ZREPL_ZFS_REPLICATION PROTOVERSION=one! EXTENSIONS=0000\n");
}

static void version_newer(struct zrpc_run *run)
{
    struct zrpc_buf body = {0};

    zrpc_text_add(&body, "ZREPL_ZFS_REPLICATION PROTOVERSION=%04u EXTENSIONS=0000\n",
                  run->profile->protocol_version + 1);
    refused_body(run, zrpc_text_str(&body));
    zrpc_buf_dispose(&body);
}

static void version_highest(struct zrpc_run *run)
{
    refused_body(run, "ZREPL_ZFS_REPLICATION PROTOVERSION=9999 EXTENSIONS=0000\n");
}

static void too_few_extensions(struct zrpc_run *run)
{
    refused_body(run, "ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0002\nonly one\n");
}

static void too_many_extensions(struct zrpc_run *run)
{
    refused_body(run, "ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0001\none\ntwo\n");
}

static void trailing_bytes(struct zrpc_run *run)
{
    refused_body(run, "ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\nunannounced");
}

static void trailing_bytes_after_extension(struct zrpc_run *run)
{
    refused_body(run, "ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0001\none\nno newline");
}

static void extension_not_utf8(struct zrpc_run *run)
{
    refused_body(run, "ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0001\n\xc3\x28\xff\n");
}

static void length_with_sign(struct zrpc_run *run)
{
    refused_text(run, "+000000056 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n");
}

static void length_with_blanks(struct zrpc_run *run)
{
    refused_text(run, "        56 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n");
}

static void length_and_newline(struct zrpc_run *run)
{
    refused_text(run, "0000000056\nZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n");
}

static void version_unpadded(struct zrpc_run *run)
{
    refused_body(run, "ZREPL_ZFS_REPLICATION PROTOVERSION=1 EXTENSIONS=0\n");
}

static void http_request(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_dial(run);

    zrpc_peer_send_text(p, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    zrpc_expect_banner_or_end(p, zrpc_run_timing(run)->prompt);
    zrpc_expect_closed(p, 0, zrpc_run_timing(run)->prompt);
    zrpc_expect_service(run);
}

static void tls_hello(struct zrpc_run *run)
{
    static const uint8_t hello[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00,
                                    0x01, 0xfc, 0x03, 0x03, 0x00, 0xff};
    struct zrpc_peer *p = zrpc_peer_dial(run);

    zrpc_peer_send(p, zrpc_view(hello, sizeof hello));
    zrpc_expect_banner_or_end(p, zrpc_run_timing(run)->prompt);
    zrpc_expect_closed(p, 0, zrpc_run_timing(run)->prompt);
    zrpc_expect_service(run);
}

static void cut_off(struct zrpc_run *run)
{
    struct zrpc_peer *p = zrpc_peer_dial(run);

    zrpc_peer_send(p, zrpc_view("0000000056 ZREPL_ZFS_REPLI", 26));
    zrpc_peer_half_close(p);
    zrpc_expect_banner_or_end(p, zrpc_run_timing(run)->prompt);
    zrpc_expect_closed(p, 0, zrpc_run_timing(run)->prompt);
    zrpc_expect_service(run);
}

static void reset_anywhere(struct zrpc_run *run)
{
    char banner[ZRPC_GREETING_MAX];
    struct zrpc_peer *p;

    zrpc_greeting_plain(run->profile->protocol_version, banner);
    for (size_t n = 0; n <= strlen(banner) && zrpc_run_going(run); n += n < 11 ? 1 : 8) {
        p = zrpc_peer_dial(run);
        zrpc_peer_send(p, zrpc_view(banner, n));
        zrpc_peer_reset(p);
    }
    zrpc_expect_service(run);
}

/*
 * Time
 */
static void silent_client(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    zrpc_time began = zrpc_now();
    struct zrpc_peer *p = zrpc_peer_dial(run);

    zrpc_expect_banner(p, t->prompt);
    zrpc_run_step(run, "send nothing");
    zrpc_expect_closed(p, began + t->handshake - t->early - zrpc_now(), t->handshake + t->slack);
}

static void dribbling_client(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    struct zrpc_peer *p = zrpc_peer_dial(run);
    char banner[ZRPC_GREETING_MAX];
    zrpc_time began = zrpc_now();
    struct zrpc_view left;

    zrpc_run_step(run, "a byte every now and then: the deadline is absolute, no byte renews it");
    left = zrpc_view_of(zrpc_greeting_plain(run->profile->protocol_version, banner));
    zrpc_expect_banner(p, t->prompt);
    while (left.len > 1 && zrpc_now() - began < t->handshake + t->slack && zrpc_run_going(run)) {
        if (!zrpc_peer_send(p, zrpc_view_take(&left, 1)))
            break;
        zrpc_run_sleep(run, t->handshake / 20);
    }
    zrpc_expect_closed(p, 0, t->slack / 3);
}

static void stalled_clients(struct zrpc_run *run)
{
    struct zrpc_peer *p;

    zrpc_run_step(run, "%d connections that say half a banner", STALLED);
    for (unsigned i = 0; i < STALLED && zrpc_run_going(run); i++) {
        p = zrpc_peer_dial(run);
        zrpc_peer_send_text(p, i % 2 == 0 ? "" : "0000000056 ZREPL_ZFS_");
    }
    zrpc_expect_service(run);
}

static void deadline_ends_with_handshake(struct zrpc_run *run)
{
    const struct zrpc_timing *t = zrpc_run_timing(run);
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_run_step(run, "heartbeats only, for longer than the deadlines of handshake and label");
    zrpc_peer_idle(p, t->handshake + t->label / 5 + t->slack / 2);
    zrpc_request_ping(p, "late");
    zrpc_expect_pong(p, "late");
}

static const char refused_legal[] =
    "the target's own banner or a part of it, then the end of the connection, promptly; no frame";

#define REFUSED(case_id, sentence, requirement, must, function)                                          \
    {                                                                                                    \
        .id = "handshake." case_id, .title = sentence, .requirements = {requirement, "ZR-HS-021"},       \
        .level = must, .legal = refused_legal, .flags = ZRPC_CASE_HOSTILE, .budget = 30, .run = function \
    }

static const struct zrpc_case cases[] = {
    {
        .id = "handshake.speaks-unasked",
        .title = "The server writes its banner without waiting for the client's",
        .requirements = {"ZR-HS-007", "ZR-HS-001", "ZR-HS-002", "ZR-HS-003", "ZR-HS-004", "ZR-HS-005",
                         "ZR-HS-008"},
        .legal = "a valid banner, promptly; then the ping's answer",
        .budget = 20,
        .run = speaks_unasked,
    },
    {
        .id = "handshake.plain-banner",
        .title = "A server without extensions sends exactly the 67 bytes",
        .requirements = {"ZR-HS-006"},
        .level = ZRPC_SHOULD,
        .legal = "the 67 bytes",
        .budget = 30,
        .run = plain_banner,
    },
    {
        .id = "handshake.byte-by-byte",
        .title = "A banner that arrives in single bytes is accepted",
        .requirements = {"ZR-HS-009"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = byte_by_byte,
    },
    {
        .id = "handshake.one-write",
        .title = "Banner, label and request in one write are each taken by their own layer",
        .requirements = {"ZR-HS-008", "ZR-MUX-004"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = one_write,
    },
    {
        .id = "handshake.extensions-ignored",
        .title = "Extensions that the server does not know are ignored",
        .requirements = {"ZR-HS-018", "ZR-HS-010"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = extensions_ignored,
    },
    {
        .id = "handshake.most-extensions",
        .title = "9998 empty extension lines are accepted",
        .requirements = {"ZR-HS-018", "ZR-HS-010"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = most_extensions,
    },
    {
        .id = "handshake.longest-banner",
        .title = "A declared length of 65536 is accepted",
        .requirements = {"ZR-HS-010"},
        .legal = "the ping's answer",
        .budget = 30,
        .run = longest_banner,
    },
    {
        .id = "handshake.oversized",
        .title = "A declared length of 65537 is refused without waiting for the body",
        .requirements = {"ZR-HS-011", "ZR-HS-021"},
        .legal = refused_legal,
        .budget = 30,
        .run = oversized,
    },
    {
        .id = "handshake.huge-length",
        .title = "A declared length of 9999999999 is refused without waiting for the body",
        .requirements = {"ZR-HS-011", "ZR-HS-021"},
        .legal = refused_legal,
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 30,
        .run = huge_length,
    },
    REFUSED("length-not-numeric", "A length with letters is refused", "ZR-HS-012", ZRPC_MUST,
            length_not_numeric),
    REFUSED("length-negative", "A negative length is refused", "ZR-HS-012", ZRPC_MUST, length_negative),
    REFUSED("length-zero", "A banner without body is refused", "ZR-HS-013", ZRPC_MUST, length_zero),
    REFUSED("length-too-small", "A length that ends before the newline is refused", "ZR-HS-013", ZRPC_MUST,
            length_too_small),
    REFUSED("wrong-keyword", "A banner with another keyword is refused", "ZR-HS-013", ZRPC_MUST,
            wrong_keyword),
    REFUSED("wrong-order", "Extensions before version is refused", "ZR-HS-013", ZRPC_MUST, wrong_order),
    REFUSED("version-zero", "Version 0 is refused", "ZR-HS-014", ZRPC_MUST, version_zero),
    REFUSED("version-not-numeric", "A version without digits is refused", "ZR-HS-013", ZRPC_MUST,
            version_not_numeric),
    REFUSED("version-newer", "The next version is refused", "ZR-HS-019", ZRPC_MUST, version_newer),
    REFUSED("version-highest", "Version 9999 is refused", "ZR-HS-019", ZRPC_MUST, version_highest),
    REFUSED("too-few-extensions", "Fewer extension lines than counted are refused", "ZR-HS-015", ZRPC_MUST,
            too_few_extensions),
    REFUSED("too-many-extensions", "More extension lines than counted are refused", "ZR-HS-015", ZRPC_MUST,
            too_many_extensions),
    REFUSED("trailing-bytes", "Bytes between the first line and the declared end are refused", "ZR-HS-016",
            ZRPC_MUST, trailing_bytes),
    REFUSED("trailing-bytes-after-extension", "Bytes behind the last extension line are refused", "ZR-HS-016",
            ZRPC_MUST, trailing_bytes_after_extension),
    REFUSED("extension-not-utf8", "An extension that is not UTF-8 is refused", "ZR-HS-026", ZRPC_SHOULD,
            extension_not_utf8),
    REFUSED("length-with-sign", "A length with a plus sign is refused", "ZR-HS-025", ZRPC_SHOULD,
            length_with_sign),
    REFUSED("length-with-blanks", "A length padded with blanks is refused", "ZR-HS-025", ZRPC_SHOULD,
            length_with_blanks),
    REFUSED("length-and-newline", "Another byte than a space after the length is refused", "ZR-HS-025",
            ZRPC_SHOULD, length_and_newline),
    REFUSED("version-unpadded", "A version without leading zeros is refused", "ZR-HS-025", ZRPC_SHOULD,
            version_unpadded),
    REFUSED("http-request", "An HTTP request is refused", "ZR-HS-012", ZRPC_MUST, http_request),
    REFUSED("tls-hello", "A TLS ClientHello is refused", "ZR-HS-012", ZRPC_MUST, tls_hello),
    REFUSED("cut-off", "The end of the byte stream inside the banner fails the handshake", "ZR-HS-017",
            ZRPC_MUST, cut_off),
    {
        .id = "handshake.reset-anywhere",
        .title = "A client that resets the connection at any point of its banner harms nobody",
        .requirements = {"ZR-SRV-002"},
        .legal = "the ping's answer on the next connection",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = reset_anywhere,
    },
    {
        .id = "handshake.silent-client",
        .title = "A client that says nothing is closed at the handshake's deadline",
        .requirements = {"ZR-HS-022"},
        .legal = "the end of the connection at the deadline, not much before and not more than 3 s after",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = silent_client,
    },
    {
        .id = "handshake.dribbling-client",
        .title = "A byte now and then does not renew the handshake's deadline",
        .requirements = {"ZR-HS-022"},
        .legal = "the end of the connection not more than 3 s after the deadline",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = dribbling_client,
    },
    {
        .id = "handshake.deadline-ends-with-handshake",
        .title = "The deadlines of handshake and label have no effect afterwards",
        .requirements = {"ZR-HS-023"},
        .legal = "the ping's answer",
        .flags = ZRPC_CASE_SLOW,
        .budget = 60,
        .run = deadline_ends_with_handshake,
    },
    {
        .id = "handshake.stalled-clients",
        .title = "300 clients stalled in the handshake delay no other",
        .requirements = {"ZR-HS-024", "ZR-SRV-001"},
        .legal = "the ping's answer on a fresh connection, promptly",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 240,
        .run = stalled_clients,
    },
};

const struct zrpc_area zrpc_area_handshake = {
    .name = "handshake",
    .title = "version handshake, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_DATA,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
