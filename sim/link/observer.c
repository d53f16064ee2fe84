#include "sim/link/observer.h"

enum { BANNER_PREFIX = sizeof((struct zrpc_banner_reader *)NULL)->prefix };

void zrpc_link_observer_init(struct zrpc_link_observer *o, enum zrpc_link_protocol protocol,
                             enum zrpc_link_direction direction, const struct zrpc_link_observer *other)
{
    *o = (struct zrpc_link_observer){.direction = direction, .other = other};
    o->state = protocol == ZRPC_LINK_ZREPL    ? ZRPC_LINK_SEES_BANNER
               : protocol == ZRPC_LINK_FRAMES ? ZRPC_LINK_SEES_FRAMES
                                              : ZRPC_LINK_SEES_NOTHING;
    zrpc_banner_reader_init(&o->banner);
}

void zrpc_link_observer_dispose(struct zrpc_link_observer *o)
{
    zrpc_banner_reader_dispose(&o->banner);
}

static void sighted(struct zrpc_link_observer *o, enum zrpc_link_thing thing, uint64_t header,
                    uint64_t length, struct zrpc_link_sighting *out)
{
    *out = (struct zrpc_link_sighting){
        .thing = thing,
        .ordinal = ++o->counts[thing],
        .start = o->thing_start,
        .header_end = o->thing_start + header,
        .end = o->thing_start + header + length,
    };
    o->announced = true;
}

static void enter(struct zrpc_link_observer *o, int state)
{
    o->state = state;
    o->announced = false;
    o->thing_start = o->offset;
}

/* What follows the banner: in the server's direction, what the client's label says. */
static void after_banner(struct zrpc_link_observer *o)
{
    enter(o, o->direction == ZRPC_LINK_TO_SERVER ? ZRPC_LINK_SEES_LABEL : ZRPC_LINK_SEES_FRAMES);
}

/* One byte after the other as far as the prefix goes: the banner is to be sighted before its body is taken.
 */
static bool see_banner(struct zrpc_link_observer *o, struct zrpc_view *in, struct zrpc_link_sighting *out)
{
    struct zrpc_view portion = zrpc_view(in->data, !o->announced && in->len > 0 ? 1 : in->len);
    size_t before = portion.len;
    int rc = zrpc_banner_reader_feed(&o->banner, &portion, NULL);
    size_t taken = before - portion.len;

    (void)zrpc_view_take(in, taken);
    o->offset += taken;
    if (rc < 0) {
        enter(o, ZRPC_LINK_SEES_NOTHING);
        return false;
    }
    if (!o->announced && o->banner.have == BANNER_PREFIX) {
        sighted(o, ZRPC_LINK_BANNER, 0, BANNER_PREFIX + o->banner.body_len, out);
        return true;
    }
    if (rc == 1)
        after_banner(o);
    return false;
}

static bool see_label(struct zrpc_link_observer *o, struct zrpc_view *in, struct zrpc_link_sighting *out)
{
    size_t n = ZRPC_LABEL_LEN - o->label_have < in->len ? ZRPC_LABEL_LEN - o->label_have : in->len;
    enum zrpc_label label;

    if (!o->announced) {
        sighted(o, ZRPC_LINK_LABEL, 0, ZRPC_LABEL_LEN, out);
        return true;
    }
    memcpy(o->label + o->label_have, zrpc_view_take(in, n).data, n);
    o->label_have += n;
    o->offset += n;
    if (o->label_have < ZRPC_LABEL_LEN)
        return false;
    o->is_data = zrpc_label_decode(o->label, &label, NULL) == 0 && label == ZRPC_DATA;
    enter(o, o->is_data ? ZRPC_LINK_SEES_FRAMES : ZRPC_LINK_SEES_NOTHING);
    return false;
}

static enum zrpc_link_thing kind_of(uint32_t type)
{
    static const struct {
        uint32_t type;
        enum zrpc_link_thing thing;
    } kinds[] = {{ZRPC_FRAME_HEARTBEAT, ZRPC_LINK_HEARTBEAT},
                 {ZRPC_FRAME_RST, ZRPC_LINK_RST_FRAME},
                 {ZRPC_FRAME_STREAM_END, ZRPC_LINK_END_FRAME},
                 {ZRPC_FRAME_STREAM_TRAILER, ZRPC_LINK_TRAILER_FRAME}};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].type == type)
            return kinds[i].thing;
    return ZRPC_LINK_DATA_FRAME;
}

static bool see_frames(struct zrpc_link_observer *o, struct zrpc_view *in, struct zrpc_link_sighting *out)
{
    struct zrpc_frame_event ev;
    size_t before = in->len;

    zrpc_frame_reader_next(&o->frames, in, &ev);
    o->offset += before - in->len;
    if (ev.kind == ZRPC_FRAME_FINISH)
        enter(o, ZRPC_LINK_SEES_FRAMES);
    if (ev.kind != ZRPC_FRAME_BEGIN)
        return false;
    sighted(o, kind_of(ev.frame.type), ZRPC_FRAME_HEADER_LEN, ev.frame.length, out);
    out->frame = ++o->counts[ZRPC_LINK_FRAME];
    return true;
}

/* A server that sends after its banner is answering a label: one for data, or frames there are none. */
static bool label_forbids_frames(const struct zrpc_link_observer *o)
{
    return o->state == ZRPC_LINK_SEES_FRAMES && o->direction == ZRPC_LINK_TO_CLIENT &&
           o->counts[ZRPC_LINK_BANNER] > 0 && !o->other->is_data;
}

bool zrpc_link_observer_next(struct zrpc_link_observer *o, struct zrpc_view *in,
                             struct zrpc_link_sighting *out)
{
    static bool (*const see[])(struct zrpc_link_observer *, struct zrpc_view *,
                               struct zrpc_link_sighting *) = {
        [ZRPC_LINK_SEES_BANNER] = see_banner,
        [ZRPC_LINK_SEES_LABEL] = see_label,
        [ZRPC_LINK_SEES_FRAMES] = see_frames,
    };
    bool more = true;

    /* An empty frame ends without another byte, so this goes on until a step takes nothing. */
    while (more && o->state != ZRPC_LINK_SEES_NOTHING) {
        uint64_t offset = o->offset;
        int state = o->state;
        bool announced = o->announced;

        if (in->len > 0 && label_forbids_frames(o))
            enter(o, ZRPC_LINK_SEES_NOTHING);
        else if ((in->len > 0 || o->state == ZRPC_LINK_SEES_FRAMES) && see[o->state](o, in, out))
            return true;
        more = o->offset != offset || (int)o->state != state || o->announced != announced;
    }
    o->offset += in->len;
    *in = zrpc_view(NULL, 0);
    return false;
}

uint64_t zrpc_link_observer_undecided(const struct zrpc_link_observer *o)
{
    if (o->state == ZRPC_LINK_SEES_NOTHING || o->announced || o->offset == o->thing_start)
        return UINT64_MAX;
    return o->thing_start;
}
