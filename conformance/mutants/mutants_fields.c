/*
 * Mutants of the control connection that serve malformed requests: what is malformed is put right before the
 * server sees it.
 */
#include <stdlib.h>

#include "conformance/mutants/control.h"
#include "conformance/mutants/families.h"

#define HOOK(function)                 \
    &(const struct zrpc_control_hooks) \
    {                                  \
        .request = function            \
    }

static bool first_of_each_pseudo(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    size_t kept = 0;
    bool again;

    (void)r;
    (void)stream;
    for (size_t i = 0; i < list->n; i++) {
        again = false;
        for (size_t j = 0; j < kept && list->at[i].name[0] == ':'; j++)
            again = again || strcmp(list->at[i].name, list->at[j].name) == 0;
        if (!again)
            list->at[kept++] = list->at[i];
    }
    list->n = kept;
    return true;
}

static bool pseudo_first(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    struct zrpc_control_list *sorted = malloc(sizeof *sorted);

    (void)r;
    (void)stream;
    if (sorted == NULL)
        return true;
    sorted->n = 0;
    for (int regular = 0; regular <= 1; regular++)
        for (size_t i = 0; i < list->n; i++)
            if ((list->at[i].name[0] != ':') == regular)
                sorted->at[sorted->n++] = list->at[i];
    *list = *sorted;
    free(sorted);
    return true;
}

static bool known_pseudo(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    (void)r;
    (void)stream;
    zrpc_control_remove(list, ":unknown");
    return true;
}

static bool no_pseudo_in_trailers(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    (void)r;
    (void)stream;
    if (zrpc_control_value(list, ":method") == NULL)
        zrpc_control_remove(list, ":path");
    return true;
}

static bool lower_case(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    (void)r;
    (void)stream;
    for (size_t i = 0; i < list->n; i++)
        for (char *c = list->at[i].name; *c != '\0'; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c + ('a' - 'A'));
    return true;
}

static bool one_line(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    (void)r;
    (void)stream;
    for (size_t i = 0; i < list->n; i++)
        for (char *c = list->at[i].value; *c != '\0'; c++)
            if (*c == '\r' || *c == '\n')
                *c = ' ';
    return true;
}

static bool no_connection_fields(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    static const char *const names[] = {"connection",        "keep-alive", "proxy-connection",
                                        "transfer-encoding", "upgrade",    "te"};

    (void)r;
    (void)stream;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        zrpc_control_remove(list, names[i]);
    return true;
}

static bool no_content_length(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    (void)r;
    (void)stream;
    zrpc_control_remove(list, "content-length");
    return true;
}

const struct zrpc_mutant zrpc_mutants_fields[] = {
    {.name = "control-any-pseudo-twice",
     .what = "takes the first of two pseudo-header fields",
     .caught_by = "fields.two-paths",
     .control = HOOK(first_of_each_pseudo)},
    {.name = "control-any-order",
     .what = "takes pseudo-header fields behind others",
     .caught_by = "fields.late-pseudo",
     .control = HOOK(pseudo_first)},
    {.name = "control-any-pseudo",
     .what = "ignores unknown pseudo-header fields",
     .caught_by = "fields.unknown-pseudo-first",
     .control = HOOK(known_pseudo)},
    {.name = "control-pseudo-in-trailers",
     .what = "ignores pseudo-header fields in trailers",
     .caught_by = "fields.trailer-pseudo",
     .verdict = ZRPC_VERDICT_NON_STRICT,
     .control = HOOK(no_pseudo_in_trailers)},
    {.name = "control-any-case",
     .what = "takes field names in upper case",
     .caught_by = "fields.upper-case",
     .control = HOOK(lower_case)},
    {.name = "control-any-value",
     .what = "takes field values of more than one line",
     .caught_by = "fields.line-in-value",
     .control = HOOK(one_line)},
    {.name = "control-any-connection",
     .what = "ignores the fields of HTTP/1 connections",
     .caught_by = "fields.connection",
     .control = HOOK(no_connection_fields)},
    {.name = "control-any-te",
     .what = "ignores te",
     .caught_by = "fields.te",
     .control = HOOK(no_connection_fields)},
    {.name = "control-any-length",
     .what = "ignores content-length",
     .caught_by = "fields.length-too-large",
     .control = HOOK(no_content_length)},
    {.name = NULL},
};
