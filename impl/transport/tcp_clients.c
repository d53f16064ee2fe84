#include "transport/tcp_clients.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAPPED_PREFIX = 96, ALL_BITS = 128 };

/* The longest that can stand for a '*': an IPv6 address and a zone. */
#define LONGEST "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff-123456789012345"

static struct in6_addr mapped(struct in_addr ip)
{
    struct in6_addr out = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

    memcpy(&out.s6_addr[12], &ip, sizeof ip);
    return out;
}

static bool same_bits(const struct in6_addr *a, const struct in6_addr *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(a, b, whole) == 0 &&
           (rest == 0 || ((a->s6_addr[whole] ^ b->s6_addr[whole]) & (0xff00 >> rest) & 0xff) == 0);
}

static void clear_behind(struct in6_addr *ip, unsigned bits)
{
    for (unsigned i = 0; i < 16; i++)
        ip->s6_addr[i] &= (uint8_t)(8 * i >= bits ? 0 : bits - 8 * i >= 8 ? 0xff : 0xff00 >> (bits - 8 * i));
}

/* A decimal number up to `most`, without sign or leading zeros. */
static int parse_prefix(const char *text, unsigned most, unsigned *out)
{
    size_t len = strlen(text);

    if (len == 0 || len > 3 || strspn(text, "0123456789") != len || (text[0] == '0' && len > 1))
        return -1;
    *out = (unsigned)atoi(text);
    return *out <= most ? 0 : -1;
}

/* IP, IP/PREFIX, IP%ZONE, IP/PREFIX%ZONE; *range tells whether there was a prefix. */
static int parse_address(const char *text, struct zrpc_tcp_client_entry *out, bool *range)
{
    char copy[INET6_ADDRSTRLEN + 8 + IF_NAMESIZE];
    char *zone, *prefix;
    struct in_addr in4;

    if (strlen(text) >= sizeof copy)
        return -1;
    strcpy(copy, text);
    zone = strchr(copy, '%');
    if (zone != NULL) {
        *zone++ = '\0';
        if (zone[0] == '\0' || strchr(zone, '/') != NULL || strlen(zone) >= sizeof out->zone)
            return -1;
        strcpy(out->zone, zone);
    }
    prefix = strchr(copy, '/');
    *range = prefix != NULL;
    if (prefix != NULL)
        *prefix++ = '\0';
    out->prefix = ALL_BITS;
    if (zone == NULL && inet_pton(AF_INET, copy, &in4) == 1) {
        out->ip = mapped(in4);
        if (prefix != NULL && parse_prefix(prefix, 32, &out->prefix) < 0)
            return -1;
        out->prefix += prefix != NULL ? MAPPED_PREFIX : 0;
    } else if (inet_pton(AF_INET6, copy, &out->ip) != 1 ||
               (prefix != NULL && parse_prefix(prefix, ALL_BITS, &out->prefix) < 0)) {
        return -1;
    }
    clear_behind(&out->ip, out->prefix);
    return 0;
}

/* 0, or -1 where it gets too long. */
static int expand(const char *identity, const char *star, char out[static ZRPC_IDENTITY_MAX])
{
    const char *at = strchr(identity, '*');
    int before = at == NULL ? (int)strlen(identity) : (int)(at - identity);
    int n = snprintf(out, ZRPC_IDENTITY_MAX, "%.*s%s%s", before, identity, at == NULL ? "" : star,
                     at == NULL ? "" : at + 1);

    return n < ZRPC_IDENTITY_MAX ? 0 : -1;
}

/* One '*' for a range, none for an address; otherwise what all identities have to be. */
static int check_identity(const struct zrpc_tcp_client *in, bool range, struct zrpc_error *err)
{
    const char *star = strchr(in->identity, '*');
    char longest[ZRPC_IDENTITY_MAX];

    if (!range)
        return zrpc_identity_check(in->identity, err);
    if (star == NULL || strchr(star + 1, '*') != NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "client identity \"%s\": expected one '*', which the client's address replaces",
                         in->identity);
    if (expand(in->identity, LONGEST, longest) < 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "client identity \"%.32s...\": too long with an address in it",
                         in->identity);
    return zrpc_identity_check(longest, err);
}

int zrpc_tcp_client_parse(const struct zrpc_tcp_client *in, struct zrpc_tcp_client_entry *out,
                          struct zrpc_error *err)
{
    bool range;
    int rc;

    *out = (struct zrpc_tcp_client_entry){0};
    if (parse_address(in->ip, out, &range) < 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "tcp clients: \"%s\" is not an IP address, nor a range of them",
                         in->ip);
    rc = check_identity(in, range, err);
    if (rc < 0)
        return zrpc_error_prefix(err, rc, "tcp clients: %s", in->ip);
    memcpy(out->identity, in->identity, strlen(in->identity) + 1);
    return 0;
}

bool zrpc_tcp_client_same(const struct zrpc_tcp_client_entry *a, const struct zrpc_tcp_client_entry *b)
{
    return a->prefix == b->prefix && memcmp(&a->ip, &b->ip, sizeof a->ip) == 0 &&
           strcmp(a->zone, b->zone) == 0;
}

static bool zone_matches(const char *zone, unsigned scope_id)
{
    char name[IF_NAMESIZE], number[16];

    if (zone[0] == '\0')
        return true;
    snprintf(number, sizeof number, "%u", scope_id);
    if (strcmp(zone, number) == 0)
        return true;
    return scope_id != 0 && if_indextoname(scope_id, name) != NULL && strcmp(zone, name) == 0;
}

/* "1.2.3.4", "fe80::1", "fe80::1-eth0": '%' is not for identities. */
static void format_address(const struct in6_addr *ip, unsigned scope_id, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN], zone[IF_NAMESIZE + 1] = "";

    if (IN6_IS_ADDR_V4MAPPED(ip))
        inet_ntop(AF_INET, &ip->s6_addr[12], text, sizeof text);
    else
        inet_ntop(AF_INET6, ip, text, sizeof text);
    if (scope_id != 0) {
        zone[0] = '-';
        if (if_indextoname(scope_id, zone + 1) == NULL)
            snprintf(zone, sizeof zone, "-%u", scope_id);
    }
    snprintf(out, size, "%s%s", text, zone);
}

bool zrpc_tcp_client_identify(const struct zrpc_tcp_client_entry *entries, size_t n,
                              const struct sockaddr_storage *peer, char out[static ZRPC_IDENTITY_MAX])
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)peer;
    bool is4 = peer->ss_family == AF_INET;
    struct in6_addr ip = is4 ? mapped(((const struct sockaddr_in *)peer)->sin_addr) : in6->sin6_addr;
    unsigned scope_id = is4 ? 0 : in6->sin6_scope_id;
    const struct zrpc_tcp_client_entry *best = NULL;
    char address[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];

    for (const struct zrpc_tcp_client_entry *e = entries; e < entries + n; e++) {
        /* ::/0 is for IPv6 clients. */
        if (!same_bits(&e->ip, &ip, e->prefix) || !zone_matches(e->zone, scope_id) ||
            (IN6_IS_ADDR_V4MAPPED(&ip) && e->prefix < MAPPED_PREFIX))
            continue;
        if (best == NULL || e->prefix > best->prefix || (e->prefix == best->prefix && e->zone[0] != '\0'))
            best = e;
    }
    if (best == NULL)
        return false;
    format_address(&ip, scope_id, address, sizeof address);
    return expand(best->identity, address, out) == 0;
}
