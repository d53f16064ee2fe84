/*
 * What `zrpc replicate` shows: lines on stdout, one live line on stderr where that is a terminal, or a JSON
 * document at the end.
 */
#ifndef ZRPC_CMD_ZRPC_REPLICATE_REPORT_H
#define ZRPC_CMD_ZRPC_REPLICATE_REPORT_H

#include <jansson.h>

#include "zrpc/replicate.h"

struct replicate_report {
    bool json, dry_run, live;
    bool drawn;             /* the live line is there */
    zrpc_time began, shown; /* of the filesystem; the last progress */
    unsigned attempts;      /* at the filesystem, beyond the first */
    json_t *filesystems;
};

void replicate_report_begin(struct replicate_report *r, bool json, bool dry_run);
/* As zrpc_replicate_options.on_event. */
void replicate_report_event(void *ctx, const struct zrpc_replicate_event *event);
/* The sum, for people. */
void replicate_report_end(struct replicate_report *r, const struct zrpc_replicate_result *result);
/* The result, for JSON; the caller's. */
json_t *replicate_report_json(struct replicate_report *r, const struct zrpc_replicate_result *result);

#endif
