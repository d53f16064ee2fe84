#include "testing/suite.h"

#include "zrpc/transportmux.h"

/* The bytes of a label, zero-padded. */
struct label {
    uint8_t bytes[ZRPC_LABEL_LEN];
};

static struct label padded(const char *text)
{
    struct label l = {0};

    memcpy(l.bytes, text, strlen(text));
    return l;
}

static void labels_are_64_bytes(void)
{
    static const char *const expected[ZRPC_LABEL_COUNT] = {
        [ZRPC_CONTROL] = "zrepl_control", [ZRPC_DATA] = "zrepl_data"};

    for (int i = 0; i < ZRPC_LABEL_COUNT; i++) {
        struct label l = padded(expected[i]);
        uint8_t out[ZRPC_LABEL_LEN];
        enum zrpc_label decoded;

        CHECK_STR(zrpc_label_name(i), expected[i]);
        memset(out, 0xff, sizeof out);
        zrpc_label_encode(i, out);
        CHECK_BYTES(zrpc_view(out, sizeof out), zrpc_view(l.bytes, sizeof l.bytes));
        CHECK_OK(zrpc_label_decode(out, &decoded, NULL));
        CHECK_INT(decoded, i);
    }
}

static void check_refused(const struct label *l, const char *shown)
{
    enum zrpc_label out;
    struct zrpc_error err;

    CHECK_CODE(zrpc_label_decode(l->bytes, &out, &err), ZRPC_ERR_LABEL);
    CHECK_CONTAINS(err.text, shown);
}

static void unknown_labels_are_refused(void)
{
    static const char *const unknown[] = {"",
                                          "zrepl_dat",
                                          "zrepl_dataa",
                                          "ZREPL_DATA",
                                          " zrepl_data",
                                          "zrepl_data ",
                                          "zrepl_controll",
                                          "zrepl_contro"};

    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        struct label l = padded(unknown[i]);
        char shown[80];

        snprintf(shown, sizeof shown, "\"%s\"", unknown[i]);
        check_refused(&l, shown);
    }
}

static void padding_must_be_zero(void)
{
    for (size_t i = strlen("zrepl_data"); i < ZRPC_LABEL_LEN; i++) {
        struct label l = padded("zrepl_data");

        l.bytes[i] = 1;
        check_refused(&l, "\\x01");
    }
}

/* Whatever the 64 bytes are, the error shows them on one line of ASCII. */
static void labels_are_shown_escaped(void)
{
    struct label l = padded("a\\b\n\"\x7f\xff");

    check_refused(&l, "\"a\\x5cb\\x0a\"\\x7f\\xff\"");
    memset(l.bytes, 0xee, sizeof l.bytes);
    check_refused(&l, "\\xee\\xee\"");
}

static const struct zrpc_test tests[] = {
    {"labels are 64 bytes, zero-padded", labels_are_64_bytes},
    {"unknown labels are refused", unknown_labels_are_refused},
    {"padding must be zero", padding_must_be_zero},
    {"labels are shown escaped", labels_are_shown_escaped},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("transportmux", tests, argc, argv);
}
