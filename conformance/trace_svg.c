#include <stdio.h>

#include "conformance/trace.h"

/*
 * Two lifelines, one row per event, times at the edge.
 */
#define WIDTH    720
#define LEFT     120 /* lifelines */
#define RIGHT    640
#define ROW      34
#define TOP      44
#define ROWS_MAX 48 /* more than that, and the middle is left out */
#define LABEL    62 /* bytes of text on an arrow */

static size_t shown_rows(size_t kept)
{
    return kept < ROWS_MAX ? kept : ROWS_MAX;
}

/* The event of row i; with too many events, the last third of the rows shows the end. */
static size_t event_of(size_t row, size_t kept)
{
    size_t head = ROWS_MAX - ROWS_MAX / 3;

    return kept <= ROWS_MAX || row < head ? row : kept - (ROWS_MAX - row);
}

static void add_label(struct zrpc_buf *out, int x, int y, const char *class, const char *text, size_t max)
{
    struct zrpc_view all = zrpc_view_of(text), shown = zrpc_utf8_prefix(all, max);
    struct zrpc_buf cut = {0};

    zrpc_text_add(&cut, "%.*s%s", (int)shown.len, (const char *)shown.data, shown.len < all.len ? "…" : "");
    zrpc_text_add(out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
    zrpc_text_add_xml(out, zrpc_text_str(&cut));
    zrpc_text_add(out, "</text>");
    zrpc_buf_dispose(&cut);
}

static void add_arrow(struct zrpc_buf *out, const struct zrpc_trace_event *ev, int y)
{
    bool sent = ev->kind == ZRPC_TRACE_SENT;
    int from = sent ? LEFT : RIGHT, to = sent ? RIGHT : LEFT, back = sent ? -7 : 7;
    const char *class = sent ? "sent" : "received";
    struct zrpc_buf text = {0};

    if (ev->conn > 0)
        zrpc_text_add(&text, "#%u  ", ev->conn);
    zrpc_trace_add_summary(&text, ev);
    if (ev->detail != NULL)
        zrpc_text_add(&text, "  %s", ev->detail);
    zrpc_text_add(out, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"%s\"/>", from, y, to, y, class);
    zrpc_text_add(out, "<path d=\"M%d %dl%d -4v8z\" class=\"head %s\"/>", to, y, back, class);
    add_label(out, (LEFT + RIGHT) / 2, y - 5, "on", zrpc_text_str(&text), LABEL);
    zrpc_buf_dispose(&text);
}

static void add_band(struct zrpc_buf *out, const struct zrpc_trace_event *ev, int y)
{
    bool step = ev->kind == ZRPC_TRACE_STEP;
    struct zrpc_buf text = {0};

    if (ev->conn > 0)
        zrpc_text_add(&text, "#%u  ", ev->conn);
    zrpc_trace_add_summary(&text, ev);
    zrpc_text_add(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"20\" rx=\"4\" class=\"%s\"/>",
                  LEFT + 40, y - 14, RIGHT - LEFT - 80, step ? "step" : "wire");
    add_label(out, (LEFT + RIGHT) / 2, y, "on", zrpc_text_str(&text), LABEL);
    zrpc_buf_dispose(&text);
}

static void add_row(struct zrpc_buf *out, const struct zrpc_trace_event *ev, int y)
{
    char time[32];

    snprintf(time, sizeof time, "%.3f s", (double)ev->at / ZRPC_SECOND);
    add_label(out, LEFT - 14, y + 4, "time", time, sizeof time);
    if (ev->kind == ZRPC_TRACE_SENT || ev->kind == ZRPC_TRACE_RECEIVED)
        add_arrow(out, ev, y);
    else
        add_band(out, ev, y);
}

void zrpc_trace_add_svg(struct zrpc_buf *out, const struct zrpc_trace *trace, const char *left,
                        const char *right)
{
    size_t kept = zrpc_trace_kept(trace), rows = shown_rows(kept);
    int height = TOP + (int)rows * ROW + 10, y;

    zrpc_text_add(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"sequence diagram\">", WIDTH,
                  height);
    for (int side = 0; side < 2; side++) {
        int x = side == 0 ? LEFT : RIGHT;

        zrpc_text_add(out, "<line x1=\"%d\" y1=\"30\" x2=\"%d\" y2=\"%d\" class=\"life\"/>", x, x, height);
        add_label(out, x, 20, "who", side == 0 ? left : right, 20);
    }
    for (size_t i = 0; i < rows; i++) {
        y = TOP + (int)i * ROW + 14;
        if (i > 0 && event_of(i, kept) != event_of(i - 1, kept) + 1)
            add_label(out, (LEFT + RIGHT) / 2, y - ROW / 2 - 3, "gap", "⋮", 8);
        add_row(out, zrpc_trace_get(trace, event_of(i, kept)), y);
    }
    zrpc_text_add(out, "</svg>");
}
