#include "conformance/report.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is there is kept until the new content is whole; but a device or a pipe is written to, not replaced.
 */
static bool replaceable(const char *path)
{
    struct stat st;

    return lstat(path, &st) < 0 || S_ISREG(st.st_mode);
}

static bool write_whole(const char *path, struct zrpc_view bytes)
{
    FILE *file = fopen(path, "we");
    bool ok;

    if (file == NULL)
        return false;
    ok = fwrite(bytes.data, 1, bytes.len, file) == bytes.len;
    return fclose(file) == 0 && ok;
}

int zrpc_report_write(const char *path, const struct zrpc_buf *content, struct zrpc_error *err)
{
    struct zrpc_buf name = {0};
    bool replace = replaceable(path);
    int errnum;

    zrpc_text_add(&name, "%s%s", path, replace ? ".new" : "");
    errno = 0;
    if (write_whole(zrpc_text_str(&name), zrpc_buf_view(content)) &&
        (!replace || rename(zrpc_text_str(&name), path) == 0)) {
        zrpc_buf_dispose(&name);
        return 0;
    }
    errnum = errno;
    if (replace)
        unlink(zrpc_text_str(&name));
    zrpc_buf_dispose(&name);
    return zrpc_fail_errno(err, ZRPC_ERR_USAGE, errnum, "writing %s", path);
}

void zrpc_report_add_verdict(struct zrpc_buf *out, const struct zrpc_result *result)
{
    zrpc_text_add(out, "%s", zrpc_verdict_name(result->verdict));
    if (result->found == ZRPC_VERDICT_FLAKY)
        zrpc_text_add(out, " (%u of %u)", result->passed, result->runs);
}

void zrpc_report_add_requirements(struct zrpc_buf *out, const struct zrpc_case *tc)
{
    for (size_t i = 0; i < ZRPC_CASE_REQUIREMENTS_MAX && tc->requirements[i] != NULL; i++)
        zrpc_text_add(out, "%s%s", i == 0 ? "" : " ", tc->requirements[i]);
}

double zrpc_report_seconds(const struct zrpc_result *result)
{
    return result->run == NULL ? 0 : (double)(result->run->ended - result->run->started) / ZRPC_SECOND;
}

static void add_part(struct zrpc_buf *out, const char *indent, const char *name, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    while (*text != '\0') {
        size_t line = strcspn(text, "\n");

        zrpc_text_add(out, "%s%-11s", indent, name);
        zrpc_text_add_shown(out, zrpc_view(text, line));
        zrpc_text_add(out, "\n");
        text += text[line] == '\n' ? line + 1 : line;
        name = "";
    }
}

void zrpc_report_add_story(struct zrpc_buf *out, const struct zrpc_result *result, const char *indent)
{
    bool story = result->found != ZRPC_VERDICT_PASS && result->run != NULL;

    if (story && result->run->expected != NULL) {
        add_part(out, indent, "expected", result->run->expected);
        add_part(out, indent, "got", result->run->got);
        add_part(out, indent, "legal is", result->tc->legal);
    } else if (story) {
        add_part(out, indent, "because", result->run->got);
    }
    add_part(out, indent, "afterwards", result->aftermath);
    add_part(out, indent, "known", result->expectation);
}

static void add_events(struct zrpc_buf *out, const struct zrpc_trace *trace, size_t first, size_t end,
                       const char *indent)
{
    for (size_t i = first; i < end; i++) {
        if (i == ZRPC_TRACE_HEAD && zrpc_trace_missing(trace) > 0)
            zrpc_text_add(out, "%s... %zu events are not shown\n", indent, zrpc_trace_missing(trace));
        zrpc_text_add(out, "%s", indent);
        zrpc_trace_add_line(out, zrpc_trace_get(trace, i));
        zrpc_text_add(out, "\n");
    }
}

void zrpc_report_add_trace(struct zrpc_buf *out, const struct zrpc_run *run, const char *indent)
{
    add_events(out, &run->trace, 0, zrpc_trace_kept(&run->trace), indent);
}

void zrpc_report_add_last_events(struct zrpc_buf *out, const struct zrpc_run *run, size_t max,
                                 const char *indent)
{
    size_t end = zrpc_trace_kept(&run->trace), first;

    while (end > 0 && zrpc_trace_get(&run->trace, end - 1)->at > run->decided_at - run->started)
        end--;
    first = end > max ? end - max : 0;
    if (first > 0)
        zrpc_text_add(out, "%s%8s\n", indent, "...");
    add_events(out, &run->trace, first, end, indent);
}
