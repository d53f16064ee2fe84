#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conformance/mutants/mutant.h"
#include "zrpc/versionhandshake.h"

enum phase { BANNER, LABEL, FRAMES, RAW };

/* One direction: the part under way, and how much of it is known to be wanted. */
struct flow {
    enum phase phase;
    struct zrpc_buf part; /* collected, where a hook wants it whole */
    uint64_t seen, want;
    bool hooked; /* the part is collected, not passed */
};

struct zrpc_relay_state {
    struct zrpc_relay relay;
    struct zrpc_relay_state *next;
    int client, upstream;
    pthread_t thread, down_thread;
    pthread_mutex_t up_lock, down_lock; /* of writing */
    struct flow up, down;
    zrpc_time last_up;
    atomic_bool cut;
    bool ended;
};

struct zrpc_mutant_server {
    const struct zrpc_mutant *mutant;
    const struct zrpc_timing *timing;
    struct sockaddr_in reference;
    char endpoint[64];
    int listener;
    pthread_t thread;
    pthread_mutex_t lock, turn;
    struct zrpc_relay_state *relays;
    unsigned count;
    atomic_bool stopping;
};

static const struct zrpc_mutant transparent = {.name = "transparent"};

/*
 * What hooks use
 */
static void close_by_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* A side takes no bytes any more: it was too slow, or it is gone. The server's end becomes the client's. */
static void abandon(struct zrpc_relay_state *s, int fd, int errnum)
{
    if (fd == s->upstream && s->relay.mutant->server_end == NULL) {
        close_by_reset(s->client);
        s->cut = true;
    }
    s->cut = s->cut || errnum == EAGAIN;
    shutdown(fd, SHUT_RDWR);
}

static void write_all(struct zrpc_relay_state *s, int fd, pthread_mutex_t *lock, struct zrpc_view bytes)
{
    ssize_t n;

    pthread_mutex_lock(lock);
    while (bytes.len > 0) {
        n = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (n < 0) {
            abandon(s, fd, errno);
            break;
        }
        zrpc_view_take(&bytes, (size_t)n);
    }
    pthread_mutex_unlock(lock);
}

void zrpc_relay_up(struct zrpc_relay *r, struct zrpc_view bytes)
{
    write_all(r->state, r->state->upstream, &r->state->up_lock, bytes);
}

void zrpc_relay_down(struct zrpc_relay *r, struct zrpc_view bytes)
{
    write_all(r->state, r->state->client, &r->state->down_lock, bytes);
}

static void relay_frame(struct zrpc_relay *r, uint32_t type, struct zrpc_view payload,
                        void (*send_bytes)(struct zrpc_relay *, struct zrpc_view))
{
    struct zrpc_buf frame = {0};

    zrpc_peer_put_frame(&frame, type, payload);
    send_bytes(r, zrpc_buf_view(&frame));
    zrpc_buf_dispose(&frame);
}

void zrpc_relay_frame_up(struct zrpc_relay *r, uint32_t type, struct zrpc_view payload)
{
    relay_frame(r, type, payload, zrpc_relay_up);
}

void zrpc_relay_frame_down(struct zrpc_relay *r, uint32_t type, struct zrpc_view payload)
{
    relay_frame(r, type, payload, zrpc_relay_down);
}

void zrpc_relay_end_up(struct zrpc_relay *r)
{
    shutdown(r->state->upstream, SHUT_WR);
}

void zrpc_relay_end_down(struct zrpc_relay *r)
{
    shutdown(r->state->client, SHUT_WR);
}

void zrpc_relay_cut(struct zrpc_relay *r, bool reset)
{
    if (reset)
        close_by_reset(r->state->client);
    r->state->cut = true;
    shutdown(r->state->upstream, SHUT_RDWR);
    shutdown(r->state->client, SHUT_RDWR);
}

bool zrpc_relay_is_over(const struct zrpc_relay *r)
{
    return r->state->cut || r->server->stopping;
}

void zrpc_relay_limit_writes(struct zrpc_relay *r, zrpc_time timeout)
{
    struct timeval tv = {.tv_sec = timeout / ZRPC_SECOND, .tv_usec = timeout % ZRPC_SECOND / 1000};

    setsockopt(r->state->client, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

void zrpc_relay_take_turn(struct zrpc_relay *r)
{
    pthread_mutex_lock(&r->server->turn);
    r->holds_turn = true;
}

void zrpc_relay_give_turn(struct zrpc_relay *r)
{
    if (r->holds_turn)
        pthread_mutex_unlock(&r->server->turn);
    r->holds_turn = false;
}

/*
 * Parts
 */
static bool wants_hook(const struct zrpc_mutant *m, bool up, enum phase phase)
{
    if (!up)
        return phase == BANNER ? m->server_banner != NULL : phase == FRAMES && m->server_frame != NULL;
    return phase == BANNER  ? m->banner != NULL
           : phase == LABEL ? m->label != NULL
                            : phase == FRAMES && m->frame != NULL;
}

static void begin_part(struct zrpc_relay_state *s, struct flow *f, enum phase phase)
{
    static const uint64_t wants[] = {
        [BANNER] = 11, [LABEL] = ZRPC_LABEL_LEN, [FRAMES] = 8, [RAW] = UINT64_MAX};

    f->phase = phase;
    f->seen = 0;
    f->want = wants[phase];
    f->hooked = wants_hook(s->relay.mutant, f == &s->up, phase);
    zrpc_buf_clear(&f->part);
}

static void pass(struct zrpc_relay_state *s, const struct flow *f, struct zrpc_view bytes)
{
    if (f == &s->up)
        zrpc_relay_up(&s->relay, bytes);
    else
        zrpc_relay_down(&s->relay, bytes);
}

/* The part turns out to be none that could be collected: what there is of it passes, and the rest will. */
static void give_up_part(struct zrpc_relay_state *s, struct flow *f)
{
    if (f->hooked)
        pass(s, f, zrpc_buf_view(&f->part));
    f->hooked = false;
}

static void banner_part(struct zrpc_relay_state *s, struct flow *f)
{
    const struct zrpc_mutant *m = s->relay.mutant;
    char digits[11];

    if (f->want == 11) {
        memcpy(digits, zrpc_buf_view(&f->part).data, 10);
        digits[10] = '\0';
        f->want = 11 + strtoull(digits, NULL, 10);
        if (f->want > 11 + ZRPC_BANNER_BODY_MAX && m->banner == NULL)
            f->want = UINT64_MAX;
        if (f->want > f->seen)
            return;
    }
    if (f->hooked && f == &s->up)
        m->banner(&s->relay, &f->part);
    else if (f->hooked)
        m->server_banner(&s->relay, &f->part);
    if (f->hooked)
        pass(s, f, zrpc_buf_view(&f->part));
    begin_part(s, f, f == &s->up ? LABEL : FRAMES);
}

static void label_part(struct zrpc_relay_state *s, struct flow *f)
{
    uint8_t label[ZRPC_LABEL_LEN];

    if (f->hooked) {
        memcpy(label, zrpc_buf_view(&f->part).data, sizeof label);
        s->relay.mutant->label(&s->relay, label);
        pass(s, f, zrpc_view(label, sizeof label));
    }
    begin_part(s, f, FRAMES);
}

static void note_client_frame(struct zrpc_relay *r, struct zrpc_frame frame)
{
    if (frame.type == ZRPC_FRAME_STREAM_END) {
        r->type = 0;
        r->bytes = 0;
    } else if ((frame.type & ~0xffffu) == 0) {
        r->bytes = r->type == frame.type ? r->bytes : 0;
        r->type = frame.type;
        r->bytes += frame.length;
    }
}

static void frame_part(struct zrpc_relay_state *s, struct flow *f)
{
    struct zrpc_view part = zrpc_buf_view(&f->part);
    struct zrpc_frame frame = zrpc_frame_decode(part.data);

    if (f->want == 8) {
        f->want += frame.length;
        if (frame.length > ZRPC_RELAY_FRAME_MAX)
            give_up_part(s, f);
        if (frame.length > ZRPC_RELAY_FRAME_MAX && f == &s->up && s->relay.mutant->long_frame != NULL)
            s->relay.mutant->long_frame(&s->relay, frame);
        if (f->want > f->seen)
            return;
    }
    zrpc_view_take(&part, 8);
    if (f->hooked && f == &s->up)
        s->relay.mutant->frame(&s->relay, frame, part);
    else if (f->hooked)
        s->relay.mutant->server_frame(&s->relay, frame, part);
    if (f == &s->up)
        note_client_frame(&s->relay, frame);
    begin_part(s, f, FRAMES);
}

static void take(struct zrpc_relay_state *s, struct flow *f, struct zrpc_view bytes)
{
    static void (*const complete[])(struct zrpc_relay_state *, struct flow *) = {
        [BANNER] = banner_part, [LABEL] = label_part, [FRAMES] = frame_part};
    struct zrpc_view some;
    bool was_banner;

    while (bytes.len > 0) {
        was_banner = f->phase == BANNER;
        some =
            zrpc_view_take(&bytes, bytes.len < f->want - f->seen ? bytes.len : (size_t)(f->want - f->seen));
        f->seen += some.len;
        if (!f->hooked)
            pass(s, f, some);
        if (f->hooked || f->seen <= 11)
            (void)zrpc_buf_append(&f->part, some, NULL);
        if (f->seen == f->want)
            complete[f->phase](s, f);
        if (was_banner && f->phase != BANNER && f == &s->up && s->relay.mutant->keeps_bytes_apart)
            return;
    }
}

/*
 * The two threads of a relay
 */
static void pump_end(struct zrpc_relay_state *s, struct flow *f)
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
    close_by_reset(s->client);
    close_by_reset(s->upstream);
    s->cut = true;
    shutdown(s->upstream, SHUT_RDWR);
    shutdown(s->client, SHUT_RDWR);
}

static void pump(struct zrpc_relay_state *s, struct flow *f, int fd)
{
    const struct zrpc_mutant *m = s->relay.mutant;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    uint8_t bytes[32 << 10];
    ssize_t n;

    while (!s->cut && !s->relay.server->stopping) {
        if (f == &s->up && m->tick != NULL)
            m->tick(&s->relay, zrpc_now() - s->last_up);
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
        take(s, f, zrpc_view(bytes, (size_t)n));
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
    begin_part(s, &s->up, BANNER);
    begin_part(s, &s->down, BANNER);
    return s;
}

static void free_relay(struct zrpc_relay_state *s)
{
    pthread_mutex_destroy(&s->up_lock);
    pthread_mutex_destroy(&s->down_lock);
    zrpc_buf_dispose(&s->up.part);
    zrpc_buf_dispose(&s->down.part);
    zrpc_buf_dispose(&s->relay.held);
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
