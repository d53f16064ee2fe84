/*
 * Reports of a finished run: TAP, JUnit XML (see conformance/junit.xsd), JSON and one self-contained HTML
 * page, as text; and the console's lines.
 */
#ifndef ZRPC_CONFORMANCE_REPORT_H
#define ZRPC_CONFORMANCE_REPORT_H

#include <stdio.h>

#include "conformance/runner.h"

void zrpc_report_tap(const struct zrpc_results *results, struct zrpc_buf *out);
void zrpc_report_junit(const struct zrpc_results *results, struct zrpc_buf *out);
int zrpc_report_json(const struct zrpc_results *results, struct zrpc_buf *out, struct zrpc_error *err);
void zrpc_report_html(const struct zrpc_results *results, struct zrpc_buf *out);

/* Writes the file as a whole: under another name first, then renamed; straight to what is no regular file.
 * ZRPC_ERR_USAGE where that fails. */
int zrpc_report_write(const char *path, const struct zrpc_buf *content, struct zrpc_error *err);

struct zrpc_console {
    FILE *out;
    bool colours;
    bool verbose; /* the wire's events of every case, not of failed ones only */
};

/* One line, and for what spoils the run the story behind it. */
void zrpc_console_result(const struct zrpc_console *c, const struct zrpc_result *result);
void zrpc_console_summary(const struct zrpc_console *c, const struct zrpc_results *results);

/*
 * For the reports
 */
/* "expected ... got ... afterwards ..." as lines, each behind `indent`; nothing for a PASS. */
void zrpc_report_add_story(struct zrpc_buf *out, const struct zrpc_result *result, const char *indent);
/* The requirement ids, separated by a space. */
void zrpc_report_add_requirements(struct zrpc_buf *out, const struct zrpc_case *tc);
/* The trace as lines. */
void zrpc_report_add_trace(struct zrpc_buf *out, const struct zrpc_run *run, const char *indent);
/* At most `max` events, those before the verdict. */
void zrpc_report_add_last_events(struct zrpc_buf *out, const struct zrpc_run *run, size_t max,
                                 const char *indent);
/* "FLAKY (2 of 5)", "SKIP". */
void zrpc_report_add_verdict(struct zrpc_buf *out, const struct zrpc_result *result);
double zrpc_report_seconds(const struct zrpc_result *result);

#endif
