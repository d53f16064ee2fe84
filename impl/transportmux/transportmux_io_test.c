#include "testing/suite.h"

#include "zrpc/transport.h"
#include "zrpc/transportmux.h"

#define SOON (30 * ZRPC_MILLISECOND)

struct ends {
    struct zrpc_timeoutconn *client, *server;
};

static struct ends ends(void)
{
    struct zrpc_wire *wire[2] = {NULL, NULL};
    struct ends e = {NULL, NULL};

    CHECK_OK(zrpc_local_pair(wire, NULL));
    CHECK_OK(zrpc_timeoutconn_new(wire[0], &e.client, NULL));
    CHECK_OK(zrpc_timeoutconn_new(wire[1], &e.server, NULL));
    return e;
}

static void done(struct ends *e)
{
    zrpc_timeoutconn_close(e->client);
    zrpc_timeoutconn_close(e->server);
}

static int read_label(struct ends *e, zrpc_time timeout, enum zrpc_label *out, struct zrpc_error *err)
{
    return zrpc_transportmux_read(e->server, zrpc_now() + timeout, out, err);
}

static int write_label(struct ends *e, zrpc_time timeout, enum zrpc_label label)
{
    return zrpc_transportmux_write(e->client, zrpc_now() + timeout, label, NULL);
}

/* What comes with the label belongs to the next layer. */
static void labels_go_across(void)
{
    for (int label = 0; label < ZRPC_LABEL_COUNT; label++) {
        struct ends e = ends();
        enum zrpc_label got = ZRPC_LABEL_COUNT;
        char next[3];

        CHECK_OK(write_label(&e, ZRPC_LABEL_TIMEOUT_DEFAULT, label));
        CHECK_OK(zrpc_timeoutconn_write(e.client, "abc", 3, NULL, NULL));
        CHECK_OK(read_label(&e, ZRPC_LABEL_TIMEOUT_DEFAULT, &got, NULL));
        CHECK_INT(got, label);
        CHECK_OK(zrpc_timeoutconn_read_full(e.server, next, sizeof next, NULL, NULL));
        CHECK_BYTES(zrpc_view(next, sizeof next), zrpc_view_of("abc"));
        done(&e);
    }
}

static void unknown_label_is_refused_without_an_answer(void)
{
    uint8_t label[ZRPC_LABEL_LEN] = "zrepl_data";
    struct ends e = ends();
    enum zrpc_label got;
    struct zrpc_error err;
    char answer[1];

    label[ZRPC_LABEL_LEN - 1] = 'x';
    CHECK_OK(zrpc_timeoutconn_write(e.client, label, sizeof label, NULL, NULL));
    CHECK_CODE(read_label(&e, ZRPC_LABEL_TIMEOUT_DEFAULT, &got, &err), ZRPC_ERR_LABEL);
    CHECK_CONTAINS(err.text, "\"zrepl_data\\x00");
    CHECK_OK(zrpc_timeoutconn_close_write(e.server, NULL));
    CHECK_INT(zrpc_timeoutconn_read(e.client, answer, 1, NULL), 0);
    done(&e);
}

static void end_of_file_fails(void)
{
    static const size_t lengths[] = {0, 1, ZRPC_LABEL_LEN - 1};
    uint8_t label[ZRPC_LABEL_LEN];

    zrpc_label_encode(ZRPC_DATA, label);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct ends e = ends();
        enum zrpc_label got;
        struct zrpc_error err;

        CHECK_OK(zrpc_timeoutconn_write(e.client, label, lengths[i], NULL, NULL));
        CHECK_OK(zrpc_timeoutconn_close_write(e.client, NULL));
        CHECK_CODE(read_label(&e, ZRPC_LABEL_TIMEOUT_DEFAULT, &got, &err), ZRPC_ERR_END);
        CHECK_CONTAINS(err.text, "label");
        done(&e);
    }
}

/* Deadlines are met, and gone afterwards. */
static void deadlines_hold(void)
{
    struct ends e = ends();
    enum zrpc_label got;
    uint8_t label[ZRPC_LABEL_LEN];
    char byte;

    zrpc_label_encode(ZRPC_CONTROL, label);
    CHECK_OK(zrpc_timeoutconn_write(e.client, label, sizeof label - 1, NULL, NULL));
    CHECK_CODE(read_label(&e, SOON, &got, NULL), ZRPC_ERR_TIMEOUT);
    CHECK_OK(zrpc_timeoutconn_write(e.client, "a", 1, NULL, NULL));
    CHECK_INT(zrpc_timeoutconn_read(e.server, &byte, 1, NULL), 1);

    CHECK_CODE(write_label(&e, -ZRPC_SECOND, ZRPC_DATA), ZRPC_ERR_TIMEOUT);
    CHECK_OK(zrpc_timeoutconn_write(e.client, "a", 1, NULL, NULL));
    done(&e);
}

static const struct zrpc_test tests[] = {
    {"labels go across, and nothing more", labels_go_across},
    {"an unknown label is refused without an answer", unknown_label_is_refused_without_an_answer},
    {"end of file fails", end_of_file_fails},
    {"deadlines hold", deadlines_hold},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("transportmux_io", tests, argc, argv);
}
