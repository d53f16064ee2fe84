#include "greeter.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "testing/suite.h"
#include "zrpc/transport.h"

static struct server {
    struct zrpc_listener *listener;
    int stop_fd;
    pthread_t thread;
} server;

static void *serve(void *arg)
{
    struct zrpc_error err = {0};

    (void)arg;
    CHECK_OK(greeter_serve(server.listener, server.stop_fd, NULL, &err));
    return NULL;
}

static void start(void)
{
    static const struct zrpc_tcp_client clients[] = {{"127.0.0.1", "localclient"}};

    CHECK_OK(zrpc_tcp_listen("127.0.0.1:0", clients, 1, &server.listener, NULL));
    server.stop_fd = eventfd(0, EFD_CLOEXEC);
    CHECK_INT(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void stop(void)
{
    CHECK_INT(eventfd_write(server.stop_fd, 1), 0);
    pthread_join(server.thread, NULL);
    server.listener->ops->close(server.listener);
    close(server.stop_fd);
}

static void clients_are_greeted_by_name_and_identity(void)
{
    struct zrpc_dialer *dialer;
    struct zrpc_error err;

    start();
    CHECK_OK(zrpc_dialer_parse(server.listener->ops->address(server.listener), 0, &dialer, &err));
    for (int i = 0; i < 3; i++) {
        char *answer = NULL;

        if (CHECK_OK(greeter_greet(dialer, i == 0 ? "" : "w\xc3\xb6rld", NULL, &answer, &err)))
            CHECK_STR(answer, i == 0 ? "hello  (clientIdentity=\"localclient\")"
                                     : "hello w\xc3\xb6rld (clientIdentity=\"localclient\")");
        free(answer);
    }
    stop();
    dialer->ops->close(dialer);
}

static void nobody_there(void)
{
    struct zrpc_dialer *dialer;
    struct zrpc_error err;
    char *answer = NULL;

    start();
    CHECK_OK(zrpc_dialer_parse(server.listener->ops->address(server.listener), 0, &dialer, &err));
    stop();
    CHECK_CODE(greeter_greet(dialer, "x", NULL, &answer, &err), ZRPC_ERR_UNAVAILABLE);
    dialer->ops->close(dialer);
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
