#include "testing/suite.h"

#include <arpa/inet.h>

#include "transport/tcp_clients.h"

static const struct zrpc_tcp_client map[] = {
    {"10.1.2.3", "one-host"},       {"10.1.2.0/24", "net-*"},          {"10.1.0.0/16", "*.wide"},
    {"10.9.8.7/8", "ten-*"}, /* the host's part does not count */
    {"2001:db8::/32", "six-*"},     {"2001:db8:1::/48", "site-*-end"}, {"fe80::/10%lo", "link-*"},
    {"fe80::/10", "any-link-*"},    {"fe80::7%lo", "seven"},           {"::/0", "v6-*"},
    {"192.168.7.128/25", "half-*"},
};

static const struct {
    const char *ip;
    unsigned scope_id;
    const char *identity; /* NULL: nobody */
} rows[] = {
    {"10.1.2.3", 0, "one-host"},
    {"::ffff:10.1.2.3", 0, "one-host"},
    {"10.1.2.4", 0, "net-10.1.2.4"},
    {"::ffff:10.1.2.4", 0, "net-10.1.2.4"},
    {"10.1.3.4", 0, "10.1.3.4.wide"},
    {"10.200.0.1", 0, "ten-10.200.0.1"},
    {"11.0.0.1", 0, NULL},
    {"192.168.7.127", 0, NULL},
    {"192.168.7.128", 0, "half-192.168.7.128"},
    {"2001:db8::1", 0, "six-2001:db8::1"},
    {"2001:db8:1:0:0::2", 0, "site-2001:db8:1::2-end"},
    {"2001:db9::1", 0, "v6-2001:db9::1"},
    {"fe80::5", 1, "link-fe80::5-lo"},
    {"fe80::5", 77777, "any-link-fe80::5-77777"},
    {"fe80::7", 1, "seven"},
};

static bool identify(const struct zrpc_tcp_client_entry *entries, size_t n, const char *ip, unsigned scope_id,
                     char out[static ZRPC_IDENTITY_MAX])
{
    struct sockaddr_storage peer = {0};
    struct sockaddr_in *in4 = (struct sockaddr_in *)&peer;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&peer;

    if (inet_pton(AF_INET, ip, &in4->sin_addr) == 1) {
        peer.ss_family = AF_INET;
    } else {
        peer.ss_family = AF_INET6;
        in6->sin6_scope_id = scope_id;
        CHECK_INT(inet_pton(AF_INET6, ip, &in6->sin6_addr), 1);
    }
    return zrpc_tcp_client_identify(entries, n, &peer, out);
}

static void the_best_fit_wins(void)
{
    enum { N = sizeof map / sizeof map[0] };
    struct zrpc_tcp_client_entry entries[N];
    char identity[ZRPC_IDENTITY_MAX];
    struct zrpc_error err = {0};

    /* In whatever order they stand. */
    for (size_t first = 0; first < N; first++) {
        for (size_t i = 0; i < N; i++)
            CHECK_OK(zrpc_tcp_client_parse(&map[(first + i) % N], &entries[i], &err));
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            bool known = identify(entries, N, rows[i].ip, rows[i].scope_id, identity);

            CHECK_STR(known ? identity : "(nobody)",
                      rows[i].identity == NULL ? "(nobody)" : rows[i].identity);
        }
    }
}

/* Each family's whole is its own. */
static void whole_ranges(void)
{
    static const struct zrpc_tcp_client four = {"0.0.0.0/0", "*"}, six = {"::/0", "*"};
    struct zrpc_tcp_client_entry entry;
    char identity[ZRPC_IDENTITY_MAX];
    struct zrpc_error err;

    CHECK_OK(zrpc_tcp_client_parse(&four, &entry, &err));
    CHECK(identify(&entry, 1, "1.2.3.4", 0, identity));
    CHECK_STR(identity, "1.2.3.4");
    CHECK(!identify(&entry, 1, "::1", 0, identity));
    CHECK_OK(zrpc_tcp_client_parse(&six, &entry, &err));
    CHECK(identify(&entry, 1, "::1", 0, identity));
    CHECK_STR(identity, "::1");
    CHECK(!identify(&entry, 1, "1.2.3.4", 0, identity));
    CHECK(!identify(&entry, 1, "::ffff:1.2.3.4", 0, identity));
}

static void bad_entries(void)
{
    static char long_identity[ZRPC_IDENTITY_MAX];
    static const struct {
        struct zrpc_tcp_client client;
        const char *text;
    } bad[] = {
        {{"10.0.0.0/33", "*"}, "\"10.0.0.0/33\" is not an IP address, nor a range"},
        {{"10.0.0.0/", "*"}, "is not an IP address"},
        {{"10.0.0.0/08", "*"}, "is not an IP address"},
        {{"10.0.0.0/+8", "*"}, "is not an IP address"},
        {{"10.0.0/8", "*"}, "is not an IP address"},
        {{"::/129", "*"}, "is not an IP address"},
        {{"10.0.0.0/8%lo", "*"}, "is not an IP address"},
        {{"fe80::%lo/16", "*"}, "is not an IP address"},
        {{"10.0.0.0/8/8", "*"}, "is not an IP address"},
        {{"10.0.0.0/8", "net"}, "expected one '*'"},
        {{"10.0.0.0/8", "*-*"}, "expected one '*'"},
        {{"10.0.0.1", "net-*"}, "must not contain '*'"},
        {{"10.0.0.1/32", "net"}, "expected one '*'"},
        {{"10.0.0.0/8", "a@*"}, "must not contain '@'"},
        {{"10.0.0.0/8", long_identity}, "too long with an address in it"},
    };
    struct zrpc_tcp_client_entry entry;
    struct zrpc_error err;

    memset(long_identity, 'x', sizeof long_identity - 10);
    long_identity[0] = '*';
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_CODE(zrpc_tcp_client_parse(&bad[i].client, &entry, &err), ZRPC_ERR_USAGE);
        CHECK_CONTAINS(err.text, bad[i].text);
    }
}

static const struct zrpc_test tests[] = {
    {"the best fit wins", the_best_fit_wins},
    {"whole ranges", whole_ranges},
    {"bad entries", bad_entries},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("tcp_clients", tests, argc, argv);
}
