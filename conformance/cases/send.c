/*
 * /v1/send, as a server: proto/SPEC.md sections 9.2, 9.3 and 12.
 */
#include "conformance/cases/cases.h"
#include "conformance/transfer.h"

static const Zrpc__Pb__SendRes *expect_send_res(struct zrpc_peer *p)
{
    const zrpc_time prompt = zrpc_run_timing(p->run)->prompt;
    const Zrpc__Pb__SendRes *res =
        (const void *)zrpc_expect_response(p, &zrpc__pb__send_res__descriptor, prompt);

    if (res != NULL && res->expectedsize < 0)
        zrpc_run_fail(p->run, "an ExpectedSize of 0 or more", "%lld", (long long)res->expectedsize);
    if (res != NULL && res->usedresumetoken)
        zrpc_run_fail(p->run, "UsedResumeToken false, for there was no token", "UsedResumeToken true");
    return res;
}

/* The whole exchange of a send that succeeds, and what the profile knows of its stream. */
static void complete_send(struct zrpc_run *run, enum zrpc_offer_id id, struct zrpc_stream_seen *seen)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, id);
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_send(p, offer, false);
    expect_send_res(p);
    zrpc_expect_stream(p, ZRPC_STREAM_TYPE, zrpc_run_timing(run)->prompt, seen, NULL);
    zrpc_expect_shutdown(p, zrpc_run_timing(run)->prompt);
    if (offer == NULL)
        return;
    if (offer->size > 0 && seen->bytes != offer->size)
        zrpc_run_fail(run, "as many bytes as the profile says", "%llu instead of %llu",
                      (unsigned long long)seen->bytes, (unsigned long long)offer->size);
    if (offer->sha256 != NULL && strcmp(offer->sha256, seen->sha256) != 0)
        zrpc_run_fail(run, "the bytes that the profile says", "another SHA-256: %s", seen->sha256);
}

static void full(struct zrpc_run *run)
{
    struct zrpc_stream_seen first, second;

    complete_send(run, ZRPC_OFFER_SEND_FULL, &first);
    zrpc_run_step(run, "the same again: the same bytes");
    complete_send(run, ZRPC_OFFER_SEND_FULL, &second);
    if (strcmp(first.sha256, second.sha256) != 0)
        zrpc_run_fail(run, "the same stream twice", "%llu bytes, and then %llu other ones",
                      (unsigned long long)first.bytes, (unsigned long long)second.bytes);
}

static void increment(struct zrpc_run *run)
{
    struct zrpc_stream_seen seen;

    complete_send(run, ZRPC_OFFER_SEND_INCREMENT, &seen);
}

static void large(struct zrpc_run *run)
{
    struct zrpc_stream_seen seen;

    complete_send(run, ZRPC_OFFER_SEND_LARGE, &seen);
    if (seen.bytes < 32 << 20)
        zrpc_run_skip(run, "the profile's send.large has only %llu bytes", (unsigned long long)seen.bytes);
}

static void empty(struct zrpc_run *run)
{
    struct zrpc_stream_seen seen;

    complete_send(run, ZRPC_OFFER_SEND_EMPTY, &seen);
    if (seen.bytes > 0)
        zrpc_run_skip(run, "the profile's send.empty has %llu bytes", (unsigned long long)seen.bytes);
}

static void dry_run(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_FULL);
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_send(p, offer, true);
    expect_send_res(p);
    zrpc_run_step(run, "no stream, the shutdown at once");
    zrpc_expect_shutdown(p, zrpc_run_timing(run)->prompt);
}

static void dry_run_increment(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_INCREMENT);
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_send(p, offer, true);
    expect_send_res(p);
    zrpc_expect_shutdown(p, zrpc_run_timing(run)->prompt);
}

static void source_error(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_FAILING);
    struct zrpc_peer *p = zrpc_peer_data(run);
    struct zrpc_stream_seen seen;
    struct zrpc_buf got = {0};

    zrpc_request_send(p, offer, false);
    expect_send_res(p);
    zrpc_see_stream(p, ZRPC_STREAM_TYPE, zrpc_run_timing(run)->prompt, &seen, NULL);
    if (seen.end == ZRPC_SAW_COMPLETE)
        zrpc_run_fail(run, "an error trailer and an end frame", "a complete stream of %llu bytes",
                      (unsigned long long)seen.bytes);
    if (seen.end == ZRPC_SAW_INCOMPLETE && zrpc_run_going(run)) {
        zrpc_seen_add(&got, &seen.last);
        zrpc_run_fail(run, "an error trailer and an end frame", "%s after %llu bytes", zrpc_text_str(&got),
                      (unsigned long long)seen.bytes);
    }
    zrpc_buf_dispose(&got);
    zrpc_expect_shutdown(p, zrpc_run_timing(run)->prompt);
}

static void refused_offer(struct zrpc_run *run, const struct zrpc_offer *offer, bool dry)
{
    struct zrpc_peer *p = zrpc_peer_data(run);

    zrpc_request_send(p, offer, dry);
    zrpc_expect(p, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
    zrpc_peer_drop(p);
}

static void refused(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_REFUSED);

    refused_offer(run, offer, false);
    refused_offer(run, offer, true);
}

static void no_such_filesystem(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_FULL);
    struct zrpc_offer missing;

    if (offer == NULL)
        return;
    missing = *offer;
    missing.filesystem = (char *)zrpc_run_unique(run, offer->filesystem);
    refused_offer(run, &missing, false);
}

static void no_such_version(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_FULL);
    struct zrpc_offer missing;

    if (offer == NULL)
        return;
    missing = *offer;
    missing.to = (char *)zrpc_run_unique(run, "@missing");
    refused_offer(run, &missing, false);
}

static void wrong_token(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_FULL);
    struct zrpc_peer *p = zrpc_peer_data(run);
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;

    if (offer == NULL)
        return;
    req.filesystem = offer->filesystem;
    req.to = offer->to;
    req.resumetoken = (char *)"1-bf31b879a-b8-789c636064000310a500c4ec50360710e72765a5269740d80cd8e4d3d28a534b18e00024cf86249f54";
    zrpc_run_step(run, "a resume token that matches nothing here");
    zrpc_request_message(p, "/v1/send", &req.base);
    zrpc_expect(p, ZRPC_OUT_REFUSAL, zrpc_run_timing(run)->prompt);
}

static void outside_paths(struct zrpc_run *run)
{
    static const char *const names[] = {"",       "/",      "..",     "../..", "a//b",     "/etc",
                                        "a/../b", "pool@1", "pool#1", "a/",    "pool%recv"};
    struct zrpc_offer offer = {.present = true, .to = (char *)"@1"};

    for (size_t i = 0; i < sizeof names / sizeof names[0] && zrpc_run_going(run); i++) {
        offer.filesystem = (char *)names[i];
        refused_offer(run, &offer, true);
    }
    zrpc_expect_service(run);
}

static void client_resets(struct zrpc_run *run)
{
    const struct zrpc_offer *offer = zrpc_run_offer(run, ZRPC_OFFER_SEND_LARGE);
    struct zrpc_peer *p = zrpc_peer_data(run);
    struct zrpc_seen seen;

    zrpc_request_send(p, offer, false);
    zrpc_expect_answer(p);
    for (unsigned i = 0; i < 4 && zrpc_run_going(run); i++)
        zrpc_peer_see_other(p, zrpc_now() + zrpc_run_timing(run)->prompt, &seen);
    zrpc_peer_reset(p);
    zrpc_expect_service(run);
}

static const char complete_legal[] = "HANDLER OK, a SendRes, a complete stream, the shutdown";

static const struct zrpc_case cases[] = {
    {
        .id = "send.full",
        .title = "A full send is answered and followed by its complete stream, the same each time",
        .requirements = {"ZR-REQ-010", "ZR-STREAM-001", "ZR-STREAM-002", "ZR-FRAME-009", "ZR-MSG-012",
                         "ZR-MSG-014", "ZR-MSG-015", "ZR-REQ-034"},
        .legal = complete_legal,
        .budget = 120,
        .run = full,
    },
    {
        .id = "send.increment",
        .title = "An incremental send is answered and followed by its complete stream",
        .requirements = {"ZR-REQ-010", "ZR-MSG-012", "ZR-STREAM-001"},
        .legal = complete_legal,
        .budget = 60,
        .run = increment,
    },
    {
        .id = "send.large",
        .title = "A stream of 32 MiB or more arrives completely",
        .requirements = {"ZR-STREAM-002", "ZR-FRAME-009", "ZR-FRAME-008"},
        .legal = complete_legal,
        .budget = 120,
        .run = large,
    },
    {
        .id = "send.empty",
        .title = "A stream of nothing is an end frame",
        .requirements = {"ZR-REQ-010", "ZR-STREAM-001"},
        .legal = complete_legal,
        .budget = 30,
        .run = empty,
    },
    {
        .id = "send.dry-run",
        .title = "A dry run is answered without a stream",
        .requirements = {"ZR-REQ-008", "ZR-MSG-015", "ZR-MSG-014"},
        .legal = "HANDLER OK, a SendRes, the shutdown",
        .budget = 30,
        .run = dry_run,
    },
    {
        .id = "send.dry-run-increment",
        .title = "A dry run of an increment is answered without a stream",
        .requirements = {"ZR-REQ-008", "ZR-MSG-015"},
        .legal = "HANDLER OK, a SendRes, the shutdown",
        .budget = 30,
        .run = dry_run_increment,
    },
    {
        .id = "send.source-error",
        .title = "A source that fails is reported by an error trailer and an end frame",
        .requirements = {"ZR-STREAM-003", "ZR-STREAM-004", "ZR-STREAM-005"},
        .legal =
            "HANDLER OK, a SendRes, content, error trailers with a UTF-8 text, an end frame, the shutdown",
        .budget = 60,
        .run = source_error,
    },
    {
        .id = "send.refused",
        .title = "A filesystem that the endpoint does not admit is a handler error",
        .requirements = {"ZR-MSG-027", "ZR-REQ-011"},
        .legal = "a handler error",
        .budget = 30,
        .run = refused,
    },
    {
        .id = "send.no-such-filesystem",
        .title = "A filesystem that does not exist is a handler error",
        .requirements = {"ZR-MSG-030"},
        .legal = "a handler error",
        .budget = 30,
        .run = no_such_filesystem,
    },
    {
        .id = "send.no-such-version",
        .title = "A version that does not exist is a handler error",
        .requirements = {"ZR-REQ-011"},
        .legal = "a handler error",
        .budget = 30,
        .run = no_such_version,
    },
    {
        .id = "send.wrong-token",
        .title = "A resume token that does not match From and To fails the send",
        .requirements = {"ZR-MSG-013"},
        .legal = "a handler error",
        .budget = 30,
        .run = wrong_token,
    },
    {
        .id = "send.outside-paths",
        .title = "Paths that name nothing in the endpoint's root are handler errors",
        .requirements = {"ZR-MSG-026", "ZR-MSG-030"},
        .legal = "a handler error for each",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = outside_paths,
    },
    {
        .id = "send.client-resets",
        .title = "A client that resets the connection inside the stream harms nobody",
        .requirements = {"ZR-SRV-002"},
        .legal = "the ping's answer on a fresh connection",
        .flags = ZRPC_CASE_HOSTILE,
        .budget = 60,
        .run = client_resets,
    },
};

const struct zrpc_area zrpc_area_send = {
    .name = "send",
    .title = "sends, as a server",
    .role = ZRPC_ROLE_SERVER,
    .channel = ZRPC_CHANNEL_DATA,
    .cases = cases,
    .n = sizeof cases / sizeof cases[0],
};
