#include "testing/golden.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c == '\0' ? NULL : strchr(digits, c);

    return found == NULL ? -1 : (int)(found - digits);
}

static int append_hex(const char *hex, struct zrpc_buf *out, struct zrpc_error *err)
{
    for (; *hex != '\0'; hex += 2) {
        int high = hex_digit(hex[0]), low = high < 0 ? -1 : hex_digit(hex[1]);
        uint8_t byte;
        int rc;

        if (low < 0)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "not pairs of hex digits: %.20s", hex);
        byte = (uint8_t)(high * 16 + low);
        if ((rc = zrpc_buf_append(out, zrpc_view(&byte, 1), err)) < 0)
            return rc;
    }
    return 0;
}

static int parse_line(const char *line, struct zrpc_recording *out, struct zrpc_error *err)
{
    enum zrpc_golden_side side = line[0] == 'S' ? ZRPC_GOLDEN_SERVER : ZRPC_GOLDEN_CLIENT;

    if (strncmp(line, "C> ", 3) != 0 && strncmp(line, "S> ", 3) != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "neither client nor server: %.20s", line);
    if (out->side[side].end != 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "more after the end: %.20s", line);
    line += 3;
    if (strcmp(line, "EOF") == 0)
        out->side[side].end = ZRPC_GOLDEN_EOF;
    else if (strcmp(line, "RESET") == 0)
        out->side[side].end = ZRPC_GOLDEN_RESET;
    else
        return append_hex(line, &out->side[side].bytes, err);
    return 0;
}

int zrpc_recording_load(const char *name, struct zrpc_recording *out, struct zrpc_error *err)
{
    char path[256], *line = NULL;
    size_t size = 0;
    FILE *file;
    int rc = 0;

    *out = (struct zrpc_recording){0};
    snprintf(path, sizeof path, "%s/%s.txt", ZRPC_GOLDEN_DIR, name);
    if ((file = fopen(path, "re")) == NULL)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "open %s", path);
    while (rc == 0 && getline(&line, &size, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        rc = parse_line(line, out, err);
    }
    if (rc == 0 && ferror(file))
        rc = zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "read");
    free(line);
    fclose(file);
    if (rc < 0) {
        zrpc_recording_dispose(out);
        return zrpc_error_prefix(err, rc, "%s", path);
    }
    return 0;
}

void zrpc_recording_dispose(struct zrpc_recording *r)
{
    zrpc_buf_dispose(&r->side[ZRPC_GOLDEN_CLIENT].bytes);
    zrpc_buf_dispose(&r->side[ZRPC_GOLDEN_SERVER].bytes);
    *r = (struct zrpc_recording){0};
}
