#include "greeter.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "greeter.pb-c.h"
#include "zrpc/channel.h"
#include "zrpc/grpc_conn.h"

#define GRACE (10 * ZRPC_SECOND)

static int greet(void *ctx, struct zrpc_call *call, const ProtobufCMessage *req, ProtobufCMessage *res,
                 struct zrpc_error *err)
{
    const Zrpc__Greeter__GreetRequest *request = (const Zrpc__Greeter__GreetRequest *)req;
    Zrpc__Greeter__GreetResponse *response = (Zrpc__Greeter__GreetResponse *)res;

    (void)ctx;
    zrpc_log(call->log, ZRPC_LOG_INFO, "Greet() request", "clientIdentity", call->client_identity, NULL);
    if (asprintf(&response->msg, "hello %s (clientIdentity=\"%s\")", request->name, call->client_identity) <
        0) {
        response->msg = (char *)protobuf_c_empty_string;
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a greeting");
    }
    return 0;
}

static const struct zrpc_grpc_method methods[] = {
    {.path = "/pdu.Greeter/Greet",
     .request = &zrpc__greeter__greet_request__descriptor,
     .response = &zrpc__greeter__greet_response__descriptor,
     .handler = greet,
     .prompt = true},
};

static const struct zrpc_grpc_service service = {.methods = methods, .n_methods = 1};

/*
 * The server: a thread for each connection.
 */
struct client {
    struct client *next;
    struct zrpc_accepted accepted;
    struct zrpc_grpc_conn *conn;
    pthread_t thread;
    atomic_bool done;
    const struct zrpc_log *log;
};

static void *serve_client(void *arg)
{
    struct client *c = arg;
    struct zrpc_error err;

    if (zrpc_grpc_conn_run(c->conn, &err) < 0)
        zrpc_log(c->log, ZRPC_LOG_WARN, "connection failed", "peer", c->accepted.peer, "reason", err.text,
                 NULL);
    atomic_store(&c->done, true);
    return NULL;
}

static int start_client(struct client *c, struct zrpc_error *err)
{
    struct zrpc_grpc_conn_options options = {
        .server = {.services = &service,
                   .n_services = 1,
                   .client_identity = c->accepted.identity,
                   .peer = c->accepted.peer,
                   .log = c->log},
    };
    int rc = zrpc_grpc_conn_new(c->accepted.wire, &options, &c->conn, err);

    if (rc < 0)
        return rc;
    rc = pthread_create(&c->thread, NULL, serve_client, c);
    if (rc == 0)
        return 0;
    zrpc_grpc_conn_free(c->conn);
    return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, rc, "no thread for %s", c->accepted.peer);
}

static int accept_client(struct zrpc_listener *l, const struct zrpc_log *log, struct client **clients,
                         struct zrpc_error *err)
{
    struct client *c = calloc(1, sizeof *c);
    int rc;

    if (c == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for a client");
    c->log = log;
    rc = l->ops->accept(l, &c->accepted, err);
    if (rc == 0)
        rc = start_client(c, err);
    if (rc < 0) {
        free(c);
        return rc;
    }
    c->next = *clients;
    *clients = c;
    return 0;
}

static void reap(struct client **clients, bool all)
{
    struct client **at = clients;

    while (*at != NULL) {
        struct client *c = *at;

        if (!all && !atomic_load(&c->done)) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        pthread_join(c->thread, NULL);
        zrpc_grpc_conn_free(c->conn);
        free(c);
    }
}

int greeter_serve(struct zrpc_listener *listener, int stop_fd, const struct zrpc_log *log,
                  struct zrpc_error *err)
{
    struct pollfd fds[] = {{.fd = listener->ops->fd(listener), .events = POLLIN},
                           {.fd = stop_fd, .events = POLLIN}};
    struct client *clients = NULL;
    int rc = 0;

    while (fds[1].revents == 0 && rc != ZRPC_ERR_CLOSED) {
        if (poll(fds, 2, -1) < 0 || fds[0].revents == 0)
            continue;
        rc = accept_client(listener, log, &clients, err);
        if (rc < 0 && rc != ZRPC_ERR_AGAIN)
            zrpc_log(log, ZRPC_LOG_WARN, "no connection", "reason", err->text, NULL);
        reap(&clients, false);
    }
    for (struct client *c = clients; c != NULL; c = c->next)
        zrpc_grpc_conn_stop(c->conn, zrpc_now() + GRACE);
    reap(&clients, true);
    return rc == ZRPC_ERR_CLOSED ? rc : 0;
}

/*
 * The client.
 */
static int dial(void *ctx, zrpc_time deadline, struct zrpc_wire **out, struct zrpc_error *err)
{
    struct zrpc_dialer *dialer = ctx;

    return dialer->ops->dial(dialer, deadline, NULL, out, err);
}

int greeter_greet(struct zrpc_dialer *dialer, const char *name, const struct zrpc_log *log, char **answer,
                  struct zrpc_error *err)
{
    const struct zrpc_connector connector = {.connect = dial, .ctx = dialer};
    const struct zrpc_channel_options options = {.name = dialer->ops->address(dialer), .log = log};
    Zrpc__Greeter__GreetRequest req = ZRPC__GREETER__GREET_REQUEST__INIT;
    ProtobufCMessage *res = NULL;
    struct zrpc_channel *channel;
    int rc = zrpc_channel_new(&connector, &options, &channel, err);

    if (rc < 0)
        return rc;
    req.name = (char *)name;
    rc = zrpc_channel_call(channel, &methods[0], &req.base, &res, NULL, NULL, err);
    if (rc == 0) {
        *answer = strdup(((Zrpc__Greeter__GreetResponse *)res)->msg);
        if (*answer == NULL)
            rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for the answer");
        protobuf_c_message_free_unpacked(res, NULL);
    }
    zrpc_channel_free(channel);
    return rc;
}
