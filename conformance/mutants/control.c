#include "conformance/mutants/control.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "conformance/control.h"

#define CALLS 64 /* whose methods are remembered */

enum { UP, DOWN };

struct zrpc_control_relay {
    struct zrpc_buf part[2];
    nghttp2_hd_inflater *inflater[2];
    bool lost[2]; /* a header block was not understood: the rest passes as it comes */
    bool preface_passed;
    pthread_mutex_t lock; /* of what follows */
    struct {
        uint32_t stream;
        const ProtobufCMethodDescriptor *method;
    } calls[CALLS];
    unsigned next_call;
};

struct zrpc_control_relay *zrpc_control_relay_new(void)
{
    struct zrpc_control_relay *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    if (nghttp2_hd_inflate_new(&c->inflater[UP]) != 0 || nghttp2_hd_inflate_new(&c->inflater[DOWN]) != 0) {
        if (c->inflater[UP] != NULL)
            nghttp2_hd_inflate_del(c->inflater[UP]);
        free(c);
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void zrpc_control_relay_free(struct zrpc_control_relay *c)
{
    if (c == NULL)
        return;
    for (int i = UP; i <= DOWN; i++) {
        nghttp2_hd_inflate_del(c->inflater[i]);
        zrpc_buf_dispose(&c->part[i]);
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void relay_frame(struct zrpc_relay *r, bool up, zrpc_control_frame f, struct zrpc_view payload)
{
    struct zrpc_buf frame = {0};

    zrpc_h2_put(&frame, f.type, f.flags, f.stream, payload);
    if (up)
        zrpc_relay_up(r, zrpc_buf_view(&frame));
    else
        zrpc_relay_down(r, zrpc_buf_view(&frame));
    zrpc_buf_dispose(&frame);
}

void zrpc_control_up(struct zrpc_relay *r, uint8_t type, uint8_t flags, uint32_t stream,
                     struct zrpc_view payload)
{
    relay_frame(r, true, (zrpc_control_frame){.type = type, .flags = flags, .stream = stream}, payload);
}

void zrpc_control_down(struct zrpc_relay *r, uint8_t type, uint8_t flags, uint32_t stream,
                       struct zrpc_view payload)
{
    relay_frame(r, false, (zrpc_control_frame){.type = type, .flags = flags, .stream = stream}, payload);
}

void zrpc_control_end(struct zrpc_relay *r, uint32_t code)
{
    uint8_t payload[8] = {0};

    zrpc_put_u32(payload + 4, code);
    zrpc_control_down(r, NGHTTP2_GOAWAY, 0, 0, zrpc_view(payload, sizeof payload));
    zrpc_relay_cut(r, false);
}

/*
 * Header lists
 */
char *zrpc_control_value(struct zrpc_control_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->at[i].name, name) == 0)
            return list->at[i].value;
    return NULL;
}

void zrpc_control_remove(struct zrpc_control_list *list, const char *name)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->at[i].name, name) != 0)
            list->at[kept++] = list->at[i];
    list->n = kept;
}

static void add(struct zrpc_control_list *list, const nghttp2_nv *nv)
{
    if (list->n == ZRPC_CONTROL_LIST_MAX)
        return;
    snprintf(list->at[list->n].name, sizeof list->at[0].name, "%.*s", (int)nv->namelen,
             (const char *)nv->name);
    snprintf(list->at[list->n].value, sizeof list->at[0].value, "%.*s", (int)nv->valuelen,
             (const char *)nv->value);
    list->n++;
}

static bool inflate(nghttp2_hd_inflater *inflater, struct zrpc_view in, struct zrpc_control_list *list)
{
    nghttp2_nv nv;
    ssize_t n;
    int flags;

    for (;;) {
        flags = 0;
        n = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, in.data, in.len, 1);
        if (n < 0)
            return false;
        zrpc_view_take(&in, (size_t)n);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
            add(list, &nv);
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
            return nghttp2_hd_inflate_end_headers(inflater) == 0;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && in.len == 0)
            return false;
    }
}

static void relay_list(struct zrpc_relay *r, bool up, zrpc_control_frame frame,
                       const struct zrpc_control_list *list)
{
    struct zrpc_h2_nv nva[ZRPC_CONTROL_LIST_MAX + 1] = {0};
    struct zrpc_buf block = {0};

    for (size_t i = 0; i < list->n; i++)
        nva[i] = (struct zrpc_h2_nv){list->at[i].name, list->at[i].value};
    zrpc_h2_put_literals(nva, &block);
    frame.flags &= NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM;
    relay_frame(r, up, frame, zrpc_buf_view(&block));
    zrpc_buf_dispose(&block);
}

static void note_call(struct zrpc_control_relay *c, uint32_t stream, struct zrpc_control_list *list)
{
    const char *path = zrpc_control_value(list, ":path");

    pthread_mutex_lock(&c->lock);
    c->calls[c->next_call % CALLS].stream = stream;
    c->calls[c->next_call++ % CALLS].method = path == NULL ? NULL : zrpc_h2_method_of(zrpc_view_of(path));
    pthread_mutex_unlock(&c->lock);
}

static const ProtobufCMethodDescriptor *method_of(struct zrpc_control_relay *c, uint32_t stream)
{
    const ProtobufCMethodDescriptor *method = NULL;

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < CALLS; i++)
        if (c->calls[i].stream == stream)
            method = c->calls[i].method;
    pthread_mutex_unlock(&c->lock);
    return method;
}

/* True: the header block was dealt with. */
static bool take_headers(struct zrpc_relay *r, bool up, zrpc_control_frame frame, struct zrpc_view payload)
{
    const struct zrpc_control_hooks *hooks = r->mutant->control;
    bool (*hook)(struct zrpc_relay *, uint32_t, struct zrpc_control_list *) =
        up ? hooks->request : hooks->answer;
    struct zrpc_control_relay *c = r->control;
    struct zrpc_control_list *list = calloc(1, sizeof *list);
    bool dealt = false;

    if (list == NULL || c->lost[up ? UP : DOWN] || (frame.flags & NGHTTP2_FLAG_END_HEADERS) == 0 ||
        !zrpc_h2_content(frame, &payload) || !inflate(c->inflater[up ? UP : DOWN], payload, list)) {
        c->lost[up ? UP : DOWN] = true;
        free(list);
        return false;
    }
    if (up)
        note_call(c, frame.stream, list);
    if (hook != NULL) {
        dealt = true;
        if (hook(r, frame.stream, list))
            relay_list(r, up, frame, list);
    }
    free(list);
    return dealt;
}

/* True: the answer's message was dealt with. */
static bool take_reply(struct zrpc_relay *r, zrpc_control_frame frame, struct zrpc_view payload)
{
    const ProtobufCMethodDescriptor *method = method_of(r->control, frame.stream);
    ProtobufCMessage *reply;
    struct zrpc_buf data = {0};
    uint8_t *packed;
    size_t len;

    if (method == NULL || payload.len < ZRPC_CONTROL_PREFIX_LEN ||
        zrpc_get_u32(payload.data + 1) != payload.len - ZRPC_CONTROL_PREFIX_LEN)
        return false;
    zrpc_view_take(&payload, ZRPC_CONTROL_PREFIX_LEN);
    reply = protobuf_c_message_unpack(method->output, NULL, payload.len, payload.data);
    if (reply == NULL)
        return false;
    r->mutant->control->reply(r, reply);
    len = protobuf_c_message_get_packed_size(reply);
    packed = malloc(len + 1);
    if (packed != NULL) {
        protobuf_c_message_pack(reply, packed);
        zrpc_control_put_message(&data, zrpc_view(packed, len));
        relay_frame(r, false, frame, zrpc_buf_view(&data));
    }
    free(packed);
    zrpc_buf_dispose(&data);
    protobuf_c_message_free_unpacked(reply, NULL);
    return true;
}

static void take_frame(struct zrpc_relay *r, bool up, struct zrpc_view bytes)
{
    const struct zrpc_control_hooks *hooks = r->mutant->control;
    bool (*hook)(struct zrpc_relay *, zrpc_control_frame, struct zrpc_view) = up ? hooks->up : hooks->down;
    struct zrpc_view payload = bytes;
    zrpc_control_frame frame = zrpc_h2_frame_decode(zrpc_view_take(&payload, ZRPC_H2_HEADER_LEN).data);

    if (hook != NULL && hook(r, frame, payload))
        return;
    if (frame.type == NGHTTP2_HEADERS && take_headers(r, up, frame, payload))
        return;
    if (frame.type == NGHTTP2_DATA && !up && hooks->reply != NULL && take_reply(r, frame, payload))
        return;
    if (up)
        zrpc_relay_up(r, bytes);
    else
        zrpc_relay_down(r, bytes);
}

void zrpc_control_relay_take(struct zrpc_relay *r, bool up, struct zrpc_view bytes)
{
    struct zrpc_control_relay *c = r->control;
    struct zrpc_buf *part = &c->part[up ? UP : DOWN];
    const size_t preface = sizeof ZRPC_H2_PREFACE - 1;
    size_t len;

    (void)zrpc_buf_append(part, bytes, NULL);
    if (up && !c->preface_passed) {
        if (part->len < preface)
            return;
        c->preface_passed = true;
        zrpc_relay_up(r, zrpc_view(zrpc_buf_view(part).data, preface));
        zrpc_buf_consume(part, preface);
    }
    while (part->len >= ZRPC_H2_HEADER_LEN && !zrpc_relay_is_over(r)) {
        len = ZRPC_H2_HEADER_LEN + zrpc_h2_frame_decode(zrpc_buf_view(part).data).length;
        if (part->len < len)
            return;
        take_frame(r, up, zrpc_view(zrpc_buf_view(part).data, len));
        zrpc_buf_consume(part, len);
    }
}
