#include "greeter.h"

#include <pthread.h>
#include <stdlib.h>

#include "testing/suite.h"
#include "zrpc/transport.h"

static struct server {
    struct zrpc_grpchelper_server *server;
    struct zrpc_dialer *dialer;
    pthread_t thread;
} server;

static void *serve(void *arg)
{
    (void)arg;
    CHECK_OK(zrpc_grpchelper_server_run(server.server, NULL));
    return NULL;
}

static void start(void)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "localclient"}};
    const struct zrpc_grpchelper_options options = {.services = &greeter_service, .n_services = 1};
    struct zrpc_listener *listener;

    CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", clients, 1, &listener, NULL));
    CHECK_OK(zrpc_dialer_parse(listener->ops->address(listener), 0, &server.dialer, NULL));
    CHECK_OK(zrpc_grpchelper_server_new(&options, &server.server, NULL));
    CHECK_OK(zrpc_grpchelper_server_add(server.server, listener, NULL));
    CHECK_INT(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void stop(void)
{
    zrpc_grpchelper_server_stop(server.server);
    pthread_join(server.thread, NULL);
    zrpc_grpchelper_server_free(server.server);
}

static void clients_are_greeted_by_name_and_identity(void)
{
    struct zrpc_error err;

    start();
    for (int i = 0; i < 3; i++) {
        char *answer = NULL;

        if (CHECK_OK(greeter_greet(server.dialer, i == 0 ? "" : "w\xc3\xb6rld", NULL, &answer, &err)))
            CHECK_STR(answer, i == 0 ? "hello  (clientIdentity=\"localclient\")"
                                     : "hello w\xc3\xb6rld (clientIdentity=\"localclient\")");
        free(answer);
    }
    stop();
    server.dialer->ops->close(server.dialer);
}

static void nobody_there(void)
{
    struct zrpc_error err;
    char *answer = NULL;

    start();
    stop();
    CHECK_CODE(greeter_greet(server.dialer, "x", NULL, &answer, &err), ZRPC_ERR_UNAVAILABLE);
    server.dialer->ops->close(server.dialer);
}

static const struct zrpc_test tests[] = {
    {"clients are greeted by name and identity", clients_are_greeted_by_name_and_identity},
    {"nobody there", nobody_there},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("greeter", tests, argc, argv);
}
