#include "conformance/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int zrpc_file_read(const char *path, char **text, struct zrpc_error *err)
{
    FILE *file = fopen(path, "r");
    char *buf = NULL;
    size_t n;
    int rc = 0;

    if (file == NULL)
        return zrpc_fail_errno(err, ZRPC_ERR_USAGE, errno, "%s", path);
    buf = malloc(ZRPC_FILE_MAX + 1);
    if (buf == NULL) {
        rc = zrpc_fail(err, ZRPC_ERR_NOMEM, "reading %s", path);
        goto out;
    }
    n = fread(buf, 1, ZRPC_FILE_MAX + 1, file);
    if (ferror(file))
        rc = zrpc_fail_errno(err, ZRPC_ERR_USAGE, errno, "reading %s", path);
    else if (n > ZRPC_FILE_MAX)
        rc = zrpc_fail(err, ZRPC_ERR_LIMIT, "%s: longer than %d bytes", path, ZRPC_FILE_MAX);
    else if (memchr(buf, '\0', n) != NULL)
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "%s: not a text, it holds a zero byte", path);
    else
        buf[n] = '\0';
out:
    fclose(file);
    if (rc < 0)
        free(buf);
    else
        *text = buf;
    return rc;
}
