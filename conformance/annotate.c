#include "conformance/annotate.h"

#include <ctype.h>
#include <stdio.h>

#include "conformance/pbtext.h"
#include "zrepl_v1.pb-c.h"
#include "zrpc/transportmux.h"
#include "zrpc/versionhandshake.h"

#define UNIT_KEPT     200         /* bytes of a unit */
#define H2_KEPT       (17u << 10) /* bytes of an HTTP/2 frame: header blocks are read whole */
#define MESSAGE_KEPT  4096        /* bytes of a message */
#define PREVIEW       72          /* bytes shown of a payload */
#define BANNER_PREFIX 11
#define STREAM_TYPE   5

struct endpoint_messages {
    const char *endpoint;
    const ProtobufCMessageDescriptor *request, *response;
};

static const struct endpoint_messages endpoints[] = {
    {"/v1/ping", &zrpc__pb__ping_req__descriptor, &zrpc__pb__ping_res__descriptor},
    {"/v1/send", &zrpc__pb__send_req__descriptor, &zrpc__pb__send_res__descriptor},
    {"/v1/recv", &zrpc__pb__receive_req__descriptor, &zrpc__pb__receive_res__descriptor},
};

static const struct {
    uint32_t type;
    const char *name;
} types[] = {
    {ZRPC_FRAME_RST, "RST"},
    {ZRPC_FRAME_HEARTBEAT, "heartbeat"},
    {ZRPC_FRAME_STREAM_TRAILER, "error trailer"},
    {ZRPC_FRAME_STREAM_END, "end of stream"},
    {1, "request header (1)"},
    {2, "request (2)"},
    {3, "response header (3)"},
    {4, "response (4)"},
    {5, "zfs stream (5)"},
};

const char *zrpc_annotate_type(uint32_t type, char out[static ZRPC_ANNOTATE_TYPE_MAX])
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].type == type) {
            snprintf(out, ZRPC_ANNOTATE_TYPE_MAX, "%s", types[i].name);
            return out;
        }
    }
    snprintf(out, ZRPC_ANNOTATE_TYPE_MAX, "unknown type %08x", type);
    return out;
}

static void begin_unit(struct zrpc_annotator *a, uint64_t want)
{
    zrpc_buf_clear(&a->unit);
    a->seen = a->reported = a->pieces = 0;
    a->want = want;
}

static void enter(struct zrpc_annotator *a, enum zrpc_annotate_phase phase)
{
    static const uint64_t first_want[] = {
        [ZRPC_ANNOTATE_BANNER] = BANNER_PREFIX,         [ZRPC_ANNOTATE_LABEL] = ZRPC_LABEL_LEN,
        [ZRPC_ANNOTATE_FRAMES] = ZRPC_FRAME_HEADER_LEN, [ZRPC_ANNOTATE_PREFACE] = sizeof ZRPC_H2_PREFACE - 1,
        [ZRPC_ANNOTATE_H2] = ZRPC_H2_HEADER_LEN,        [ZRPC_ANNOTATE_RAW] = UINT64_MAX,
    };

    a->phase = phase;
    begin_unit(a, first_want[phase]);
}

void zrpc_annotator_init(struct zrpc_annotator *a, struct zrpc_trace *trace,
                         struct zrpc_annotate_shared *shared, unsigned conn, enum zrpc_trace_kind kind,
                         bool active)
{
    *a = (struct zrpc_annotator){
        .trace = trace, .shared = shared, .conn = conn, .kind = kind, .active = active};
    enter(a, ZRPC_ANNOTATE_BANNER);
}

void zrpc_annotator_dispose(struct zrpc_annotator *a)
{
    zrpc_buf_dispose(&a->unit);
    zrpc_buf_dispose(&a->message);
    zrpc_annotate_h2_dispose(&a->h2);
}

static void emit(struct zrpc_annotator *a, zrpc_time now, const char *text, const char *detail,
                 uint64_t bytes, uint32_t fold)
{
    struct zrpc_trace_event ev = {.kind = a->kind,
                                  .conn = a->conn,
                                  .bytes = bytes,
                                  .fold = fold,
                                  .text = text,
                                  .detail = detail == NULL || *detail == '\0' ? NULL : detail};

    zrpc_trace_add(a->trace, now, &ev);
}

/* What a banner or a label looks like. */
static void emit_bytes(struct zrpc_annotator *a, zrpc_time now, const char *name, struct zrpc_view shown,
                       uint64_t total)
{
    struct zrpc_buf text = {0}, detail = {0};

    zrpc_text_add(&text, "%s", name);
    if (a->reported > 0)
        zrpc_text_add(&text, " (complete now)");
    else if (a->pieces > 1)
        zrpc_text_add(&text, " in %u pieces", a->pieces);
    zrpc_text_add_bytes(&detail, shown, total, PREVIEW);
    emit(a, now, zrpc_text_str(&text), zrpc_text_str(&detail), a->seen, 0);
    zrpc_buf_dispose(&text);
    zrpc_buf_dispose(&detail);
}

/* The declared length behind the prefix, or -1 where it is none that the rest could be read by. */
static long banner_length(struct zrpc_view prefix)
{
    long length = 0;

    for (size_t i = 0; i < BANNER_PREFIX - 1; i++) {
        if (!isdigit(prefix.data[i]) || length > ZRPC_BANNER_BODY_MAX)
            return -1;
        length = length * 10 + (prefix.data[i] - '0');
    }
    return prefix.data[BANNER_PREFIX - 1] == ' ' && length <= ZRPC_BANNER_BODY_MAX ? length : -1;
}

static void banner_complete(struct zrpc_annotator *a, zrpc_time now)
{
    long length;

    if (a->want == BANNER_PREFIX) {
        length = banner_length(zrpc_buf_view(&a->unit));
        if (length > 0) {
            a->want += (uint64_t)length;
            return;
        }
        a->phase = ZRPC_ANNOTATE_RAW; /* keeps what was seen: it is shown with what follows */
        a->want = UINT64_MAX;
        return;
    }
    emit_bytes(a, now, "banner", zrpc_buf_view(&a->unit), a->seen);
    enter(a, a->active ? ZRPC_ANNOTATE_LABEL : ZRPC_ANNOTATE_FRAMES);
}

static void label_complete(struct zrpc_annotator *a, zrpc_time now)
{
    struct zrpc_view unit = zrpc_buf_view(&a->unit), shown = unit;

    while (shown.len > 0 && shown.data[shown.len - 1] == 0)
        shown.len--;
    emit_bytes(a, now, "label", shown, shown.len);
    a->shared->control = zrpc_view_equal(shown, zrpc_view_of(ZRPC_LABEL_CONTROL));
    a->shared->raw = !a->shared->control && !zrpc_view_equal(shown, zrpc_view_of(ZRPC_LABEL_DATA));
    enter(a, a->shared->raw       ? ZRPC_ANNOTATE_RAW
             : a->shared->control ? ZRPC_ANNOTATE_PREFACE
                                  : ZRPC_ANNOTATE_FRAMES);
}

static const struct endpoint_messages *endpoint_of(const struct zrpc_annotator *a)
{
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++)
        if (strcmp(endpoints[i].endpoint, a->shared->endpoint) == 0)
            return &endpoints[i];
    return NULL;
}

/* The end frame of a message: what the message says. */
static void explain_message(struct zrpc_annotator *a, struct zrpc_buf *detail)
{
    const struct endpoint_messages *endpoint = endpoint_of(a);
    struct zrpc_view content = zrpc_buf_view(&a->message);

    if (a->message_type == 1)
        snprintf(a->shared->endpoint, sizeof a->shared->endpoint, "%.*s", (int)content.len,
                 (const char *)content.data);
    else if (a->message_type == 2 && endpoint != NULL && content.len < MESSAGE_KEPT)
        zrpc_pbtext_add_encoded(detail, endpoint->request, content);
    else if (a->message_type == 4 && endpoint != NULL && content.len < MESSAGE_KEPT)
        zrpc_pbtext_add_encoded(detail, endpoint->response, content);
    else if (a->message_frames > 1 && a->message_type != STREAM_TYPE)
        zrpc_text_add_bytes(detail, content, content.len, PREVIEW);
    a->message_type = 0;
    zrpc_buf_clear(&a->message);
}

static void collect_message(struct zrpc_annotator *a, uint32_t type, struct zrpc_view payload)
{
    size_t room;

    if (a->message_type != type) {
        a->message_type = type;
        a->message_frames = 0;
        zrpc_buf_clear(&a->message);
    }
    a->message_frames++;
    room = MESSAGE_KEPT - a->message.len;
    (void)zrpc_buf_append(&a->message, zrpc_view(payload.data, payload.len < room ? payload.len : room),
                          NULL);
}

static void frame_complete(struct zrpc_annotator *a, zrpc_time now)
{
    struct zrpc_view payload = zrpc_buf_view(&a->unit);
    char name[ZRPC_ANNOTATE_TYPE_MAX];
    struct zrpc_buf detail = {0};
    struct zrpc_frame frame;

    frame = zrpc_frame_decode(zrpc_view_take(&payload, ZRPC_FRAME_HEADER_LEN).data);
    if (a->want == ZRPC_FRAME_HEADER_LEN && frame.length > 0) {
        a->want += frame.length;
        return;
    }
    zrpc_annotate_type(frame.type, name);
    if (frame.length > 0)
        zrpc_text_add_bytes(&detail, payload, frame.length, PREVIEW);
    if (frame.type == ZRPC_FRAME_STREAM_END)
        explain_message(a, &detail);
    else if (frame.type != ZRPC_FRAME_HEARTBEAT)
        collect_message(a, frame.type, payload);
    if (a->reported > 0)
        zrpc_text_add(&detail, "%s(complete now)", detail.len > 0 ? " " : "");
    emit(a, now, name, zrpc_text_str(&detail), frame.length,
         frame.type != ZRPC_FRAME_STREAM_END && a->reported == 0 ? frame.type : 0);
    zrpc_buf_dispose(&detail);
    enter(a, ZRPC_ANNOTATE_FRAMES);
}

static void preface_complete(struct zrpc_annotator *a, zrpc_time now)
{
    struct zrpc_view unit = zrpc_buf_view(&a->unit);

    if (!zrpc_view_equal(unit, zrpc_view_of(ZRPC_H2_PREFACE))) {
        a->phase = ZRPC_ANNOTATE_RAW; /* as after a banner that is none */
        a->want = UINT64_MAX;
        return;
    }
    emit_bytes(a, now, "preface", unit, unit.len);
    enter(a, ZRPC_ANNOTATE_H2);
}

static void h2_complete(struct zrpc_annotator *a, zrpc_time now)
{
    struct zrpc_view payload = zrpc_buf_view(&a->unit);
    struct zrpc_buf text = {0}, detail = {0};
    struct zrpc_h2_header_of_frame frame;
    uint32_t fold;

    frame = zrpc_h2_frame_decode(zrpc_view_take(&payload, ZRPC_H2_HEADER_LEN).data);
    if (a->want == ZRPC_H2_HEADER_LEN && frame.length > 0) {
        a->want += frame.length;
        return;
    }
    zrpc_annotate_h2_frame(&a->h2, &a->shared->h2, a->active, frame, payload, &text, &detail, &fold);
    if (a->reported > 0)
        zrpc_text_add(&detail, "%s(complete now)", detail.len > 0 ? " " : "");
    emit(a, now, zrpc_text_str(&text), zrpc_text_str(&detail), frame.length, a->reported == 0 ? fold : 0);
    zrpc_buf_dispose(&text);
    zrpc_buf_dispose(&detail);
    enter(a, ZRPC_ANNOTATE_H2);
}

static void unit_complete(struct zrpc_annotator *a, zrpc_time now)
{
    static void (*const complete[])(struct zrpc_annotator *, zrpc_time) = {
        [ZRPC_ANNOTATE_BANNER] = banner_complete, [ZRPC_ANNOTATE_LABEL] = label_complete,
        [ZRPC_ANNOTATE_FRAMES] = frame_complete,  [ZRPC_ANNOTATE_PREFACE] = preface_complete,
        [ZRPC_ANNOTATE_H2] = h2_complete,
    };

    complete[a->phase](a, now);
}

void zrpc_annotate(struct zrpc_annotator *a, zrpc_time now, struct zrpc_view bytes)
{
    struct zrpc_view part;
    bool counted = false;
    size_t kept, room;

    if (a->phase == ZRPC_ANNOTATE_FRAMES && a->shared->raw)
        enter(a, ZRPC_ANNOTATE_RAW);
    else if (a->phase == ZRPC_ANNOTATE_FRAMES && a->shared->control)
        enter(a, ZRPC_ANNOTATE_H2);
    while (bytes.len > 0) {
        part =
            zrpc_view_take(&bytes, bytes.len < a->want - a->seen ? bytes.len : (size_t)(a->want - a->seen));
        kept = a->phase == ZRPC_ANNOTATE_H2 ? H2_KEPT : UNIT_KEPT;
        room = kept > a->unit.len ? kept - a->unit.len : 0;
        (void)zrpc_buf_append(&a->unit, zrpc_view(part.data, part.len < room ? part.len : room), NULL);
        a->pieces += !counted || a->seen == 0;
        counted = true;
        a->seen += part.len;
        if (a->seen == a->want)
            unit_complete(a, now);
    }
}

static void flush_frame(struct zrpc_annotator *a, struct zrpc_buf *text)
{
    char name[ZRPC_ANNOTATE_TYPE_MAX];
    struct zrpc_frame frame;

    if (a->seen < ZRPC_FRAME_HEADER_LEN) {
        zrpc_text_add(text, "part of a frame header");
        return;
    }
    frame = zrpc_frame_decode(zrpc_buf_view(&a->unit).data);
    zrpc_text_add(text, "%s of %u bytes, %llu of them so far", zrpc_annotate_type(frame.type, name),
                  frame.length, (unsigned long long)(a->seen - ZRPC_FRAME_HEADER_LEN));
}

static void flush_h2(struct zrpc_annotator *a, struct zrpc_buf *text)
{
    struct zrpc_h2_header_of_frame frame;

    if (a->seen < ZRPC_H2_HEADER_LEN) {
        zrpc_text_add(text, "part of a frame header");
        return;
    }
    frame = zrpc_h2_frame_decode(zrpc_buf_view(&a->unit).data);
    zrpc_h2_add_frame(text, frame);
    zrpc_text_add(text, " of %u bytes, %llu of them so far", frame.length,
                  (unsigned long long)(a->seen - ZRPC_H2_HEADER_LEN));
}

static const char *part_name(enum zrpc_annotate_phase phase)
{
    return phase == ZRPC_ANNOTATE_BANNER ? "banner" : phase == ZRPC_ANNOTATE_LABEL ? "label" : "preface";
}

void zrpc_annotate_flush(struct zrpc_annotator *a, zrpc_time now)
{
    struct zrpc_buf text = {0}, detail = {0};

    if (a->seen == a->reported)
        return;
    if (a->phase == ZRPC_ANNOTATE_FRAMES)
        flush_frame(a, &text);
    else if (a->phase == ZRPC_ANNOTATE_H2)
        flush_h2(a, &text);
    else if (a->phase == ZRPC_ANNOTATE_RAW)
        zrpc_text_add(&text, "bytes");
    else
        zrpc_text_add(&text, "part of the %s", part_name(a->phase));
    if (a->pieces > 1)
        zrpc_text_add(&text, " in %u pieces", a->pieces);
    if (a->reported == 0)
        zrpc_text_add_bytes(&detail, zrpc_buf_view(&a->unit), a->seen, PREVIEW);
    emit(a, now, zrpc_text_str(&text), zrpc_text_str(&detail), a->seen - a->reported, 0);
    a->reported = a->seen;
    if (a->phase == ZRPC_ANNOTATE_RAW)
        enter(a, ZRPC_ANNOTATE_RAW);
    zrpc_buf_dispose(&text);
    zrpc_buf_dispose(&detail);
}
