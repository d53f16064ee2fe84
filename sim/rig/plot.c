#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "sim/rig/rig.h"

/* The picture's geometry, in pixels. */
enum {
    WIDTH = 1240,
    LEFT = 96,
    RIGHT = 24,
    TOP = 104,
    PANEL = 150,
    GAP = 52,
    N_PANELS = 4,
    COLUMNS = WIDTH - LEFT - RIGHT
};

/* One value for each column of pixels. */
struct curve {
    double values[COLUMNS];
};

struct picture {
    const struct zrpc_rig_report *r;
    FILE *f;
    double seconds; /* shown */
};

static double seconds(zrpc_time t)
{
    return (double)t / (double)ZRPC_SECOND;
}

static double x_of(const struct picture *p, zrpc_time t)
{
    double x = LEFT + seconds(t) / p->seconds * COLUMNS;

    return x > LEFT + COLUMNS ? LEFT + COLUMNS : x;
}

static int y_of_panel(int panel)
{
    return TOP + panel * (PANEL + GAP);
}

static size_t column_of(const struct picture *p, zrpc_time t)
{
    double c = seconds(t) / p->seconds * COLUMNS;

    return c < 0 ? 0 : c >= COLUMNS - 1 ? COLUMNS - 1 : (size_t)c;
}

/*
 * From samples to curves. A column that no sample falls into is as the one before it.
 */
typedef double gauge(const struct zrpc_rig_sample *s);

static double out_queue(const struct zrpc_rig_sample *s)
{
    return (double)s->out_queue / 1024;
}

static double in_queue(const struct zrpc_rig_sample *s)
{
    return (double)s->in_queue / 1024;
}

static double stall(const struct zrpc_rig_sample *s)
{
    return seconds(s->stall);
}

static void curve_of(const struct picture *p, int side, gauge *value, struct curve *out)
{
    bool known[COLUMNS] = {false};
    double last = 0;

    *out = (struct curve){0};
    for (size_t i = 0; i < p->r->n_samples[side]; i++) {
        const struct zrpc_rig_sample *s = &p->r->samples[side][i];
        size_t c = column_of(p, s->at);
        double v = value(s);

        out->values[c] = !known[c] || v > out->values[c] ? v : out->values[c];
        known[c] = true;
    }
    for (size_t c = 0; c < COLUMNS; c++) {
        if (!known[c])
            out->values[c] = last;
        last = out->values[c];
    }
}

/* KiB per second, over a window that smooths what arrives in bursts. */
static void rate_of(const struct picture *p, int side, bool sent, struct curve *out)
{
    const struct zrpc_rig_sample *s = p->r->samples[side];
    size_t n = p->r->n_samples[side], first = 0, last = 0;
    double window = p->seconds / 60 < 1 ? 1 : p->seconds / 60;

    *out = (struct curve){0};
    for (size_t c = 0; c < COLUMNS; c++) {
        double at = (double)c / COLUMNS * p->seconds;
        uint64_t bytes;

        while (last + 1 < n && seconds(s[last].at) < at + window / 2)
            last++;
        while (first + 1 < last && seconds(s[first + 1].at) < at - window / 2)
            first++;
        if (n == 0 || s[last].at <= s[first].at || seconds(s[n - 1].at) < at)
            continue;
        bytes = sent ? s[last].stats.bytes_sent - s[first].stats.bytes_sent
                     : s[last].stats.bytes_received - s[first].stats.bytes_received;
        out->values[c] = (double)bytes / 1024 / seconds(s[last].at - s[first].at);
    }
}

static double maximum(const struct curve *c)
{
    double max = 0;

    for (size_t i = 0; i < COLUMNS; i++)
        max = c->values[i] > max ? c->values[i] : max;
    return max;
}

/* 1, 2 or 5 times a power of ten, so that about `n` of them make `range`. */
static double nice_step(double range, int n)
{
    static const double steps[] = {1, 2, 5, 10};
    double power = 1;

    while (power * 10 * n < range)
        power *= 10;
    while (power * n > range && power > 1e-6)
        power /= 10;
    for (size_t i = 0; i < 4; i++)
        if (steps[i] * power * n >= range)
            return steps[i] * power;
    return 10 * power;
}

/*
 * Drawing
 */
static void text(const struct picture *p, double x, double y, const char *class, const char *what)
{
    fprintf(p->f, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    for (; *what != '\0'; what++)
        switch (*what) {
        case '<':
            fputs("&lt;", p->f);
            break;
        case '&':
            fputs("&amp;", p->f);
            break;
        default:
            fputc(*what, p->f);
        }
    fputs("</text>\n", p->f);
}

static void draw_time_axis(const struct picture *p, int panel)
{
    static const double steps[] = {1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400};
    double step = steps[14], y = y_of_panel(panel) + PANEL;
    char label[ZRPC_DURATION_TEXT_MAX];

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (p->seconds / steps[i] <= 13) {
            step = steps[i];
            break;
        }
    }
    for (double at = 0; at <= p->seconds * 1.0001; at += step) {
        double x = LEFT + at / p->seconds * COLUMNS;

        fprintf(p->f, "<path d=\"M%.1f %d V%.1f\" class=\"grid\"/>\n", x, y_of_panel(panel), y);
        text(p, x, y + 15, "tick middle", zrpc_duration_format((zrpc_time)at * ZRPC_SECOND, label));
    }
}

static void draw_frame(const struct picture *p, int panel, const char *title, double top)
{
    double step = nice_step(top, 4);
    int y = y_of_panel(panel);
    char label[32];

    fprintf(p->f, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"panel\"/>\n", LEFT, y, COLUMNS,
            PANEL);
    text(p, LEFT, y - 8, "title", title);
    for (double v = 0; top > 0 && v <= top * 1.0001; v += step) {
        double at = y + PANEL - v / top * PANEL;

        fprintf(p->f, "<path d=\"M%d %.1f h%d\" class=\"grid\"/>\n", LEFT, at, COLUMNS);
        snprintf(label, sizeof label, "%g", v);
        text(p, LEFT - 6, at + 4, "tick end", label);
    }
    draw_time_axis(p, panel);
}

static void draw_curve(const struct picture *p, int panel, const struct curve *c, double top,
                       const char *class, bool filled)
{
    double bottom = y_of_panel(panel) + PANEL;

    fprintf(p->f, "<path class=\"%s\" d=\"M%d %.1f", class, LEFT,
            filled ? bottom : bottom - c->values[0] / top * PANEL);
    for (size_t i = 0; i < COLUMNS; i++)
        fprintf(p->f, " L%zu %.1f", LEFT + i, bottom - c->values[i] / top * PANEL);
    if (filled)
        fprintf(p->f, " L%d %.1f Z", LEFT + COLUMNS - 1, bottom);
    fputs("\"/>\n", p->f);
}

/* Names of curves, at the right above a panel. */
static void draw_key(const struct picture *p, int panel, int nth, const char *class, const char *name)
{
    int x = LEFT + COLUMNS - 190 * (nth + 1), y = y_of_panel(panel) - 12;

    fprintf(p->f, "<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"8\" class=\"key %s\"/>\n", x, y - 4, class);
    text(p, x + 20, y + 4, "tick", name);
}

/* Rates differ by orders of magnitude: this panel's scale is logarithmic, from 1 KiB/s on. */
static void to_decades(struct curve *c)
{
    for (size_t i = 0; i < COLUMNS; i++)
        c->values[i] = c->values[i] > 1 ? log10(c->values[i]) : 0;
}

static void draw_rates(const struct picture *p)
{
    struct curve sent, handled;
    double top = 2;
    int y = y_of_panel(0);

    rate_of(p, ZRPC_RIG_CLIENT, true, &sent);
    rate_of(p, ZRPC_RIG_SERVER, false, &handled);
    to_decades(&sent);
    to_decades(&handled);
    while (top < maximum(&sent) || top < maximum(&handled))
        top++;
    draw_frame(p, 0, "rate, KiB/s", 0);
    for (double decade = 0; decade <= top; decade++) {
        double at = y + PANEL - decade / top * PANEL;
        char label[32];

        fprintf(p->f, "<path d=\"M%d %.1f h%d\" class=\"grid\"/>\n", LEFT, at, COLUMNS);
        snprintf(label, sizeof label, "%g", pow(10, decade));
        text(p, LEFT - 6, at + 4, "tick end", label);
    }
    draw_curve(p, 0, &sent, top, "client area", true);
    draw_curve(p, 0, &handled, top, "server line", false);
    draw_key(p, 0, 1, "client", "sent by the client");
    draw_key(p, 0, 0, "server", "read by the server");
}

static void draw_queues(const struct picture *p)
{
    struct curve out, in;
    double top;

    curve_of(p, ZRPC_RIG_CLIENT, out_queue, &out);
    curve_of(p, ZRPC_RIG_SERVER, in_queue, &in);
    top = maximum(&out) > maximum(&in) ? maximum(&out) : maximum(&in);
    top = top > 0 ? top * 1.05 : 1;
    draw_frame(p, 1, "queue in the kernel, KiB", top);
    draw_curve(p, 1, &out, top, "client area", true);
    draw_curve(p, 1, &in, top, "server line", false);
    draw_key(p, 1, 1, "client", "client: not acknowledged");
    draw_key(p, 1, 0, "server", "server: not read");
}

typedef uint64_t counter(const struct zrpc_rig_sample *s);

static uint64_t heartbeats_sent(const struct zrpc_rig_sample *s)
{
    return s->stats.heartbeats_sent;
}

static uint64_t heartbeats_received(const struct zrpc_rig_sample *s)
{
    return s->stats.heartbeats_received;
}

static uint64_t renewals(const struct zrpc_rig_sample *s)
{
    return s->stats.write_renewals;
}

/* A mark whenever the count has gone up. */
static void draw_marks(const struct picture *p, int side, counter *count, double y, double height,
                       const char *class)
{
    uint64_t before = 0;

    fprintf(p->f, "<path class=\"mark %s\" d=\"", class);
    for (size_t i = 0; i < p->r->n_samples[side]; i++) {
        uint64_t now = count(&p->r->samples[side][i]);

        if (now > before)
            fprintf(p->f, "M%.1f %.1f v%.1f", x_of(p, p->r->samples[side][i].at), y, height);
        before = now;
    }
    fputs("\"/>\n", p->f);
}

static void draw_heartbeats(const struct picture *p)
{
    static const struct {
        int side;
        counter *count;
        const char *name, *class;
    } rows[] = {{ZRPC_RIG_SERVER, heartbeats_sent, "server sends", "server"},
                {ZRPC_RIG_CLIENT, heartbeats_received, "client gets", "client"},
                {ZRPC_RIG_CLIENT, renewals, "renewals", "renewal"},
                {ZRPC_RIG_CLIENT, heartbeats_sent, "client sends", "client"},
                {ZRPC_RIG_SERVER, heartbeats_received, "server gets", "server"}};
    const int height = PANEL / 5;

    draw_frame(p, 2, "heartbeats, and renewals of the client's write deadline", 0);
    for (int i = 0; i < 5; i++) {
        int y = y_of_panel(2) + i * height;

        text(p, LEFT - 6, y + height * 0.5 + 4, "tick end", rows[i].name);
        draw_marks(p, rows[i].side, rows[i].count, y + 5, height - 10, rows[i].class);
    }
}

static void draw_stalls(const struct picture *p)
{
    struct curve stalls;
    double top, limit;

    curve_of(p, ZRPC_RIG_CLIENT, stall, &stalls);
    top = maximum(&stalls) > 11 ? maximum(&stalls) * 1.05 : 11;
    limit = y_of_panel(3) + PANEL - 10 / top * PANEL;
    draw_frame(p, 3, "the client's pending write: seconds without progress", top);
    draw_curve(p, 3, &stalls, top, "client area", true);
    fprintf(p->f, "<path d=\"M%d %.1f h%d\" class=\"limit\"/>\n", LEFT, limit, COLUMNS);
    text(p, LEFT + 4, limit - 4, "tick red", "10 s: the timeout, were it not renewed");
}

static void draw_events(const struct picture *p)
{
    static const char *const names[] = {[ZRPC_RIG_STALL] = "server stalls",
                                        [ZRPC_RIG_STOP] = "stopped",
                                        [ZRPC_RIG_OUTAGE] = "outage",
                                        [ZRPC_RIG_BLACKHOLE] = "black hole"};
    const int bottom = y_of_panel(N_PANELS - 1) + PANEL;

    for (size_t i = 0; i < p->r->config.n_events; i++) {
        const struct zrpc_rig_event *e = &p->r->config.events[i];
        double from = x_of(p, e->span.from);
        double until = e->span.until == ZRPC_NEVER ? LEFT + COLUMNS : x_of(p, e->span.until);
        char name[64];

        snprintf(name, sizeof name, "%s%s%s", e->kind == ZRPC_RIG_STOP ? zrpc_rig_side_name(e->side) : "",
                 e->kind == ZRPC_RIG_STOP ? " " : "", names[e->kind]);
        fprintf(p->f, "<rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" class=\"event\"/>\n", from, TOP,
                until - from < 2 ? 2 : until - from, bottom - TOP);
        text(p, from + 3, TOP + 13, "tick event-name", name);
    }
    for (int side = 0; side < 2; side++) {
        const struct zrpc_rig_outcome *o = &p->r->outcomes[side];
        char name[100];

        if (!o->ended)
            continue;
        snprintf(name, sizeof name, "%s: %s", zrpc_rig_side_name((enum zrpc_rig_side)side),
                 zrpc_code_name(o->code));
        fprintf(p->f, "<path d=\"M%.1f %d V%d\" class=\"limit\"/>\n", x_of(p, o->at), TOP, bottom);
        text(p, x_of(p, o->at) + 4, TOP + 30 + 16 * side, "tick red", name);
    }
}

static void draw_heading(const struct picture *p, const char *verdict)
{
    const struct zrpc_rig_report *r = p->r;
    char line[400], duration[ZRPC_DURATION_TEXT_MAX], sigma[ZRPC_DURATION_TEXT_MAX],
        longest[ZRPC_DURATION_TEXT_MAX];
    const struct zrpc_rig_sample none = {0}, *last;

    last = r->n_samples[1] == 0 ? &none : &r->samples[1][r->n_samples[1] - 1];
    text(p, LEFT, 30, "heading", "heartbeatconn under a variable receive rate");
    snprintf(
        line, sizeof line,
        "%s: a client that writes 1 KiB frames as fast as it can, a server that takes N(0, %s) over each",
        zrpc_duration_format(r->duration / ZRPC_SECOND * ZRPC_SECOND, duration),
        zrpc_duration_format(r->config.sigma, sigma));
    text(p, LEFT, 50, "tick", line);
    snprintf(line, sizeof line,
             "%s. The client sent %" PRIu64 " frames; its longest stall was %s, and %" PRIu64
             " heartbeats renewed its write deadline.",
             verdict, last->frames,
             zrpc_duration_format(last->longest_stall / ZRPC_MILLISECOND * ZRPC_MILLISECOND, longest),
             last->stats.write_renewals);
    text(p, LEFT, 68, "tick", line);
}

static const char style[] =
    "<style>text{font-family:sans-serif;fill:#222}.heading{font-size:19px;font-weight:bold}.title{font-size:"
    "13px;"
    "font-weight:bold}.tick{font-size:11.5px}.end{text-anchor:end}.middle{text-anchor:middle}.red{fill:#"
    "b3261e}"
    ".panel{fill:none;stroke:#888}.grid{stroke:#ddd;fill:none}.area{fill-opacity:.30;stroke-width:1}"
    ".line{fill:none !important;stroke-width:1.5}.client{stroke:#1f5fa8;fill:#1f5fa8}.server{stroke:#c46a00;"
    "fill:#c46a00}.renewal{stroke:#2e7d32;fill:#2e7d32}.mark{fill:none;stroke-width:1}.key{stroke:none}"
    ".limit{stroke:#b3261e;stroke-dasharray:5 3;fill:none}.event{fill:#f5c84c;fill-opacity:.28}"
    ".event-name{font-style:italic}</style>\n";

int zrpc_rig_plot(const struct zrpc_rig_report *r, const char *verdict, const char *path,
                  struct zrpc_error *err)
{
    struct picture p = {.r = r, .seconds = seconds(r->duration)};
    const int height = y_of_panel(N_PANELS - 1) + PANEL + 40;
    int bad;

    if (p.seconds <= 0)
        p.seconds = 1;
    p.f = fopen(path, "we");
    if (p.f == NULL)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s", path);
    fprintf(p.f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n",
            WIDTH, height, WIDTH, height);
    fputs(style, p.f);
    fprintf(p.f, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", WIDTH, height);
    draw_heading(&p, verdict);
    draw_events(&p);
    draw_rates(&p);
    draw_queues(&p);
    draw_heartbeats(&p);
    draw_stalls(&p);
    fputs("</svg>\n", p.f);
    bad = ferror(p.f);
    if (fclose(p.f) != 0 || bad)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "%s", path);
    return 0;
}
