/* The banner reader: the same verdict however the bytes are cut, and a valid banner encodes to itself. */
#include "testing/fuzz/fuzz.h"

#include "zrpc/versionhandshake.h"

static int read_cut(struct zrpc_banner_reader *r, struct zrpc_view in, size_t portion, size_t *taken)
{
    size_t all = in.len;
    int rc = 0;

    zrpc_banner_reader_init(r);
    do {
        struct zrpc_view part = zrpc_view(in.data, in.len < portion ? in.len : portion);
        size_t given = part.len;

        rc = zrpc_banner_reader_feed(r, &part, NULL);
        REQUIRE(rc != 0 || part.len == 0);
        zrpc_view_take(&in, given - part.len);
    } while (rc == 0 && in.len > 0);
    *taken = all - in.len;
    REQUIRE(rc == 0 || rc == 1 || rc == ZRPC_ERR_HANDSHAKE);
    REQUIRE(rc != 1 || zrpc_banner_reader_wants(r) == 0);
    REQUIRE(r->body.cap <= 4 * (all + 64)); /* never by the declared length */
    return rc;
}

/* The extension lines of a valid banner, as views of its body. */
static size_t split_lines(struct zrpc_view body, struct zrpc_view *lines, size_t max)
{
    size_t n = 0;

    zrpc_view_take(&body, 56);
    for (; body.len > 0 && n < max; n++) {
        size_t len = (size_t)((const uint8_t *)memchr(body.data, '\n', body.len) - body.data);

        lines[n] = zrpc_view_take(&body, len);
        zrpc_view_take(&body, 1);
    }
    return n;
}

static void check_encodes_to_itself(const struct zrpc_banner_reader *r, struct zrpc_view bytes)
{
    static struct zrpc_view lines[ZRPC_BANNER_EXTENSIONS_MAX];
    struct zrpc_banner banner = {.version = r->version, .extensions = lines};
    struct zrpc_buf again = {0};

    banner.n_extensions = split_lines(zrpc_buf_view(&r->body), lines, ZRPC_BANNER_EXTENSIONS_MAX);
    REQUIRE(banner.n_extensions == r->n_extensions);
    REQUIRE(zrpc_banner_encode(&banner, &again, NULL) == 0);
    REQUIRE(zrpc_view_equal(zrpc_buf_view(&again), bytes));
    zrpc_buf_dispose(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zrpc_view in = zrpc_view(data, size);
    size_t portion = (size_t)fuzz_byte(&in) + 1;
    struct zrpc_banner_reader whole, cut;
    size_t whole_taken, cut_taken;
    int rc = read_cut(&whole, in, SIZE_MAX, &whole_taken);

    REQUIRE(rc == read_cut(&cut, in, portion, &cut_taken));
    REQUIRE(rc < 0 || whole_taken == cut_taken);
    if (rc == 1)
        check_encodes_to_itself(&whole, zrpc_view(in.data, whole_taken));
    zrpc_banner_reader_dispose(&whole);
    zrpc_banner_reader_dispose(&cut);
    return 0;
}
