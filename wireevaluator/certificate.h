/*
 * The certificate: JSON (certificate.schema.json), and one self-contained HTML page that holds it.
 *
 * The JSON's "digest" is the SHA-256 of the same object without that member, compact, with sorted keys. The
 * page ends with a comment that holds the SHA-256 of all bytes before it. Both show alterations, not who made
 * the certificate.
 */
#ifndef ZRPC_WIREEVALUATOR_CERTIFICATE_H
#define ZRPC_WIREEVALUATOR_CERTIFICATE_H

#include <stdio.h>

#include "wireevaluator/runner.h"

#define EVAL_CERTIFICATE_FORMAT "zrpc wire certificate 1"
#define EVAL_CERTIFICATE_FORM   JSON_INDENT(1) /* and a newline */

int zrpc_eval_certificate_json(const struct zrpc_eval_results *results,
                               const struct zrpc_evaluated *transport, struct zrpc_buf *out,
                               struct zrpc_error *err);
/* `json` is what zrpc_eval_certificate_json() made of the same results. */
void zrpc_eval_certificate_html(const struct zrpc_eval_results *results,
                                const struct zrpc_evaluated *transport, const struct zrpc_buf *json,
                                struct zrpc_buf *out);

struct zrpc_eval_verified {
    bool certified; /* what the certificate says */
    bool complete;  /* it covers all cases, of the version that made it */
    size_t cases;
    char transport[64], version[32], date[32], digest[65];
};

/* A certificate of either form: 0 if it is well-formed and unaltered, and its verdict follows from its cases;
 * ZRPC_ERR_USAGE says what is wrong. One of this version that says to be complete has to have all cases. */
int zrpc_eval_certificate_verify(struct zrpc_view text, struct zrpc_eval_verified *out,
                                 struct zrpc_error *err);

/* One line, and the story behind it where the verdict is no PASS or all is wanted. */
void zrpc_eval_print_result(FILE *out, const struct zrpc_eval_result *result, bool verbose);
void zrpc_eval_print_summary(FILE *out, const struct zrpc_eval_results *results, const char *transport);

/* Hexadecimal SHA-256. */
int zrpc_eval_digest(struct zrpc_view bytes, char out[static 65], struct zrpc_error *err);
/* "2026-11-22T15:04:05Z". Returns out. */
#define EVAL_DATE_MAX 32
const char *zrpc_eval_date(time_t date, char out[static EVAL_DATE_MAX]);
/* Those that a transport's conduct depends on, as they are running. Returns out. */
#define EVAL_LIBRARIES_MAX 128
const char *zrpc_eval_libraries(char out[static EVAL_LIBRARIES_MAX]);
/* What the transport says of its configuration, or "". */
const char *zrpc_eval_configuration(const struct zrpc_evaluated *transport);

#endif
