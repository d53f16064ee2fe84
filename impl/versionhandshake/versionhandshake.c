#include "zrpc/versionhandshake.h"

#include <inttypes.h>
#include <stdio.h>

#define LENGTH_DIGITS 10
#define KEYWORDS      "ZREPL_ZFS_REPLICATION PROTOVERSION="
#define COUNT_KEYWORD " EXTENSIONS="

static int check_extension(struct zrpc_view extension, size_t index, struct zrpc_error *err)
{
    if (extension.len > 0 && memchr(extension.data, '\n', extension.len) != NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "banner extension %zu contains a newline", index);
    if (!zrpc_utf8_valid(extension))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "banner extension %zu is not UTF-8", index);
    return 0;
}

/* The number of bytes that the extension lines take; stops counting where they are too many already. */
static int extensions_size(const struct zrpc_banner *banner, size_t *out, struct zrpc_error *err)
{
    size_t size = 0;
    int rc;

    if (banner->n_extensions > ZRPC_BANNER_EXTENSIONS_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "banner with %zu extensions, at most %d are allowed",
                         banner->n_extensions, ZRPC_BANNER_EXTENSIONS_MAX);
    for (size_t i = 0; i < banner->n_extensions && size <= ZRPC_BANNER_BODY_MAX; i++) {
        if ((rc = check_extension(banner->extensions[i], i, err)) < 0)
            return rc;
        size += banner->extensions[i].len + 1;
    }
    *out = size;
    return 0;
}

int zrpc_banner_encode(const struct zrpc_banner *banner, struct zrpc_buf *out, struct zrpc_error *err)
{
    char line[80], head[100];
    size_t size = 0, body;
    int n, rc;

    if (banner->version < 1 || banner->version > ZRPC_PROTOCOL_VERSION_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "banner with protocol version %u, expected 1 to %d",
                         banner->version, ZRPC_PROTOCOL_VERSION_MAX);
    if ((rc = extensions_size(banner, &size, err)) < 0)
        return rc;
    n = snprintf(line, sizeof line, KEYWORDS "%04u" COUNT_KEYWORD "%04zu\n", banner->version,
                 banner->n_extensions);
    body = (size_t)n + size;
    if (body > ZRPC_BANNER_BODY_MAX)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "banner extensions are too long: at most %d bytes in all fit",
                         ZRPC_BANNER_BODY_MAX - n);
    n = snprintf(head, sizeof head, "%0*zu %s", LENGTH_DIGITS, body, line);
    if ((rc = zrpc_buf_reserve(out, (size_t)n + size, err)) < 0 ||
        (rc = zrpc_buf_append(out, zrpc_view(head, (size_t)n), err)) < 0)
        return rc;
    for (size_t i = 0; i < banner->n_extensions; i++)
        if ((rc = zrpc_buf_append(out, banner->extensions[i], err)) < 0 ||
            (rc = zrpc_buf_append(out, zrpc_view_of("\n"), err)) < 0)
            return rc;
    return 0;
}

void zrpc_banner_reader_init(struct zrpc_banner_reader *r)
{
    *r = (struct zrpc_banner_reader){0};
}

void zrpc_banner_reader_dispose(struct zrpc_banner_reader *r)
{
    zrpc_buf_dispose(&r->body);
}

/* The byte at `v.data`, as it looks in an error text. */
static const char *show_byte(struct zrpc_view v, char out[static 16])
{
    if (v.len == 0)
        return "the end";
    if (v.data[0] > ' ' && v.data[0] < 0x7f)
        snprintf(out, 16, "'%c'", v.data[0]);
    else
        snprintf(out, 16, "byte 0x%02x", v.data[0]);
    return out;
}

/* The banner's body while it is parsed; `whole` is for the places that errors name. */
struct parser {
    struct zrpc_view whole, rest;
    struct zrpc_error *err;
};

static int fail_at(const struct parser *p, const char *expected)
{
    char found[16];

    return zrpc_fail(p->err, ZRPC_ERR_HANDSHAKE, "banner: %s at byte %zu after the length, expected %s",
                     show_byte(p->rest, found), p->whole.len - p->rest.len, expected);
}

static int parse_literal(struct parser *p, const char *literal, const char *described)
{
    for (const char *c = literal; *c != '\0'; c++) {
        if (p->rest.len == 0 || p->rest.data[0] != (uint8_t)*c)
            return fail_at(p, described);
        zrpc_view_take(&p->rest, 1);
    }
    return 0;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static int parse_four_digits(struct parser *p, unsigned *out)
{
    unsigned value = 0;

    for (int i = 0; i < 4; i++) {
        if (p->rest.len == 0 || !is_digit(p->rest.data[0]))
            return fail_at(p, "a number of four digits");
        value = value * 10 + (unsigned)(zrpc_view_take(&p->rest, 1).data[0] - '0');
    }
    *out = value;
    return 0;
}

static size_t count_lines(struct zrpc_view v)
{
    size_t lines = 0;

    for (size_t i = 0; i < v.len; i++)
        lines += v.data[i] == '\n';
    return lines;
}

static int check_extension_lines(const struct parser *p, unsigned announced)
{
    size_t lines = count_lines(p->rest);

    if (announced > ZRPC_BANNER_EXTENSIONS_MAX)
        return zrpc_fail(p->err, ZRPC_ERR_HANDSHAKE, "banner announces %u extensions, at most %d are allowed",
                         announced, ZRPC_BANNER_EXTENSIONS_MAX);
    if (lines != announced)
        return zrpc_fail(p->err, ZRPC_ERR_HANDSHAKE,
                         "banner announces %u extensions and has %zu lines of them", announced, lines);
    if (p->rest.len > 0 && p->rest.data[p->rest.len - 1] != '\n')
        return zrpc_fail(p->err, ZRPC_ERR_HANDSHAKE, "banner goes on after its last line");
    return 0;
}

static int parse_body(struct zrpc_banner_reader *r, struct zrpc_error *err)
{
    struct parser p = {.whole = zrpc_buf_view(&r->body), .rest = zrpc_buf_view(&r->body), .err = err};
    unsigned version, n_extensions;
    int rc;

    if ((rc = parse_literal(&p, KEYWORDS, "\"" KEYWORDS "\"")) < 0 ||
        (rc = parse_four_digits(&p, &version)) < 0 ||
        (rc = parse_literal(&p, COUNT_KEYWORD, "\"" COUNT_KEYWORD "\"")) < 0 ||
        (rc = parse_four_digits(&p, &n_extensions)) < 0 ||
        (rc = parse_literal(&p, "\n", "the end of the line")) < 0 ||
        (rc = check_extension_lines(&p, n_extensions)) < 0)
        return rc;
    if (!zrpc_utf8_valid(p.rest))
        return zrpc_fail(err, ZRPC_ERR_HANDSHAKE, "banner has an extension that is not UTF-8");
    if (version == 0)
        return zrpc_fail(err, ZRPC_ERR_HANDSHAKE, "banner with protocol version 0, expected 1 to %d",
                         ZRPC_PROTOCOL_VERSION_MAX);
    r->version = version;
    r->n_extensions = n_extensions;
    return 1;
}

/* Refuses at the first byte that is wrong, so that a peer that speaks something else gets an answer soon. */
static int feed_prefix(struct zrpc_banner_reader *r, struct zrpc_view *in, struct zrpc_error *err)
{
    char found[16];

    for (; in->len > 0 && r->have < sizeof r->prefix; zrpc_view_take(in, 1)) {
        bool digit = r->have < LENGTH_DIGITS;

        if (digit ? !is_digit(in->data[0]) : in->data[0] != ' ')
            return zrpc_fail(err, ZRPC_ERR_HANDSHAKE, "banner: %s at byte %zu of the length, expected a %s",
                             show_byte(*in, found), r->have, digit ? "digit" : "space");
        if (digit && r->body_len <= ZRPC_BANNER_BODY_MAX) /* beyond, more digits change nothing */
            r->body_len = r->body_len * 10 + (size_t)(in->data[0] - '0');
        r->prefix[r->have++] = in->data[0];
    }
    if (r->have == sizeof r->prefix && r->body_len > ZRPC_BANNER_BODY_MAX)
        return zrpc_fail(err, ZRPC_ERR_HANDSHAKE, "banner announces %.*s bytes, at most %d are allowed",
                         LENGTH_DIGITS, (const char *)r->prefix, ZRPC_BANNER_BODY_MAX);
    return 0;
}

int zrpc_banner_reader_feed(struct zrpc_banner_reader *r, struct zrpc_view *in, struct zrpc_error *err)
{
    size_t missing;
    int rc;

    if ((rc = feed_prefix(r, in, err)) < 0 || r->have < sizeof r->prefix)
        return rc;
    missing = r->body_len - r->body.len;
    rc = zrpc_buf_append(&r->body, zrpc_view_take(in, in->len < missing ? in->len : missing), err);
    if (rc < 0 || r->body.len < r->body_len)
        return rc;
    return parse_body(r, err);
}

size_t zrpc_banner_reader_wants(const struct zrpc_banner_reader *r)
{
    if (r->have < sizeof r->prefix)
        return sizeof r->prefix - r->have;
    return r->body_len - r->body.len;
}

int zrpc_versionhandshake_init(struct zrpc_versionhandshake *hs, unsigned version, struct zrpc_error *err)
{
    const struct zrpc_banner ours = {.version = version};

    *hs = (struct zrpc_versionhandshake){.version = version};
    zrpc_banner_reader_init(&hs->reader);
    return zrpc_banner_encode(&ours, &hs->output, err);
}

void zrpc_versionhandshake_dispose(struct zrpc_versionhandshake *hs)
{
    zrpc_buf_dispose(&hs->output);
    zrpc_banner_reader_dispose(&hs->reader);
}

int zrpc_versionhandshake_feed(struct zrpc_versionhandshake *hs, struct zrpc_view *in, struct zrpc_error *err)
{
    int rc = zrpc_banner_reader_feed(&hs->reader, in, err);

    if (rc <= 0)
        return rc;
    hs->received = true;
    if (hs->reader.version != hs->version)
        return zrpc_fail(err, ZRPC_ERR_VERSION, "protocol versions differ: ours is %u, the peer's is %u",
                         hs->version, hs->reader.version);
    return 1;
}
