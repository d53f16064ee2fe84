#include "testing/golden.h"
#include "testing/suite.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "zrpc/pb.h"
#include "zrpc/versionhandshake.h"

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

#define LABEL_AT 67 /* behind the client's banner */

static bool has_label(const struct zrpc_recording *r, enum zrpc_label label)
{
    struct zrpc_view client = zrpc_buf_view(&r->side[ZRPC_GOLDEN_CLIENT].bytes);
    enum zrpc_label found = ZRPC_LABEL_COUNT;

    if (client.len >= LABEL_AT + ZRPC_LABEL_LEN)
        (void)zrpc_label_decode(client.data + LABEL_AT, &found, NULL);
    return found == label;
}

int zrpc_recordings_count(enum zrpc_label label)
{
    DIR *dir = opendir(ZRPC_GOLDEN_DIR);
    const struct dirent *entry;
    int count = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct zrpc_recording r;
        char name[256];

        snprintf(name, sizeof name, "%s", entry->d_name);
        if (strlen(name) < 4 || strcmp(name + strlen(name) - 4, ".txt") != 0)
            continue;
        name[strlen(name) - 4] = '\0';
        if (!CHECK_OK(zrpc_recording_load(name, &r, NULL)))
            continue;
        count += has_label(&r, label);
        zrpc_recording_dispose(&r);
    }
    if (dir != NULL)
        closedir(dir);
    return count;
}

void zrpc_golden_check_banner(struct zrpc_view *in, size_t portion)
{
    const struct zrpc_banner ours = {.version = ZRPC_PROTOCOL_VERSION};
    struct zrpc_view all = *in;
    struct zrpc_banner_reader r;
    struct zrpc_buf again = {0};
    int rc = 0;

    zrpc_banner_reader_init(&r);
    while (rc == 0 && in->len > 0) {
        struct zrpc_view part = zrpc_view(in->data, in->len < portion ? in->len : portion);
        size_t given = part.len;

        rc = zrpc_banner_reader_feed(&r, &part, NULL);
        zrpc_view_take(in, given - part.len);
    }
    CHECK_INT(rc, 1);
    CHECK_OK(zrpc_banner_encode(&ours, &again, NULL));
    CHECK_BYTES(zrpc_view(all.data, all.len - in->len), zrpc_buf_view(&again));
    zrpc_buf_dispose(&again);
    zrpc_banner_reader_dispose(&r);
}

bool zrpc_golden_check_label(struct zrpc_view *in, enum zrpc_label expected)
{
    uint8_t again[ZRPC_LABEL_LEN];
    enum zrpc_label label;
    struct zrpc_view bytes;

    if (!CHECK(in->len >= ZRPC_LABEL_LEN))
        return false;
    bytes = zrpc_view_take(in, ZRPC_LABEL_LEN);
    if (!CHECK_OK(zrpc_label_decode(bytes.data, &label, NULL)))
        return false;
    zrpc_label_encode(label, again);
    CHECK_BYTES(bytes, zrpc_view(again, sizeof again));
    return CHECK_INT(label, expected);
}

void zrpc_golden_check_message(const struct zrpc_golden_message *m, struct zrpc_view content)
{
    ProtobufCMessage *msg = NULL;
    struct zrpc_buf again = {0};

    if (!CHECK_OK(zrpc_pb_decode(m->descriptor, content, &msg, NULL)))
        return;
    if (m->check != NULL)
        m->check(msg);
    CHECK_OK(zrpc_pb_encode(msg, &again, NULL));
    CHECK_BYTES(zrpc_buf_view(&again), content);
    zrpc_buf_dispose(&again);
    protobuf_c_message_free_unpacked(msg, NULL);
}
