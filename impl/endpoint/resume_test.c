/* Endpoints over a backend that keeps partial receives: a pool that tells what it is asked. */
#include <inttypes.h>

#include "endpoint/testing.h"

struct told {
    struct endpoint_fixture x;
    struct zrpc_zfs_ops ops;
    struct zrpc_zfs pool;
    char partial[ZRPC_ZFS_NAME_MAX]; /* has a token */
    char log[512];                   /* the calls that matter, each with a blank behind */
};

static void note(struct told *t, const char *format, const char *what, bool flag)
{
    size_t used = strlen(t->log);

    snprintf(t->log + used, sizeof t->log - used, format, what, flag ? " -s" : "");
}

static int resume_token(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_buf *out,
                        struct zrpc_error *err)
{
    struct told *t = ctx;

    (void)cancelled;
    if (strcmp(t->partial, "error") == 0)
        return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot open '%s': dataset does not exist", fs);
    if (strcmp(t->partial, fs) != 0)
        return 0;
    CHECK_OK(zrpc_buf_append(out, zrpc_view("1-token", 8), err));
    return 1;
}

static int abort_receive(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_error *err)
{
    (void)cancelled, (void)err;
    note(ctx, "abort %s%s\n", fs, false);
    return 0;
}

/* "FS TO TO-GUID FROM-GUID" */
static int read_token(void *ctx, atomic_bool *cancelled, const char *token, struct zrpc_zfs_token *out,
                      struct zrpc_error *err)
{
    (void)ctx, (void)cancelled;
    *out = (struct zrpc_zfs_token){0};
    if (sscanf(token, "%255s %255s %" SCNu64 " %" SCNu64, out->filesystem, out->to, &out->to_guid,
               &out->from_guid) == 4)
        return 0;
    return zrpc_fail(err, ZRPC_ERR_ZFS, "cannot resume send: resume token is corrupt");
}

static int receive(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_receive *receive,
                   struct zrpc_sink *out, struct zrpc_error *err)
{
    struct told *t = ctx;

    note(t, "receive %s%s\n", receive->filesystem, receive->resumable);
    return t->pool.ops->receive(t->pool.ctx, cancelled, receive, out, err);
}

static int estimate(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send, int64_t *bytes,
                    struct zrpc_error *err)
{
    (void)ctx, (void)cancelled, (void)err;
    *bytes = send->resume_token == NULL ? 1000 : 7;
    return 0;
}

static int start_send(void *ctx, atomic_bool *cancelled, const struct zrpc_zfs_send *send,
                      struct zrpc_source *out, struct zrpc_error *err)
{
    struct zrpc_zfs_send whole = *send;
    struct told *t = ctx;

    note(t, "send %s%s\n", send->resume_token == NULL ? "whole" : send->resume_token, false);
    whole.resume_token = NULL; /* the pool would not know it */
    return t->pool.ops->send(t->pool.ctx, cancelled, &whole, out, err);
}

/* What the decorator does not do goes to the pool. */
#define POOL ((struct told *)ctx)->pool

static int list_filesystems(void *ctx, atomic_bool *cancelled, const char *root,
                            struct zrpc_zfs_filesystems *out, struct zrpc_error *err)
{
    return POOL.ops->list_filesystems(POOL.ctx, cancelled, root, out, err);
}

static int get_filesystem(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_zfs_filesystem *out,
                          struct zrpc_error *err)
{
    return POOL.ops->get_filesystem(POOL.ctx, cancelled, fs, out, err);
}

static int list_versions(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_zfs_versions *out,
                         struct zrpc_error *err)
{
    return POOL.ops->list_versions(POOL.ctx, cancelled, fs, out, err);
}

static int create_placeholder(void *ctx, atomic_bool *cancelled, const char *fs, struct zrpc_error *err)
{
    return POOL.ops->create_placeholder(POOL.ctx, cancelled, fs, err);
}

static void setup_told(struct told *t, enum zrpc_endpoint_role role)
{
    memset(t, 0, sizeof *t);
    setup_endpoint(&t->x, role);
    t->pool = t->x.f.zfs;
    t->ops = (struct zrpc_zfs_ops){
        .name = "told",
        .list_filesystems = list_filesystems,
        .get_filesystem = get_filesystem,
        .list_versions = list_versions,
        .create_placeholder = create_placeholder,
        .estimate = estimate,
        .send = start_send,
        .receive = receive,
        .resume_token = resume_token,
        .abort_receive = abort_receive,
        .read_token = read_token,
    };
    t->x.endpoint.config.zfs = (struct zrpc_zfs){.ops = &t->ops, .ctx = t};
}

static int ask(struct told *t, const char *from, const char *to, const char *token, bool dry_run,
               Zrpc__Pb__SendRes *res)
{
    Zrpc__Pb__SendReq req = ZRPC__PB__SEND_REQ__INIT;
    struct zrpc_source source = {0};
    int rc;

    zrpc__pb__send_res__init(res);
    t->log[0] = '\0';
    req.filesystem = (char *)"tank/a";
    req.from = (char *)from;
    req.to = (char *)to;
    req.resumetoken = (char *)token;
    req.dryrun = dry_run;
    rc = t->x.handler.ops->send(t->x.handler.ctx, &t->x.call, &req, res, &source, &t->x.err);
    CHECK((source.ops != NULL) == (rc == 0 && !dry_run));
    zrpc_source_close(&source);
    CHECK_INT(t->x.endpoint.sends.used, 0);
    return rc;
}

/* Guids are put in place of %1 and %3; %9 is nobody's. */
static const char *token_of(struct told *t, const char *pattern)
{
    static char token[256];
    size_t used = 0;

    for (const char *at = pattern; *at != '\0'; at++) {
        char name[2] = {at[0] == '%' ? at[1] : '\0', '\0'};
        uint64_t guid = name[0] == '9' ? 12345 : guid_of(&t->x.f, "tank/a", name);

        if (*at != '%')
            token[used++] = *at;
        else
            used += (size_t)snprintf(token + used, 32, "%" PRIu64, guid), at++;
    }
    token[used] = '\0';
    return token;
}

static void a_token_that_matches_is_used(void)
{
    static const char *const rows[][3] = {
        {"", "@1", "tank/a 1 %1 0"}, {"@1", "@3", "tank/a 3 %3 %1"}, {"#mark", "@3", "tank/a 3 %3 %1"}};
    Zrpc__Pb__SendRes res;
    struct told t;

    setup_told(&t, ZRPC_ENDPOINT_SENDER);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *token = token_of(&t, rows[i][2]);

        CHECK_OK(ask(&t, rows[i][0], rows[i][1], token, true, &res));
        CHECK(res.usedresumetoken);
        CHECK_INT(res.expectedsize, 7);
        CHECK_STR(t.log, "");
        CHECK_OK(ask(&t, rows[i][0], rows[i][1], token, false, &res));
        CHECK(res.usedresumetoken);
        CHECK_CONTAINS(t.log, token);
    }
    CHECK_OK(ask(&t, "", "@1", "", false, &res));
    CHECK(!res.usedresumetoken);
    CHECK_STR(t.log, "send whole\n");
    teardown_endpoint(&t.x);
}

/* It may not become a way to other filesystems, nor to another stream than the one that is asked for. */
static void a_token_that_does_not_match_is_refused(void)
{
    static const struct {
        const char *from, *to, *token, *says;
    } rows[] = {
        {"", "@1", "garbage", "resume token is corrupt"},
        {"", "@1", "tank/secret 1 %1 0", "it is of 'tank/secret'"},
        {"", "@1", "tank/a 1 %3 0", "it goes to '@1' with guid"},
        {"", "@1", "tank/a 1 %9 0", "it goes to"},
        {"", "@1", "tank/a 1 0 0", "it goes to"},
        {"", "@missing", "tank/a missing 0 0", "it goes to"},
        {"", "@3", "tank/a 3 %3 %1", "it comes from"},
        {"@1", "@3", "tank/a 3 %3 0", "it comes from"},
        {"@2", "@3", "tank/a 3 %3 %1", "it comes from"},
        {"@missing", "@3", "tank/a 3 %3 0", "it is of a full stream"},
        {"#missing", "@3", "tank/a 3 %3 %1", "it comes from"},
        {"", "", "tank/a 1 %1 0", "error building abs version"},
    };
    Zrpc__Pb__SendRes res;
    struct told t;

    setup_told(&t, ZRPC_ENDPOINT_SENDER);
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        CHECK(ask(&t, rows[i / 2].from, rows[i / 2].to, token_of(&t, rows[i / 2].token), i % 2 == 1, &res) <
              0);
        CHECK_CONTAINS(t.x.err.text, rows[i / 2].says);
        CHECK(!res.usedresumetoken);
        CHECK_STR(t.log, "");
    }
    teardown_endpoint(&t.x);
}

static int receive_once(struct told *t, const char *fs, bool clear)
{
    Zrpc__Pb__ReceiveReq req = ZRPC__PB__RECEIVE_REQ__INIT;
    struct zrpc_sink sink = {0};
    int rc;

    t->log[0] = '\0';
    req.filesystem = (char *)fs;
    req.clearresumetoken = clear;
    rc = t->x.handler.ops->receive(t->x.handler.ctx, &t->x.call, &req, &sink, &t->x.err);
    zrpc_sink_close(&sink);
    return rc;
}

static void receives_are_resumable_unless_that_is_off(void)
{
    struct told t;

    setup_told(&t, ZRPC_ENDPOINT_RECEIVER);
    CHECK_OK(receive_once(&t, "p/a", false));
    CHECK_STR(t.log, "receive tank/backup/client/p/a -s\n");
    CHECK_OK(receive_once(&t, "p/a", true));
    CHECK_STR(t.log, "abort tank/backup/client/p/a\nreceive tank/backup/client/p/a -s\n");
    t.x.endpoint.config.not_resumable = true;
    CHECK_OK(receive_once(&t, "p/a", true));
    CHECK_STR(t.log, "abort tank/backup/client/p/a\nreceive tank/backup/client/p/a\n");
    t.x.endpoint.config.for_one = true;
    CHECK_OK(receive_once(&t, "p/a", false));
    CHECK_STR(t.log, "receive tank/backup/p/a\n");
    teardown_endpoint(&t.x);
}

static const char *tokens(struct told *t)
{
    static char text[512];
    Zrpc__Pb__ListFilesystemReq req = ZRPC__PB__LIST_FILESYSTEM_REQ__INIT;
    Zrpc__Pb__ListFilesystemRes *res = malloc(sizeof *res);
    size_t used = 0;

    if (!CHECK(res != NULL))
        return "";
    zrpc__pb__list_filesystem_res__init(res);
    text[0] = '\0';
    CHECK_OK(t->x.handler.ops->list_filesystems(t->x.handler.ctx, &t->x.call, &req, res, &t->x.err));
    for (size_t i = 0; i < res->n_filesystems; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s=%s ", res->filesystems[i]->path,
                                 res->filesystems[i]->resumetoken);
    zrpc__pb__list_filesystem_res__free_unpacked(res, NULL);
    return text;
}

static void tokens_are_listed(void)
{
    struct told t;

    setup_told(&t, ZRPC_ENDPOINT_RECEIVER);
    CHECK_OK(push(&t.x, "", "@1", "p"));
    CHECK_OK(push(&t.x, "", "@1", "q"));
    CHECK_STR(tokens(&t), "p= q= ");
    strcpy(t.partial, "tank/backup/client/q");
    CHECK_STR(tokens(&t), "p= q=1-token ");
    strcpy(t.partial, "error");
    CHECK_STR(tokens(&t), "p= q= ");
    strcpy(t.partial, "tank/backup/client/q");
    t.x.endpoint.config.not_resumable = true;
    CHECK_STR(tokens(&t), "p= q= ");
    teardown_endpoint(&t.x);
}

static const struct zrpc_test tests[] = {
    {"a token that matches is used", a_token_that_matches_is_used},
    {"a token that does not match is refused", a_token_that_does_not_match_is_refused},
    {"receives are resumable unless that is off", receives_are_resumable_unless_that_is_off},
    {"tokens are listed", tokens_are_listed},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("endpoint_resume", tests, argc, argv);
}
