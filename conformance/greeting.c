#include "conformance/greeting.h"

#include <ctype.h>
#include <stdio.h>

#include "zrpc/versionhandshake.h"

#define LENGTH_LEN 11 /* digits and space */
#define FIXED_LEN  56 /* of the body, without extension lines */

const char *zrpc_greeting_plain(unsigned version, char out[static ZRPC_GREETING_MAX])
{
    snprintf(out, ZRPC_GREETING_MAX, "%010d ZREPL_ZFS_REPLICATION PROTOVERSION=%04u EXTENSIONS=0000\n",
             FIXED_LEN, version % 10000);
    return out;
}

void zrpc_greeting_put_body(struct zrpc_buf *out, struct zrpc_view body)
{
    zrpc_text_add(out, "%010zu ", body.len);
    (void)zrpc_buf_append(out, body, NULL);
}

/* n digits at the front of *v, or -1. */
static long take_digits(struct zrpc_view *v, size_t n)
{
    long value = 0;

    if (v->len < n)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (!isdigit(v->data[i]))
            return -1;
        value = value * 10 + (v->data[i] - '0');
    }
    zrpc_view_take(v, n);
    return value;
}

static bool take_text(struct zrpc_view *v, const char *text)
{
    size_t n = strlen(text);

    if (v->len < n || memcmp(v->data, text, n) != 0)
        return false;
    zrpc_view_take(v, n);
    return true;
}

static const char *flaw(const char *requirement, const char *text, const char **out)
{
    *out = requirement;
    return text;
}

const char *zrpc_greeting_flaw(struct zrpc_view banner, unsigned version, const char **requirement)
{
    struct zrpc_view v = banner;
    long length = take_digits(&v, 10), count;
    size_t lines = 0;

    if (length < 0 || !take_text(&v, " "))
        return flaw("ZR-HS-002", "it does not begin with 10 digits and a space", requirement);
    if ((size_t)length != v.len)
        return flaw("ZR-HS-002", "its declared length is not the number of bytes after the space",
                    requirement);
    if (!take_text(&v, "ZREPL_ZFS_REPLICATION PROTOVERSION="))
        return flaw("ZR-HS-001", "ZREPL_ZFS_REPLICATION PROTOVERSION= is missing", requirement);
    if (take_digits(&v, 4) != (long)version)
        return flaw("ZR-HS-003", "the version is not the expected one in 4 digits", requirement);
    if (!take_text(&v, " EXTENSIONS="))
        return flaw("ZR-HS-001", "\" EXTENSIONS=\" is missing", requirement);
    count = take_digits(&v, 4);
    if (count < 0 || count > 9998 || !take_text(&v, "\n"))
        return flaw("ZR-HS-004", "the extension count is not 4 digits up to 9998 and a newline", requirement);
    if (!zrpc_utf8_valid(v))
        return flaw("ZR-HS-005", "an extension is not UTF-8", requirement);
    for (size_t i = 0; i < v.len; i++)
        lines += v.data[i] == '\n';
    if ((size_t)count != lines || (v.len > 0 && v.data[v.len - 1] != '\n'))
        return flaw("ZR-HS-004", "the extension count is not the number of lines", requirement);
    return NULL;
}

/* Until the banner holds n bytes. */
static enum zrpc_seen_kind take(struct zrpc_peer *p, size_t n, zrpc_time deadline)
{
    enum zrpc_seen_kind kind = ZRPC_SEEN_FRAME;
    struct zrpc_view bytes;

    while (kind == ZRPC_SEEN_FRAME && p->banner.len < n) {
        kind = zrpc_peer_see_bytes(p, deadline, n - p->banner.len, &bytes);
        if (zrpc_buf_append(&p->banner, bytes, NULL) < 0)
            zrpc_run_inconclusive(p->run, "out of memory");
    }
    return kind;
}

static void expect_banner(struct zrpc_peer *p, zrpc_time within, bool may_end)
{
    const char *expected =
        may_end ? "the target's banner, or the end of the connection" : "the target's banner";
    zrpc_time deadline = zrpc_now() + within;
    const char *what, *requirement = NULL;
    struct zrpc_seen seen = {0};
    struct zrpc_buf got = {0};
    struct zrpc_view prefix;
    long length = -1;

    zrpc_buf_clear(&p->banner);
    seen.kind = take(p, LENGTH_LEN, deadline);
    prefix = zrpc_buf_view(&p->banner);
    if (seen.kind == ZRPC_SEEN_FRAME)
        length = take_digits(&prefix, 10);
    if (length > 0 && length <= ZRPC_BANNER_BODY_MAX)
        seen.kind = take(p, LENGTH_LEN + (size_t)length, deadline);
    if (seen.kind == ZRPC_SEEN_NOTHING)
        return;
    if (may_end && (seen.kind == ZRPC_SEEN_EOF || seen.kind == ZRPC_SEEN_RESET))
        return;
    if (p->banner.len < LENGTH_LEN) {
        zrpc_seen_add(&got, &seen);
        zrpc_run_fail(p->run, expected, "%s after %zu bytes", zrpc_text_str(&got), p->banner.len);
    } else if ((what = zrpc_greeting_flaw(zrpc_buf_view(&p->banner), p->run->profile->protocol_version,
                                          &requirement)) != NULL) {
        zrpc_text_add_bytes(&got, zrpc_buf_view(&p->banner), p->banner.len, 120);
        zrpc_run_violation(p->run, requirement, "a valid banner", "%s: %s", what, zrpc_text_str(&got));
    }
    zrpc_buf_dispose(&got);
}

void zrpc_expect_banner(struct zrpc_peer *p, zrpc_time within)
{
    expect_banner(p, within, false);
}

void zrpc_expect_banner_or_end(struct zrpc_peer *p, zrpc_time within)
{
    expect_banner(p, within, true);
}
