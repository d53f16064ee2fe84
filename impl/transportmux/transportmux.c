#include "zrpc/transportmux.h"

#include <stdio.h>

static const char *const names[ZRPC_LABEL_COUNT] = {
    [ZRPC_CONTROL] = ZRPC_LABEL_CONTROL,
    [ZRPC_DATA] = ZRPC_LABEL_DATA,
};

const char *zrpc_label_name(enum zrpc_label label)
{
    return names[label];
}

void zrpc_label_encode(enum zrpc_label label, uint8_t out[static ZRPC_LABEL_LEN])
{
    memset(out, 0, ZRPC_LABEL_LEN);
    memcpy(out, names[label], strlen(names[label]));
}

/* Printable ASCII as it is, the rest as \xNN, without the zeros at the end. */
static void escape(const uint8_t in[static ZRPC_LABEL_LEN], char out[static 4 * ZRPC_LABEL_LEN + 1])
{
    size_t len = ZRPC_LABEL_LEN;

    while (len > 0 && in[len - 1] == 0)
        len--;
    *out = '\0';
    for (size_t i = 0; i < len; i++)
        out += sprintf(out, in[i] >= ' ' && in[i] < 0x7f && in[i] != '\\' ? "%c" : "\\x%02x", in[i]);
}

int zrpc_label_decode(const uint8_t in[static ZRPC_LABEL_LEN], enum zrpc_label *out, struct zrpc_error *err)
{
    char text[4 * ZRPC_LABEL_LEN + 1];

    for (int label = 0; label < ZRPC_LABEL_COUNT; label++) {
        uint8_t known[ZRPC_LABEL_LEN];

        zrpc_label_encode(label, known);
        if (memcmp(in, known, sizeof known) == 0) {
            *out = label;
            return 0;
        }
    }
    escape(in, text);
    return zrpc_fail(err, ZRPC_ERR_LABEL, "unknown transport label \"%s\", expected %s or %s", text,
                     names[ZRPC_CONTROL], names[ZRPC_DATA]);
}
