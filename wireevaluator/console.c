#include "wireevaluator/certificate.h"

#define EVENTS_SHOWN 24

static void add_trace(struct zrpc_buf *out, const struct zrpc_trace *trace, bool all)
{
    size_t kept = zrpc_trace_kept(trace);

    for (size_t i = all || kept < EVENTS_SHOWN ? 0 : kept - EVENTS_SHOWN; i < kept; i++) {
        zrpc_text_add(out, "    ");
        zrpc_trace_add_line(out, zrpc_trace_get(trace, i));
        zrpc_text_add(out, "\n");
    }
}

/* Texts of the transport's making among them. */
static void add_part(struct zrpc_buf *out, const char *name, const char *text)
{
    zrpc_text_add(out, "    %-10s ", name);
    zrpc_text_add_shown(out, zrpc_view_of(text));
    zrpc_text_add(out, "\n");
}

void zrpc_eval_print_result(FILE *out, const struct zrpc_eval_result *row, bool verbose)
{
    bool spoils = zrpc_verdict_spoils(row->verdict, row->tc->level);
    struct zrpc_buf line = {0}, verdict = {0};

    zrpc_eval_add_verdict(&verdict, row);
    zrpc_text_add(&line, "%-16s %-32s %-12s %8.3f s\n", zrpc_text_str(&verdict), row->tc->id,
                  row->clause[0] == '\0' ? row->tc->clauses[0] : row->clause,
                  (double)row->took / ZRPC_SECOND);
    if (row->expected != NULL && row->expected[0] != '\0')
        add_part(&line, "expected", row->expected);
    if (row->got != NULL)
        add_part(&line, "got", row->got);
    if (verbose || spoils)
        add_trace(&line, &row->trace, verbose);
    fputs(zrpc_text_str(&line), out);
    fflush(out);
    zrpc_buf_dispose(&line);
    zrpc_buf_dispose(&verdict);
}

void zrpc_eval_print_summary(FILE *out, const struct zrpc_eval_results *results, const char *transport)
{
    bool good = zrpc_eval_results_good(results);

    fprintf(out, "\n%zu cases in %.1f s", results->n, (double)results->took / ZRPC_SECOND);
    if (results->repeat > 1)
        fprintf(out, ", %u times, each in %.1f to %.1f s", results->repeat,
                (double)results->fastest / ZRPC_SECOND, (double)results->slowest / ZRPC_SECOND);
    fprintf(out, ":");
    for (enum zrpc_verdict v = 0; v < ZRPC_VERDICT_COUNT; v++)
        if (results->counts[v] > 0)
            fprintf(out, "  %u %s", results->counts[v], zrpc_verdict_name(v));
    fprintf(out, "\n%s: %s\n", transport,
            !good               ? "not certified"
            : results->complete ? "certified"
                                : "the selected cases passed, which is no certificate");
    fflush(out);
}
