#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "conformance/mutants/mutant.h"

static int complain(const char *text)
{
    fprintf(stderr, "zrpc-mutant: %s\n", text);
    return 2;
}

int zrpc_mutant_serve(const char *name, const struct zrpc_timing *timing)
{
    const struct zrpc_mutant *mutant = zrpc_mutant_find(name);
    struct zrpc_mutant_server *server = NULL;
    struct zrpc_reference *reference = NULL;
    struct zrpc_error err;
    sigset_t signals;
    int signo, rc;

    if (mutant == NULL && strcmp(name, "transparent") != 0)
        return complain("there is no such mutant");
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    rc = zrpc_reference_start(timing, &reference, &err);
    if (rc == 0)
        rc = zrpc_mutant_start(mutant, timing, zrpc_reference_endpoint(reference), &server, &err);
    if (rc == 0) {
        printf("listening on %s\n", zrpc_mutant_endpoint(server));
        fflush(stdout);
        sigwait(&signals, &signo);
    }
    zrpc_mutant_stop(server);
    zrpc_reference_stop(reference);
    return rc < 0 ? complain(err.text) : 0;
}
