/*
 * Mutants of the control connection.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conformance/mutants/control.h"
#include "conformance/mutants/families.h"
#include "zrepl_v1.pb-c.h"
#include "zrpc/grpc.h"

#define HOOKS(...)                     \
    &(const struct zrpc_control_hooks) \
    {                                  \
        __VA_ARGS__                    \
    }

static bool is_ack(zrpc_control_frame f)
{
    return (f.flags & NGHTTP2_FLAG_ACK) != 0;
}

/*
 * HTTP/2
 */
static bool no_ping_acks(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)r;
    (void)payload;
    return f.type == NGHTTP2_PING && is_ack(f);
}

static bool wrong_ping_acks(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)payload;
    if (f.type != NGHTTP2_PING || !is_ack(f))
        return false;
    zrpc_control_down(r, f.type, f.flags, 0, zrpc_view("whatever", 8));
    return true;
}

static bool no_settings_acks(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)r;
    (void)payload;
    return f.type == NGHTTP2_SETTINGS && is_ack(f);
}

static bool late_settings(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    if (f.type != NGHTTP2_SETTINGS || is_ack(f) || r->flag)
        return false;
    r->flag = true;
    zrpc_control_down(r, NGHTTP2_PING, 0, 0, zrpc_view("me first", 8));
    zrpc_control_down(r, f.type, f.flags, 0, payload);
    return true;
}

/* The server never hears of that setting. */
static bool hide_setting(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload, unsigned id)
{
    if (f.type != NGHTTP2_SETTINGS || payload.len < 6 || payload.data[1] != id)
        return false;
    zrpc_control_up(r, f.type, f.flags, 0, zrpc_view(NULL, 0));
    return true;
}

static bool hides_windows(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    return hide_setting(r, f, payload, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
}

static bool hides_tables(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    return hide_setting(r, f, payload, NGHTTP2_SETTINGS_HEADER_TABLE_SIZE);
}

static bool endless_window(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    if (f.type != NGHTTP2_SETTINGS || is_ack(f) || r->flag)
        return false;
    r->flag = true;
    zrpc_control_up(r, f.type, f.flags, 0, payload);
    zrpc_control_up(r, NGHTTP2_WINDOW_UPDATE, 0, 0, zrpc_view("\x01\0\0\0", 4));
    return true;
}

static bool no_window_updates(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)r;
    (void)payload;
    return f.type == NGHTTP2_WINDOW_UPDATE;
}

/* Two DATA frames become one. */
static bool large_frames(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    if (f.type != NGHTTP2_DATA || f.length < 4096)
        return false;
    (void)zrpc_buf_append(&r->held, payload, NULL);
    if (r->held.len > 20000) {
        zrpc_control_down(r, f.type, f.flags, f.stream, zrpc_buf_view(&r->held));
        zrpc_buf_clear(&r->held);
    }
    return true;
}

/* Ends the connection at frames of that kind. */
static bool cut_at(struct zrpc_relay *r, bool it)
{
    if (it)
        zrpc_control_end(r, NGHTTP2_PROTOCOL_ERROR);
    return it;
}

static bool no_continuation(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)payload;
    return cut_at(r, f.type == NGHTTP2_CONTINUATION);
}

static bool no_unknown_frames(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)payload;
    return cut_at(r, f.type > NGHTTP2_CONTINUATION);
}

static bool no_priority(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)payload;
    return cut_at(r, f.type == NGHTTP2_PRIORITY);
}

static bool no_unknown_settings(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    return cut_at(r, f.type == NGHTTP2_SETTINGS && payload.len >= 6 &&
                         (payload.data[0] != 0 || payload.data[1] > 6));
}

static bool resets_end_all(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)payload;
    return cut_at(r, f.type == NGHTTP2_RST_STREAM);
}

static bool padding_is_content(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    if (f.type != NGHTTP2_DATA || (f.flags & NGHTTP2_FLAG_PADDED) == 0)
        return false;
    zrpc_control_up(r, f.type, f.flags & (uint8_t)~NGHTTP2_FLAG_PADDED, f.stream, payload);
    return true;
}

static bool any_ping(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)payload;
    if (f.type != NGHTTP2_PING || f.length == 8)
        return false;
    zrpc_control_up(r, f.type, f.flags, 0, zrpc_view("8 bytes!", 8));
    return true;
}

/* HEADERS of one byte: those that do not decode. */
static bool skips_bad_headers(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)r;
    (void)payload;
    return f.type == NGHTTP2_HEADERS && f.length == 1;
}

static bool cuts_large_frames(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    struct zrpc_view some;

    if (f.type != NGHTTP2_DATA || payload.len <= 16384)
        return false;
    some = zrpc_view_take(&payload, 16384);
    zrpc_control_up(r, f.type, 0, f.stream, some);
    zrpc_control_up(r, f.type, f.flags, f.stream, payload);
    return true;
}

/*
 * Keepalive
 */
static bool too_many_pings(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)payload;
    if (f.type == NGHTTP2_PING && !is_ack(f) && ++r->count > 2)
        zrpc_control_end(r, NGHTTP2_ENHANCE_YOUR_CALM);
    return false;
}

/*
 * gRPC
 */
static bool no_spaces_in_authority(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    const char *authority = zrpc_control_value(list, ":authority");

    if (authority == NULL || strchr(authority, ' ') == NULL)
        return true;
    zrpc_control_down(r, NGHTTP2_RST_STREAM, 0, stream, zrpc_view("\0\0\0\1", 4));
    return false;
}

static bool no_timeouts(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    (void)r;
    (void)stream;
    zrpc_control_remove(list, "grpc-timeout");
    return true;
}

static bool any_content_type(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    char *type = zrpc_control_value(list, "content-type");

    (void)r;
    (void)stream;
    if (type != NULL)
        strcpy(type, "application/grpc");
    return true;
}

static bool strict_content_type(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    char *type = zrpc_control_value(list, "content-type");

    (void)r;
    (void)stream;
    if (type != NULL && strcmp(type, "application/grpc") != 0)
        strcpy(type, "text/plain");
    return true;
}

static bool no_answer_type(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    (void)r;
    (void)stream;
    zrpc_control_remove(list, "content-type");
    return true;
}

static bool change_status(struct zrpc_control_list *list, const char *from, const char *to)
{
    char *status = zrpc_control_value(list, "grpc-status");

    if (status != NULL && strcmp(status, "0") != 0 && (from == NULL || strcmp(status, from) == 0))
        strcpy(status, to);
    return true;
}

static bool no_errors(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    (void)r;
    (void)stream;
    return change_status(list, NULL, "0");
}

static bool no_unimplemented(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    (void)r;
    (void)stream;
    return change_status(list, "12", "2");
}

static bool internal_errors(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    (void)r;
    (void)stream;
    return change_status(list, "2", "13");
}

static bool plain_messages(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    char *message = zrpc_control_value(list, "grpc-message"), plain[1024];

    (void)r;
    (void)stream;
    if (message == NULL)
        return true;
    zrpc_grpc_message_decode(zrpc_view_of(message), plain, sizeof plain);
    strcpy(message, plain);
    return true;
}

static bool errors_end_all(struct zrpc_relay *r, uint32_t stream, struct zrpc_control_list *list)
{
    const char *status = zrpc_control_value(list, "grpc-status");

    (void)stream;
    r->flag = r->flag || (status != NULL && strcmp(status, "0") != 0);
    return true;
}

static bool end_after_error(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)payload;
    return cut_at(r, r->flag && f.type == NGHTTP2_HEADERS);
}

static bool unended_answers(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    if (f.type != NGHTTP2_HEADERS || (f.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return false;
    zrpc_control_down(r, f.type, f.flags & (uint8_t)~NGHTTP2_FLAG_END_STREAM, f.stream, payload);
    return true;
}

/* Whole messages in one DATA frame. */
static bool forget_compression(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    uint8_t copy[64];

    if (f.type != NGHTTP2_DATA || payload.len < 5 || payload.len > sizeof copy || payload.data[0] != 1)
        return false;
    memcpy(copy, payload.data, payload.len);
    copy[0] = 0;
    zrpc_control_up(r, f.type, f.flags, f.stream, zrpc_view(copy, payload.len));
    return true;
}

static bool first_message_only(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    if (f.type != NGHTTP2_DATA || payload.len < 5 || zrpc_get_u32(payload.data + 1) >= payload.len - 5)
        return false;
    payload.len = 5 + zrpc_get_u32(payload.data + 1);
    zrpc_control_up(r, f.type, f.flags, f.stream, payload);
    return true;
}

/* What is missing of a message is taken for zeros: an unknown field without content. */
static bool completes_messages(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    if (f.type != NGHTTP2_DATA || (f.flags & NGHTTP2_FLAG_END_STREAM) == 0 || payload.len == 0 ||
        payload.len >= 5)
        return false;
    zrpc_control_up(r, f.type, f.flags, f.stream, zrpc_view("\0\0\0\0\0", 5));
    return true;
}

/* A call waits while another one is under way. */
static bool one_at_a_time(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)payload;
    if (f.type == NGHTTP2_HEADERS)
        r->count++;
    return (f.type == NGHTTP2_HEADERS || f.type == NGHTTP2_DATA) && f.stream > 1 && r->count > 1;
}

/* The first client that calls has the server for itself, for as long as it is connected. */
static bool one_client(struct zrpc_relay *r, zrpc_control_frame f, struct zrpc_view payload)
{
    (void)payload;
    if (f.type == NGHTTP2_HEADERS && !r->holds_turn)
        zrpc_relay_take_turn(r);
    return false;
}

/*
 * Replies
 */
static void other_echo(struct zrpc_relay *r, ProtobufCMessage *reply)
{
    (void)r;
    if (reply->descriptor == &zrpc__pb__ping_res__descriptor && ((Zrpc__Pb__PingRes *)reply)->echo[0] != '\0')
        ((Zrpc__Pb__PingRes *)reply)->echo[0] ^= 1;
}

static void backwards(struct zrpc_relay *r, ProtobufCMessage *reply)
{
    Zrpc__Pb__ListFilesystemVersionsRes *res = (Zrpc__Pb__ListFilesystemVersionsRes *)reply;
    Zrpc__Pb__FilesystemVersion *swapped;

    (void)r;
    if (reply->descriptor != &zrpc__pb__list_filesystem_versions_res__descriptor)
        return;
    for (size_t i = 0, k = res->n_versions; i + 1 < k; i++) {
        swapped = res->versions[i];
        res->versions[i] = res->versions[--k];
        res->versions[k] = swapped;
    }
}

static void narrow(struct zrpc_relay *r, ProtobufCMessage *reply)
{
    Zrpc__Pb__ListFilesystemVersionsRes *res = (Zrpc__Pb__ListFilesystemVersionsRes *)reply;

    (void)r;
    if (reply->descriptor != &zrpc__pb__list_filesystem_versions_res__descriptor)
        return;
    for (size_t i = 0; i < res->n_versions; i++)
        res->versions[i]->guid &= INT64_MAX;
}

static void twice(struct zrpc_relay *r, ProtobufCMessage *reply)
{
    Zrpc__Pb__ListFilesystemRes *res = (Zrpc__Pb__ListFilesystemRes *)reply;

    (void)r;
    if (reply->descriptor != &zrpc__pb__list_filesystem_res__descriptor || res->n_filesystems < 2)
        return;
    free(res->filesystems[1]->path);
    res->filesystems[1]->path = strdup(res->filesystems[0]->path);
}

static void all_destroyed(struct zrpc_relay *r, ProtobufCMessage *reply)
{
    Zrpc__Pb__DestroySnapshotsRes *res = (Zrpc__Pb__DestroySnapshotsRes *)reply;

    (void)r;
    if (reply->descriptor != &zrpc__pb__destroy_snapshots_res__descriptor)
        return;
    for (size_t i = 0; i < res->n_results; i++)
        if (res->results[i]->error[0] != '\0')
            res->results[i]->error[0] = '\0';
}

static void zero_for_none(struct zrpc_relay *r, ProtobufCMessage *reply)
{
    Zrpc__Pb__ReplicationCursorRes *res = (Zrpc__Pb__ReplicationCursorRes *)reply;

    (void)r;
    if (reply->descriptor != &zrpc__pb__replication_cursor_res__descriptor ||
        res->result_case != ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_NOTEXIST)
        return;
    res->result_case = ZRPC__PB__REPLICATION_CURSOR_RES__RESULT_GUID;
    res->guid = 0;
}

const struct zrpc_mutant zrpc_mutants_control[] = {
    {.name = "control-no-ping-acks",
     .what = "answers no PING",
     .caught_by = "h2.ping",
     .control = HOOKS(.down = no_ping_acks)},
    {.name = "control-wrong-ping-acks",
     .what = "answers PINGs with bytes of its own",
     .caught_by = "h2.ping",
     .control = HOOKS(.down = wrong_ping_acks)},
    {.name = "control-no-settings-acks",
     .what = "acknowledges no SETTINGS",
     .caught_by = "h2.settings-acked",
     .control = HOOKS(.down = no_settings_acks)},
    {.name = "control-late-settings",
     .what = "sends a PING before its SETTINGS",
     .caught_by = "h2.settings-first",
     .control = HOOKS(.down = late_settings)},
    {.name = "control-hides-windows",
     .what = "ignores INITIAL_WINDOW_SIZE",
     .caught_by = "h2.window-of-one",
     .control = HOOKS(.up = hides_windows)},
    {.name = "control-hides-tables",
     .what = "ignores HEADER_TABLE_SIZE",
     .caught_by = "h2.table-of-theirs",
     .control = HOOKS(.up = hides_tables)},
    {.name = "control-endless-window",
     .what = "sends more than the connection's window allows",
     .caught_by = "h2.window-of-connection",
     .control = HOOKS(.up = endless_window)},
    {.name = "control-no-window-updates",
     .what = "never replenishes a window",
     .caught_by = "h2.large-both-ways",
     .control = HOOKS(.down = no_window_updates)},
    {.name = "control-large-frames",
     .what = "sends frames above MAX_FRAME_SIZE",
     .caught_by = "h2.frame-size",
     .control = HOOKS(.down = large_frames)},
    {.name = "control-no-continuation",
     .what = "ends the connection at CONTINUATION",
     .caught_by = "h2.continuation",
     .control = HOOKS(.up = no_continuation)},
    {.name = "control-no-unknown-frames",
     .what = "ends the connection at an unknown frame",
     .caught_by = "h2.unknown-frames",
     .control = HOOKS(.up = no_unknown_frames)},
    {.name = "control-no-priority",
     .what = "ends the connection at PRIORITY",
     .caught_by = "h2.priorities",
     .control = HOOKS(.up = no_priority)},
    {.name = "control-no-unknown-settings",
     .what = "ends the connection at an unknown setting",
     .caught_by = "h2.unknown-settings",
     .control = HOOKS(.up = no_unknown_settings)},
    {.name = "control-padding-is-content",
     .what = "takes padding for content",
     .caught_by = "h2.padding",
     .control = HOOKS(.up = padding_is_content)},
    {.name = "control-no-spaces-in-authority",
     .what = "resets calls whose :authority has spaces",
     .caught_by = "h2.authorities",
     .control = HOOKS(.request = no_spaces_in_authority)},
    {.name = "control-any-ping",
     .what = "takes PINGs of any length",
     .caught_by = "malformed.ping-length",
     .control = HOOKS(.up = any_ping)},
    {.name = "control-skips-bad-headers",
     .what = "skips header blocks that it cannot decode",
     .caught_by = "malformed.header-index-0",
     .control = HOOKS(.up = skips_bad_headers)},
    {.name = "control-any-frame-size",
     .what = "takes frames above its own MAX_FRAME_SIZE",
     .caught_by = "malformed.oversized-data",
     .control = HOOKS(.up = cuts_large_frames)},
    {.name = "control-resets-end-all",
     .what = "ends the connection at RST_STREAM",
     .caught_by = "calls.reset-before-message",
     .control = HOOKS(.up = resets_end_all)},
    {.name = "control-one-at-a-time",
     .what = "serves no second call while the first one is open",
     .caught_by = "calls.slow-delays-none",
     .control = HOOKS(.up = one_at_a_time)},
    {.name = "control-one-client",
     .what = "serves the calls of one client at a time",
     .caught_by = "calls.other-clients",
     .verdict = ZRPC_VERDICT_NON_STRICT,
     .control = HOOKS(.up = one_client)},
    {.name = "control-too-many-pings",
     .what = "ends the connection at the third PING",
     .caught_by = "keepalive.pings",
     .control = HOOKS(.up = too_many_pings)},
    {.name = "control-idle-timeout",
     .what = "ends connections without calls",
     .caught_by = "keepalive.idle",
     .control = HOOKS(.idle_limit = ZRPC_SECOND)},
    {.name = "control-no-timeouts",
     .what = "ignores grpc-timeout",
     .caught_by = "grpc.deadline",
     .control = HOOKS(.request = no_timeouts)},
    {.name = "control-any-content-type",
     .what = "accepts any content-type",
     .caught_by = "grpc.other-content-types",
     .control = HOOKS(.request = any_content_type)},
    {.name = "control-strict-content-type",
     .what = "refuses application/grpc+proto",
     .caught_by = "grpc.content-types",
     .control = HOOKS(.request = strict_content_type)},
    {.name = "control-no-answer-type",
     .what = "answers without content-type",
     .caught_by = "grpc.success",
     .control = HOOKS(.answer = no_answer_type)},
    {.name = "control-unended-answers",
     .what = "never ends an answer",
     .caught_by = "grpc.success",
     .control = HOOKS(.down = unended_answers)},
    {.name = "control-no-errors",
     .what = "reports errors as success",
     .caught_by = "grpc.handler-error",
     .control = HOOKS(.answer = no_errors)},
    {.name = "control-internal-errors",
     .what = "reports handlers' errors as INTERNAL",
     .caught_by = "grpc.handler-error",
     .control = HOOKS(.answer = internal_errors)},
    {.name = "control-no-unimplemented",
     .what = "reports unknown methods as UNKNOWN",
     .caught_by = "grpc.unknown-methods",
     .control = HOOKS(.answer = no_unimplemented)},
    {.name = "control-plain-messages",
     .what = "does not percent-encode texts of errors",
     .caught_by = "grpc.error-texts",
     .control = HOOKS(.answer = plain_messages)},
    {.name = "control-errors-end-all",
     .what = "ends the connection after an error",
     .caught_by = "grpc.undecodable",
     .control = HOOKS(.answer = errors_end_all, .up = end_after_error)},
    {.name = "control-forget-compression",
     .what = "ignores the compressed flag",
     .caught_by = "grpc.compressed",
     .control = HOOKS(.up = forget_compression)},
    {.name = "control-first-message-only",
     .what = "ignores what follows the first message",
     .caught_by = "grpc.two-messages",
     .control = HOOKS(.up = first_message_only)},
    {.name = "control-completes-messages",
     .what = "takes a cut message for a whole one",
     .caught_by = "grpc.truncated",
     .control = HOOKS(.up = completes_messages)},
    {.name = "control-other-echo",
     .what = "echoes another text",
     .caught_by = "replication.echo",
     .control = HOOKS(.reply = other_echo)},
    {.name = "control-backwards",
     .what = "lists versions backwards",
     .caught_by = "replication.versions",
     .control = HOOKS(.reply = backwards)},
    {.name = "control-narrow",
     .what = "keeps 63 bits of a Guid",
     .caught_by = "replication.wide-numbers",
     .control = HOOKS(.reply = narrow)},
    {.name = "control-twice",
     .what = "lists a filesystem twice",
     .caught_by = "replication.list",
     .control = HOOKS(.reply = twice)},
    {.name = "control-all-destroyed",
     .what = "reports snapshots as destroyed that were not there",
     .caught_by = "replication.destroy",
     .control = HOOKS(.reply = all_destroyed)},
    {.name = "control-zero-for-none",
     .what = "answers Guid 0 where there is no cursor",
     .caught_by = "replication.no-cursor",
     .control = HOOKS(.reply = zero_for_none)},
    {.name = NULL},
};
