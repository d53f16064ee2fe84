/*
 * Mutants of the handshake and the label.
 */
#include <stdio.h>
#include <time.h>

#include "conformance/greeting.h"
#include "conformance/mutants/families.h"

static void replace_banner(struct zrpc_buf *banner, const char *text)
{
    zrpc_buf_clear(banner);
    (void)zrpc_buf_append(banner, zrpc_view_of(text), NULL);
}

static void replace_by_plain(struct zrpc_relay *r, struct zrpc_buf *banner)
{
    char plain[ZRPC_GREETING_MAX];

    (void)r;
    replace_banner(banner, zrpc_greeting_plain(1, plain));
}

/* Runs in the thread that brings the server's bytes, while another one takes the client's. */
static void hold_server_banner(struct zrpc_relay *r, struct zrpc_buf *banner)
{
    const struct timespec pause = {.tv_nsec = ZRPC_MILLISECOND};

    (void)banner;
    while (!r->flag && !zrpc_relay_is_over(r))
        nanosleep(&pause, NULL);
}

static void note_banner(struct zrpc_relay *r, struct zrpc_buf *banner)
{
    (void)banner;
    r->flag = true;
}

static void with_extension(struct zrpc_relay *r, struct zrpc_buf *banner)
{
    (void)r;
    replace_banner(banner, "0000000061 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0001\nmine\n");
}

static void wrong_length(struct zrpc_relay *r, struct zrpc_buf *banner)
{
    (void)r;
    replace_banner(banner, "0000000057 ZREPL_ZFS_REPLICATION PROTOVERSION=0001 EXTENSIONS=0000\n\n");
}

static void unpadded_version(struct zrpc_relay *r, struct zrpc_buf *banner)
{
    (void)r;
    replace_banner(banner, "0000000053 ZREPL_ZFS_REPLICATION PROTOVERSION=1 EXTENSIONS=0000\n");
}

/* Puts the right digits behind a keyword of the client's banner. */
static void set_digits(struct zrpc_buf *banner, const char *keyword, const char *digits)
{
    char *text = (char *)banner->base + banner->off;
    char *at = memmem(text, banner->len, keyword, strlen(keyword));

    if (at != NULL && at + strlen(keyword) + 4 <= text + banner->len)
        memcpy(at + strlen(keyword), digits, 4);
}

static void any_version(struct zrpc_relay *r, struct zrpc_buf *banner)
{
    (void)r;
    set_digits(banner, "PROTOVERSION=", "0001");
}

/* Counts the lines for the client. */
static void any_count(struct zrpc_relay *r, struct zrpc_buf *banner)
{
    char digits[16];
    int lines = -1;

    (void)r;
    for (size_t i = 0; i < banner->len; i++)
        lines += zrpc_buf_view(banner).data[i] == '\n';
    snprintf(digits, sizeof digits, "%04d", lines);
    set_digits(banner, "EXTENSIONS=", digits);
}

static void no_extensions(struct zrpc_relay *r, struct zrpc_buf *banner)
{
    if (memmem(zrpc_buf_view(banner).data, banner->len, "EXTENSIONS=0000", 15) == NULL)
        zrpc_relay_cut(r, false);
}

static void one_read(struct zrpc_relay *r, struct zrpc_buf *banner)
{
    (void)banner;
    if (zrpc_now() - r->began > 20 * ZRPC_MILLISECOND)
        zrpc_relay_cut(r, false);
}

static void impatient(struct zrpc_relay *r, zrpc_time idle)
{
    (void)idle;
    if (!r->flag && zrpc_now() - r->began > r->timing->handshake / 3)
        zrpc_relay_cut(r, false);
}

/* The client never learns that the reference gave up. */
static void keep_open(struct zrpc_relay *r)
{
    (void)r;
}

static void give_turn_at_banner(struct zrpc_relay *r, struct zrpc_buf *banner)
{
    (void)banner;
    zrpc_relay_give_turn(r);
}

static void give_turn_at_label(struct zrpc_relay *r, uint8_t label[static ZRPC_LABEL_LEN])
{
    (void)label;
    zrpc_relay_give_turn(r);
}

static void any_label(struct zrpc_relay *r, uint8_t label[static ZRPC_LABEL_LEN])
{
    (void)r;
    zrpc_label_encode(ZRPC_DATA, label);
}

static void known_prefix(struct zrpc_relay *r, uint8_t label[static ZRPC_LABEL_LEN])
{
    (void)r;
    if (memcmp(label, ZRPC_LABEL_DATA, strlen(ZRPC_LABEL_DATA)) == 0)
        zrpc_label_encode(ZRPC_DATA, label);
}

static void answer_label(struct zrpc_relay *r, uint8_t label[static ZRPC_LABEL_LEN])
{
    (void)label;
    zrpc_relay_down(r, zrpc_view_of("ok"));
}

static void needs_whole_label(struct zrpc_relay *r, uint8_t label[static ZRPC_LABEL_LEN])
{
    (void)label;
    if (zrpc_now() - r->began > 100 * ZRPC_MILLISECOND)
        zrpc_relay_cut(r, false);
}

const struct zrpc_mutant zrpc_mutants_connect[] = {
    {
        .name = "waits-for-the-banner",
        .what = "writes its banner only after the client's",
        .caught_by = "handshake.speaks-unasked",
        .server_banner = hold_server_banner,
        .banner = note_banner,
    },
    {
        .name = "banner-with-extension",
        .what = "sends an extension although it uses none",
        .caught_by = "handshake.plain-banner",
        .verdict = ZRPC_VERDICT_NON_STRICT,
        .server_banner = with_extension,
    },
    {
        .name = "banner-with-trailing-byte",
        .what = "sends a byte more than its banner's lines",
        .caught_by = "handshake.speaks-unasked",
        .server_banner = wrong_length,
    },
    {
        .name = "banner-unpadded",
        .what = "sends its version without leading zeros",
        .caught_by = "handshake.speaks-unasked",
        .server_banner = unpadded_version,
    },
    {
        .name = "any-version",
        .what = "accepts every version",
        .caught_by = "handshake.version-newer",
        .banner = any_version,
    },
    {
        .name = "version-zero-is-fine",
        .what = "accepts version 0",
        .caught_by = "handshake.version-zero",
        .banner = any_version,
    },
    {
        .name = "any-banner",
        .what = "does not look at the banner's text",
        .caught_by = "handshake.wrong-keyword",
        .banner = replace_by_plain,
    },
    {
        .name = "any-extension-count",
        .what = "does not compare the extension count with the lines",
        .caught_by = "handshake.too-many-extensions",
        .banner = any_count,
    },
    {
        .name = "trailing-bytes-are-fine",
        .what = "ignores bytes behind the banner's last line",
        .caught_by = "handshake.trailing-bytes",
        .banner = replace_by_plain,
    },
    {
        .name = "no-extensions",
        .what = "refuses a banner with extensions",
        .caught_by = "handshake.extensions-ignored",
        .banner = no_extensions,
    },
    {
        .name = "reads-any-body",
        .what = "waits for the body of a banner that is too long",
        .caught_by = "handshake.oversized",
        .banner = replace_by_plain,
        .server_end = keep_open,
    },
    {
        .name = "banner-in-one-read",
        .what = "needs the banner in one piece",
        .caught_by = "handshake.byte-by-byte",
        .banner = one_read,
    },
    {
        .name = "eats-what-follows",
        .what = "loses what follows the banner in the same read",
        .caught_by = "handshake.one-write",
        .keeps_bytes_apart = true,
    },
    {
        .name = "one-handshake-at-a-time",
        .what = "does the handshakes of all clients one after the other",
        .caught_by = "handshake.stalled-clients",
        .many_clients = true,
        .accepted = zrpc_relay_take_turn,
        .banner = give_turn_at_banner,
    },
    {
        .name = "no-handshake-deadline",
        .what = "waits for a banner for ever",
        .caught_by = "handshake.silent-client",
        .server_end = keep_open,
    },
    {
        .name = "hasty-handshake",
        .what = "gives up a handshake long before its deadline",
        .caught_by = "handshake.silent-client",
        .banner = note_banner,
        .tick = impatient,
    },
    {
        .name = "any-label",
        .what = "takes every label for zrepl_data",
        .caught_by = "label.unknown",
        .label = any_label,
    },
    {
        .name = "label-prefix",
        .what = "does not look at the label's padding",
        .caught_by = "label.dirty-at-the-end",
        .label = known_prefix,
    },
    {
        .name = "answers-the-label",
        .what = "sends bytes of its own after the label",
        .caught_by = "label.no-answer",
        .label = answer_label,
    },
    {
        .name = "label-in-one-read",
        .what = "needs the label in one piece",
        .caught_by = "label.byte-by-byte",
        .label = needs_whole_label,
    },
    {
        .name = "one-label-at-a-time",
        .what = "reads the labels of all clients one after the other",
        .caught_by = "label.stalled-clients",
        .many_clients = true,
        .accepted = zrpc_relay_take_turn,
        .label = give_turn_at_label,
    },
    {
        .name = "no-label-deadline",
        .what = "waits for a label for ever",
        .caught_by = "label.silent-client",
        .server_end = keep_open,
    },
    {0},
};
