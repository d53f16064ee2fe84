#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "conformance/mutants/control.h"
#include "conformance/mutants/relay_internal.h"
#include "zrpc/versionhandshake.h"

/*
 * What hooks use
 */
void zrpc_relay_close_by_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* A side takes no bytes any more: it was too slow, or it is gone. The server's end becomes the client's. */
static void abandon(struct zrpc_relay_state *s, int fd, int errnum)
{
    if (fd == s->upstream && s->relay.mutant->server_end == NULL) {
        zrpc_relay_close_by_reset(s->client);
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
        zrpc_relay_close_by_reset(r->state->client);
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
static bool wants_hook(const struct zrpc_mutant *m, bool up, enum zrpc_relay_phase phase)
{
    if (!up)
        return phase == BANNER ? m->server_banner != NULL : phase == FRAMES && m->server_frame != NULL;
    return phase == BANNER  ? m->banner != NULL
           : phase == LABEL ? m->label != NULL
                            : phase == FRAMES && m->frame != NULL;
}

void zrpc_relay_begin_part(struct zrpc_relay_state *s, struct zrpc_relay_flow *f, enum zrpc_relay_phase phase)
{
    static const uint64_t wants[] = {
        [BANNER] = 11, [LABEL] = ZRPC_LABEL_LEN, [FRAMES] = 8, [RAW] = UINT64_MAX, [CONTROL] = UINT64_MAX};

    f->phase = phase;
    f->seen = 0;
    f->want = wants[phase];
    f->hooked = wants_hook(s->relay.mutant, f == &s->up, phase);
    zrpc_buf_clear(&f->part);
}

static void pass(struct zrpc_relay_state *s, const struct zrpc_relay_flow *f, struct zrpc_view bytes)
{
    if (f == &s->up)
        zrpc_relay_up(&s->relay, bytes);
    else
        zrpc_relay_down(&s->relay, bytes);
}

/* The part turns out to be none that could be collected: what there is of it passes, and the rest will. */
static void give_up_part(struct zrpc_relay_state *s, struct zrpc_relay_flow *f)
{
    if (f->hooked)
        pass(s, f, zrpc_buf_view(&f->part));
    f->hooked = false;
}

static void banner_part(struct zrpc_relay_state *s, struct zrpc_relay_flow *f)
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
    zrpc_relay_begin_part(s, f, f == &s->up ? LABEL : FRAMES);
}

static void label_part(struct zrpc_relay_state *s, struct zrpc_relay_flow *f)
{
    static const char control[] = {'z', 'r', 'e', 'p', 'l', '_', 'c'};
    uint8_t label[ZRPC_LABEL_LEN];

    s->is_control = s->relay.control != NULL && f->part.len >= sizeof control &&
                    memcmp(zrpc_buf_view(&f->part).data, control, sizeof control) == 0;
    if (f->hooked) {
        memcpy(label, zrpc_buf_view(&f->part).data, sizeof label);
        s->relay.mutant->label(&s->relay, label);
        pass(s, f, zrpc_view(label, sizeof label));
    } else {
        pass(s, f, zrpc_buf_view(&f->part));
    }
    zrpc_relay_begin_part(s, f, s->is_control ? CONTROL : FRAMES);
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

static void frame_part(struct zrpc_relay_state *s, struct zrpc_relay_flow *f)
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
    zrpc_relay_begin_part(s, f, FRAMES);
}

void zrpc_relay_take(struct zrpc_relay_state *s, struct zrpc_relay_flow *f, struct zrpc_view bytes)
{
    static void (*const complete[])(struct zrpc_relay_state *, struct zrpc_relay_flow *) = {
        [BANNER] = banner_part, [LABEL] = label_part, [FRAMES] = frame_part};
    struct zrpc_view some;
    bool was_banner;

    if (f == &s->down && f->phase == FRAMES && s->is_control)
        zrpc_relay_begin_part(s, f, CONTROL);
    while (bytes.len > 0) {
        if (f->phase == CONTROL) {
            zrpc_control_relay_take(&s->relay, f == &s->up, bytes);
            return;
        }
        was_banner = f->phase == BANNER;
        some =
            zrpc_view_take(&bytes, bytes.len < f->want - f->seen ? bytes.len : (size_t)(f->want - f->seen));
        f->seen += some.len;
        /* The label goes on when it is known what it says: what the server answers has to be looked at by
         * that. */
        if (!f->hooked && f->phase != LABEL)
            pass(s, f, some);
        if (f->hooked || f->phase == LABEL || f->seen <= 11)
            (void)zrpc_buf_append(&f->part, some, NULL);
        if (f->seen == f->want)
            complete[f->phase](s, f);
        if (was_banner && f->phase != BANNER && f == &s->up && s->relay.mutant->keeps_bytes_apart)
            return;
    }
}
