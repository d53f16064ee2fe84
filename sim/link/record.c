#include <errno.h>
#include <inttypes.h>

#include "sim/link/link_internal.h"

/* A single-quoted YAML scalar. */
static void write_quoted(FILE *f, const char *key, const char *text)
{
    fprintf(f, "%s: '", key);
    for (; *text != '\0'; text++)
        fprintf(f, *text == '\'' ? "''" : "%c", *text);
    fprintf(f, "'\n");
}

static bool strikes_listener(const struct zrpc_link_fault *f)
{
    return f->action == ZRPC_LINK_REFUSE && f->connection == 0;
}

int zrpc_link_record_open(struct zrpc_link *l, struct zrpc_error *err)
{
    const struct zrpc_link_plan *p = l->plan;
    char text[ZRPC_LINK_FAULT_TEXT_MAX];

    if (p->record[0] == '\0')
        return 0;
    l->record = fopen(p->record, "we");
    if (l->record == NULL)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "record %s", p->record);
    fprintf(l->record, "# What zrpc-link did. To do it again: zrpc-link relay --config THIS_FILE\n");
    write_quoted(l->record, "listen", p->listen);
    write_quoted(l->record, "connect", p->connect);
    fprintf(l->record, "protocol: %s\nbuffer: %" PRIu64 "\nseed: %" PRIu64 "\nschedule:\n",
            zrpc_link_protocol_name(p->protocol), p->buffer, p->seed);
    for (size_t i = 0; i < p->n_faults; i++)
        if (strikes_listener(&p->faults[i]))
            fprintf(l->record, "  - %s\n", zrpc_link_fault_format(&p->faults[i], text));
    if (fflush(l->record) != 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "record %s", p->record);
    return 0;
}

static void flush(struct zrpc_link *l)
{
    if (fflush(l->record) == 0 && !ferror(l->record))
        return;
    zrpc_link_failed(l, 0, "the record is not complete", strerror(errno));
    zrpc_link_record_close(l);
}

void zrpc_link_record_fault(struct zrpc_link *l, const struct zrpc_link_fault *fault)
{
    char text[ZRPC_LINK_FAULT_TEXT_MAX];

    zrpc_link_fault_format(fault, text);
    zrpc_log(l->options.log, ZRPC_LOG_INFO, "fault", "is", text, NULL);
    if (l->record == NULL)
        return;
    fprintf(l->record, "  - %s\n", text);
    flush(l);
}

static void compare(struct zrpc_link *l, const struct zrpc_link_result *is)
{
    const struct zrpc_link_result *was = zrpc_link_plan_result(l->plan, is->connection, is->direction);
    char text[256];

    /* One that was cut off by the link's own end had no time to become the same. */
    if (l->plan->n_results == 0 || is->end == ZRPC_LINK_NO_END)
        return;
    if (was == NULL) {
        zrpc_link_failed(l, is->connection, "the replay differs from the record",
                         is->direction == ZRPC_LINK_TO_SERVER ? "to-server: not in the record"
                                                              : "to-client: not in the record");
        return;
    }
    if (was->end == ZRPC_LINK_NO_END ||
        (was->bytes == is->bytes && was->digest == is->digest && was->end == is->end))
        return;
    snprintf(text, sizeof text,
             "%s: %" PRIu64 " bytes (%016" PRIx64 "), %s; recorded: %" PRIu64 " bytes (%016" PRIx64 "), %s",
             zrpc_link_direction_name(is->direction), is->bytes, is->digest, zrpc_link_end_name(is->end),
             was->bytes, was->digest, zrpc_link_end_name(was->end));
    zrpc_link_failed(l, is->connection, "the replay differs from the record", text);
}

void zrpc_link_record_compare_connections(struct zrpc_link *l)
{
    uint32_t told = l->n_connections;

    for (size_t i = 0; i < l->plan->n_results; i++) {
        const struct zrpc_link_result *was = &l->plan->results[i];

        if (was->connection <= told || was->end == ZRPC_LINK_NO_END)
            continue;
        zrpc_link_failed(l, was->connection, "the replay differs from the record",
                         "nobody made this connection");
        told = was->connection;
    }
}

void zrpc_link_record_end(struct zrpc_link_connection *c, enum zrpc_link_direction d)
{
    const struct zrpc_link_pipe *p = &c->machine.pipes[d];
    struct zrpc_link_result r = {.connection = c->machine.number,
                                 .direction = d,
                                 .bytes = p->delivered,
                                 .digest = p->digest,
                                 .end =
                                     p->end == ZRPC_LINK_NO_END && p->end_lost ? ZRPC_LINK_END_LOST : p->end};

    if (c->recorded[d])
        return;
    c->recorded[d] = true;
    compare(c->link, &r);
    if (c->link->record == NULL)
        return;
    fprintf(c->link->record,
            "  - {ended: %s, connection: %" PRIu32 ", bytes: %" PRIu64 ", digest: 0x%016" PRIx64
            ", how: %s}\n",
            zrpc_link_direction_name(d), r.connection, r.bytes, r.digest, zrpc_link_end_name(r.end));
    flush(c->link);
}

void zrpc_link_record_close(struct zrpc_link *l)
{
    if (l->record != NULL)
        fclose(l->record);
    l->record = NULL;
}
