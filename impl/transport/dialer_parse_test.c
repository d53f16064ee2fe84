#include "testing/suite.h"

#include "zrpc/transport.h"

static void endpoints(void)
{
    static const struct {
        const char *endpoint, *name, *address;
    } rows[] = {
        {"tcp:127.0.0.1:8888", "tcp", "tcp:127.0.0.1:8888"},
        {"tcp:[::1]:1", "tcp", "tcp:[::1]:1"},
        {"tcp:[fe80::1%lo]:1", "tcp", "tcp:[fe80::1%lo]:1"},
        {"tcp::8888", "tcp", "tcp::8888"},
        {"tcp:host.example:http", "tcp", "tcp:host.example:http"},
        {"local:me@listener", "local", "local:listener"},
        {"local:me@odd@name", "local", "local:odd@name"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_error err = {0};
        struct zrpc_dialer *d;

        if (!CHECK_OK(zrpc_dialer_parse(rows[i].endpoint, 0, &d, &err)))
            continue;
        CHECK_STR(d->ops->name, rows[i].name);
        CHECK_STR(d->ops->address(d), rows[i].address);
        d->ops->close(d);
    }
}

static void not_endpoints(void)
{
    static const char *const rows[] = {
        "",
        "127.0.0.1:8888",
        "tcp",
        "TCP:127.0.0.1:8888",
        "tls:127.0.0.1:8888",
        "tcp:",
        "tcp:127.0.0.1",
        "tcp:127.0.0.1:",
        "tcp:127.0.0.1:65536",
        "tcp:127.0.0.1:99999999999999999999",
        "tcp:::1:80",
        "tcp:[::1]",
        "tcp:[::1]80",
        "tcp:[::1:80",
        "tcp:[]:80",
        "local:",
        "local:listener",
        "local:@listener",
        "local:a/b@listener",
        "local:me@",
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct zrpc_error err = {0};
        struct zrpc_dialer *d;

        if (!CHECK_CODE(zrpc_dialer_parse(rows[i], 0, &d, &err), ZRPC_ERR_USAGE))
            CHECK_STR("accepted", rows[i]);
        CHECK(err.text[0] != '\0');
    }
}

static const struct zrpc_test tests[] = {
    {"endpoints", endpoints},
    {"not endpoints", not_endpoints},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("dialer_parse", tests, argc, argv);
}
