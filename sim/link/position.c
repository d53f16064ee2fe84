#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/link/fault.h"

static const char *const kinds[ZRPC_LINK_THING_COUNT] = {
    [ZRPC_LINK_BANNER] = "banner",         [ZRPC_LINK_LABEL] = "label",     [ZRPC_LINK_FRAME] = "frame",
    [ZRPC_LINK_HEARTBEAT] = "heartbeat",   [ZRPC_LINK_RST_FRAME] = "rst",   [ZRPC_LINK_END_FRAME] = "end",
    [ZRPC_LINK_TRAILER_FRAME] = "trailer", [ZRPC_LINK_DATA_FRAME] = "data",
};

#define WORDS_MAX 12

/* The words of a position, the articles left out; words[n] is "". */
struct words {
    char text[128];
    const char *words[WORDS_MAX + 1];
    size_t n, next;
};

static int split(const char *text, struct words *w, struct zrpc_error *err)
{
    char *save = NULL;
    size_t len = strlen(text);

    *w = (struct words){0};
    for (size_t i = 0; i <= WORDS_MAX; i++)
        w->words[i] = "";
    if (len >= sizeof w->text)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "a position of %zu characters", len);
    memcpy(w->text, text, len + 1);
    for (char *word = strtok_r(w->text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        if (strcmp(word, "the") == 0)
            continue;
        if (w->n == WORDS_MAX)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "position \"%s\": too many words", text);
        w->words[w->n++] = word;
    }
    return 0;
}

static bool accept_word(struct words *w, const char *word)
{
    if (strcmp(w->words[w->next], word) != 0 || w->next == w->n)
        return false;
    w->next++;
    return true;
}

static int unexpected(const struct words *w, const char *expected, struct zrpc_error *err)
{
    if (w->next == w->n)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "position: expected %s at the end", expected);
    return zrpc_fail(err, ZRPC_ERR_USAGE, "position: \"%s\", expected %s", w->words[w->next], expected);
}

/* A number and what follows it in the same word: "2nd" is 2 and "nd". */
static bool number(const char *word, uint64_t max, uint64_t *out, const char **rest)
{
    char *end;

    if (word[0] < '0' || word[0] > '9')
        return false;
    errno = 0;
    *out = strtoull(word, &end, 10);
    *rest = end;
    return errno == 0 && *out <= max;
}

static bool accept_number(struct words *w, uint64_t max, uint64_t *out)
{
    const char *rest;

    if (!number(w->words[w->next], max, out, &rest) || *rest != '\0')
        return false;
    w->next++;
    return true;
}

/* "2nd", "every", "next" in front of a kind. */
static bool accept_ordinal(struct words *w, uint32_t *out)
{
    static const char *const suffixes[] = {"st", "nd", "rd", "th"};
    const char *rest;
    uint64_t n;

    if (accept_word(w, "every")) {
        *out = ZRPC_LINK_EVERY;
        return true;
    }
    if (accept_word(w, "next")) {
        *out = ZRPC_LINK_NEXT;
        return true;
    }
    if (!number(w->words[w->next], ZRPC_LINK_NEXT - 1, &n, &rest) || n == 0)
        return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (strcmp(rest, suffixes[i]) == 0) {
            *out = (uint32_t)n;
            w->next++;
            return true;
        }
    }
    return false;
}

static int parse_thing(struct words *w, struct zrpc_link_position *out, struct zrpc_error *err)
{
    bool ordinal = accept_ordinal(w, &out->ordinal);
    uint64_t n = 1;
    size_t kind = 0;

    while (kind < ZRPC_LINK_THING_COUNT && !accept_word(w, kinds[kind]))
        kind++;
    if (kind == ZRPC_LINK_THING_COUNT)
        return unexpected(w, "banner, label, frame, heartbeat, rst, end, trailer or data", err);
    out->thing = (enum zrpc_link_thing)kind;
    if (ordinal)
        return 0;
    if (accept_number(w, ZRPC_LINK_NEXT - 1, &n) && n == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "position: %s 0, the first one is %s 1", kinds[kind],
                         kinds[kind]);
    out->ordinal = (uint32_t)n;
    return 0;
}

static int parse_byte(struct words *w, struct zrpc_link_position *out, struct zrpc_error *err)
{
    if (!accept_word(w, "byte"))
        return unexpected(w, "\"byte\"", err);
    return accept_number(w, UINT64_MAX, &out->byte) ? 0 : unexpected(w, "a number", err);
}

static int parse_after(struct words *w, struct zrpc_link_position *out, struct zrpc_error *err)
{
    bool header = accept_word(w, "header");
    int rc;

    if (header && !accept_word(w, "of"))
        return unexpected(w, "\"of\"", err);
    out->edge = header ? ZRPC_LINK_AFTER_HEADER : ZRPC_LINK_AFTER;
    rc = parse_thing(w, out, err);
    if (rc == 0 && header && out->thing < ZRPC_LINK_FRAME)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "position: a %s has no header", kinds[out->thing]);
    return rc;
}

int zrpc_link_position_parse(const char *text, struct zrpc_link_position *out, struct zrpc_error *err)
{
    struct words w;
    int rc = split(text, &w, err);

    if (rc < 0)
        return rc;
    if (accept_word(&w, "start")) {
        out->edge = ZRPC_LINK_AT_BYTE;
        out->byte = 0;
    } else if (accept_word(&w, "end")) {
        out->edge = ZRPC_LINK_AT_END;
    } else if (accept_word(&w, "closed")) {
        out->edge = ZRPC_LINK_CLOSED;
    } else if (strcmp(w.words[0], "byte") == 0) {
        out->edge = ZRPC_LINK_AT_BYTE;
        rc = parse_byte(&w, out, err);
    } else if (accept_word(&w, "before")) {
        out->edge = ZRPC_LINK_BEFORE;
        rc = parse_thing(&w, out, err);
    } else if (accept_word(&w, "after")) {
        rc = parse_after(&w, out, err);
    } else if (accept_word(&w, "inside")) {
        out->edge = ZRPC_LINK_INSIDE;
        if ((rc = parse_thing(&w, out, err)) == 0)
            rc = parse_byte(&w, out, err);
    } else {
        return unexpected(&w, "start, byte, end, closed, before, after or inside", err);
    }
    return rc == 0 && w.next < w.n ? unexpected(&w, "nothing more", err) : rc;
}

static void format_thing(const struct zrpc_link_position *at, char *out, size_t size)
{
    if (at->ordinal == ZRPC_LINK_EVERY)
        snprintf(out, size, "every %s", kinds[at->thing]);
    else if (at->ordinal == ZRPC_LINK_NEXT)
        snprintf(out, size, "next %s", kinds[at->thing]);
    else
        snprintf(out, size, "%s %" PRIu32, kinds[at->thing], at->ordinal);
}

const char *zrpc_link_position_format(const struct zrpc_link_position *at,
                                      char out[static ZRPC_LINK_POSITION_TEXT_MAX])
{
    static const char *const edges[] = {[ZRPC_LINK_BEFORE] = "before ",
                                        [ZRPC_LINK_AFTER_HEADER] = "after the header of ",
                                        [ZRPC_LINK_AFTER] = "after ",
                                        [ZRPC_LINK_INSIDE] = "inside "};
    char thing[40];

    if (at->edge == ZRPC_LINK_AT_END || at->edge == ZRPC_LINK_CLOSED) {
        snprintf(out, ZRPC_LINK_POSITION_TEXT_MAX, at->edge == ZRPC_LINK_AT_END ? "end" : "closed");
        return out;
    }
    if (at->edge == ZRPC_LINK_AT_ONCE || at->edge == ZRPC_LINK_AT_BYTE) {
        snprintf(out, ZRPC_LINK_POSITION_TEXT_MAX, "byte %" PRIu64,
                 at->edge == ZRPC_LINK_AT_BYTE ? at->byte : 0);
        return out;
    }
    format_thing(at, thing, sizeof thing);
    if (at->edge == ZRPC_LINK_INSIDE)
        snprintf(out, ZRPC_LINK_POSITION_TEXT_MAX, "inside %s byte %" PRIu64, thing, at->byte);
    else
        snprintf(out, ZRPC_LINK_POSITION_TEXT_MAX, "%s%s", edges[at->edge], thing);
    return out;
}
