#include "conformance/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conformance/text.h"

int zrpc_file_load(const char *path, size_t max, struct zrpc_buf *out, struct zrpc_error *err)
{
    FILE *file = fopen(path, "re");
    char chunk[16384];
    size_t n, len = 0;
    int rc = 0;

    if (file == NULL)
        return zrpc_fail_errno(err, ZRPC_ERR_USAGE, errno, "%s", path);
    while (rc == 0 && (n = fread(chunk, 1, sizeof chunk, file)) > 0) {
        len += n;
        rc = len > max ? zrpc_fail(err, ZRPC_ERR_LIMIT, "%s: longer than %zu bytes", path, max)
                       : zrpc_buf_append(out, zrpc_view(chunk, n), err);
    }
    if (rc == 0 && ferror(file))
        rc = zrpc_fail_errno(err, ZRPC_ERR_USAGE, errno, "reading %s", path);
    fclose(file);
    return rc;
}

int zrpc_file_read(const char *path, char **text, struct zrpc_error *err)
{
    struct zrpc_buf content = {0};
    struct zrpc_view bytes;
    int rc = zrpc_file_load(path, ZRPC_FILE_MAX, &content, err);

    bytes = zrpc_buf_view(&content);
    if (rc == 0 && bytes.len > 0 && memchr(bytes.data, '\0', bytes.len) != NULL)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "%s: not a text, it holds a zero byte", path);
    if (rc == 0)
        rc = zrpc_buf_append(&content, zrpc_view("", 1), err);
    if (rc == 0 && (*text = zrpc_text_take(&content)) == NULL)
        rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "reading %s", path);
    zrpc_buf_dispose(&content);
    return rc;
}
