#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conformance/mutants/control.h"
#include "conformance/mutants/relay_internal.h"

static const struct zrpc_mutant transparent = {.name = "transparent"};

/*
 * The two threads of a relay
 */
static void pump_end(struct zrpc_relay_state *s, struct zrpc_relay_flow *f)
{
    const struct zrpc_mutant *m = s->relay.mutant;

    if (f == &s->up && m->end != NULL)
        m->end(&s->relay);
    else if (f == &s->down && m->server_end != NULL)
        m->server_end(&s->relay);
    else if (f == &s->up)
        zrpc_relay_end_up(&s->relay);
    else
        zrpc_relay_end_down(&s->relay);
}

static void pump_reset(struct zrpc_relay_state *s)
{
    zrpc_relay_close_by_reset(s->client);
    zrpc_relay_close_by_reset(s->upstream);
    s->cut = true;
    shutdown(s->upstream, SHUT_RDWR);
    shutdown(s->client, SHUT_RDWR);
}

static void pump(struct zrpc_relay_state *s, struct zrpc_relay_flow *f, int fd)
{
    const struct zrpc_mutant *m = s->relay.mutant;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    uint8_t bytes[32 << 10];
    ssize_t n;

    while (!s->cut && !s->relay.server->stopping) {
        if (f == &s->up && m->tick != NULL)
            m->tick(&s->relay, zrpc_now() - s->last_up);
        if (f == &s->up && s->is_control && m->control->idle_limit > 0 &&
            zrpc_now() - s->last_up > m->control->idle_limit)
            zrpc_relay_cut(&s->relay, false);
        if (poll(&pfd, 1, (int)(ZRPC_RELAY_TICK / ZRPC_MILLISECOND)) == 0)
            continue;
        n = recv(fd, bytes, sizeof bytes, 0);
        if (n < 0) {
            pump_reset(s);
            return;
        }
        if (n == 0) {
            pump_end(s, f);
            return;
        }
        if (f == &s->up)
            s->last_up = zrpc_now();
        zrpc_relay_take(s, f, zrpc_view(bytes, (size_t)n));
    }
}

static void *down_main(void *arg)
{
    struct zrpc_relay_state *s = arg;

    pump(s, &s->down, s->upstream);
    return NULL;
}

static int connect_upstream(struct zrpc_relay_state *s)
{
    const struct sockaddr_in *address = &s->relay.server->reference;
    int one = 1;

    s->upstream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->upstream < 0 || connect(s->upstream, (const struct sockaddr *)address, sizeof *address) < 0)
        return ZRPC_ERR_DIAL;
    setsockopt(s->upstream, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(s->client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return 0;
}

static void *relay_main(void *arg)
{
    struct zrpc_relay_state *s = arg;
    bool down = false;

    if (s->relay.mutant->accepted != NULL)
        s->relay.mutant->accepted(&s->relay);
    if (connect_upstream(s) == 0)
        down = pthread_create(&s->down_thread, NULL, down_main, s) == 0;
    if (down) {
        pump(s, &s->up, s->client);
        pthread_join(s->down_thread, NULL);
    }
    zrpc_relay_give_turn(&s->relay);
    pthread_mutex_lock(&s->relay.server->lock);
    close(s->client);
    if (s->upstream >= 0)
        close(s->upstream);
    s->client = s->upstream = -1;
    s->ended = true;
    pthread_mutex_unlock(&s->relay.server->lock);
    return NULL;
}

/*
 * The server
 */
static struct zrpc_relay_state *new_relay(struct zrpc_mutant_server *server, int client)
{
    struct zrpc_relay_state *s = calloc(1, sizeof *s);

    if (s == NULL)
        return NULL;
    *s = (struct zrpc_relay_state){.client = client, .upstream = -1, .last_up = zrpc_now()};
    s->relay = (struct zrpc_relay){.server = server,
                                   .mutant = server->mutant,
                                   .timing = server->timing,
                                   .number = server->count++,
                                   .began = zrpc_now(),
                                   .state = s};
    pthread_mutex_init(&s->up_lock, NULL);
    pthread_mutex_init(&s->down_lock, NULL);
    if (server->mutant->control != NULL)
        s->relay.control = zrpc_control_relay_new();
    zrpc_relay_begin_part(s, &s->up, BANNER);
    zrpc_relay_begin_part(s, &s->down, BANNER);
    return s;
}

static void free_relay(struct zrpc_relay_state *s)
{
    pthread_mutex_destroy(&s->up_lock);
    pthread_mutex_destroy(&s->down_lock);
    zrpc_buf_dispose(&s->up.part);
    zrpc_buf_dispose(&s->down.part);
    zrpc_buf_dispose(&s->relay.held);
    zrpc_control_relay_free(s->relay.control);
    free(s);
}

static void cut_all(struct zrpc_mutant_server *server)
{
    pthread_mutex_lock(&server->lock);
    for (struct zrpc_relay_state *s = server->relays; s != NULL; s = s->next) {
        s->cut = true;
        shutdown(s->client, SHUT_RDWR);
        shutdown(s->upstream, SHUT_RDWR);
    }
    pthread_mutex_unlock(&server->lock);
}

/* Joins relays that have ended, or all of them. */
static void reap(struct zrpc_mutant_server *server, bool all)
{
    struct zrpc_relay_state **at = &server->relays, *s;
    bool ended;

    while ((s = *at) != NULL) {
        pthread_mutex_lock(&server->lock);
        ended = s->ended;
        pthread_mutex_unlock(&server->lock);
        if (!all && !ended) {
            at = &s->next;
            continue;
        }
        pthread_join(s->thread, NULL);
        *at = s->next;
        free_relay(s);
    }
}

static void *accept_main(void *arg)
{
    struct zrpc_mutant_server *server = arg;
    struct zrpc_relay_state *s;
    int client;

    while ((client = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        reap(server, false);
        s = new_relay(server, client);
        if (s == NULL || pthread_create(&s->thread, NULL, relay_main, s) != 0) {
            close(client);
            if (s != NULL)
                free_relay(s);
            continue;
        }
        s->next = server->relays;
        server->relays = s;
    }
    return NULL;
}

static int listen_somewhere(struct zrpc_mutant_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, len) < 0 ||
        listen(server->listener, 1024) < 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &len) < 0)
        return ZRPC_ERR_LISTEN;
    snprintf(server->endpoint, sizeof server->endpoint, "tcp:127.0.0.1:%u", ntohs(address.sin_port));
    return 0;
}

int zrpc_mutant_start(const struct zrpc_mutant *mutant, const struct zrpc_timing *timing,
                      const char *reference, struct zrpc_mutant_server **out, struct zrpc_error *err)
{
    struct zrpc_mutant_server *server = calloc(1, sizeof *server);
    unsigned port;

    if (server == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "a mutant");
    server->mutant = mutant == NULL ? &transparent : mutant;
    server->timing = timing;
    server->listener = -1;
    pthread_mutex_init(&server->lock, NULL);
    pthread_mutex_init(&server->turn, NULL);
    if (sscanf(reference, "tcp:127.0.0.1:%u", &port) != 1) {
        zrpc_mutant_stop(server);
        return zrpc_fail(err, ZRPC_ERR_USAGE, "\"%s\", expected tcp:127.0.0.1:PORT", reference);
    }
    server->reference = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (listen_somewhere(server) < 0 || pthread_create(&server->thread, NULL, accept_main, server) != 0) {
        zrpc_mutant_stop(server);
        return zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "a mutant's listener");
    }
    *out = server;
    return 0;
}

const char *zrpc_mutant_endpoint(const struct zrpc_mutant_server *s)
{
    return s->endpoint;
}

void zrpc_mutant_stop(struct zrpc_mutant_server *s)
{
    if (s == NULL)
        return;
    s->stopping = true;
    if (s->listener >= 0) {
        shutdown(s->listener, SHUT_RDWR);
        if (s->thread != 0)
            pthread_join(s->thread, NULL);
        close(s->listener);
    }
    cut_all(s);
    reap(s, true);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->turn);
    free(s);
}
