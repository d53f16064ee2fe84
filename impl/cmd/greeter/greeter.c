#include "greeter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "greeter.pb-c.h"

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

const struct zrpc_grpc_service greeter_service = {.methods = methods, .n_methods = 1};

int greeter_greet(struct zrpc_dialer *dialer, const char *name, const struct zrpc_log *log, char **answer,
                  struct zrpc_error *err)
{
    Zrpc__Greeter__GreetRequest req = ZRPC__GREETER__GREET_REQUEST__INIT;
    ProtobufCMessage *res = NULL;
    struct zrpc_grpchelper_client *client;
    int rc = zrpc_grpchelper_client_new(dialer, log, &client, err);

    if (rc < 0)
        return rc;
    req.name = (char *)name;
    rc = zrpc_channel_call(zrpc_grpchelper_client_channel(client), &methods[0], &req.base, &res, NULL, NULL,
                           err);
    if (rc == 0) {
        *answer = strdup(((Zrpc__Greeter__GreetResponse *)res)->msg);
        if (*answer == NULL)
            rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "no memory for the answer");
        protobuf_c_message_free_unpacked(res, NULL);
    }
    zrpc_grpchelper_client_free(client);
    return rc;
}
