#include "cli/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static void append(struct zrpc_buf *out, const char *text, size_t len)
{
    (void)zrpc_buf_append(out, zrpc_view(text, len), NULL); /* for people: what does not fit is left out */
}

/* The character or byte that v begins with, which is `len` long. `by_code`: as JSON writes it. */
static void append_escape(struct zrpc_buf *out, struct zrpc_view v, size_t len, bool by_code)
{
    static const char names[] = "\nn\rr\tt"; /* pairs: the byte, what follows the backslash */
    char escape[16];
    int n = 0;

    for (size_t i = 0; i + 1 < sizeof names && n == 0; i += 2)
        if (v.data[0] == (uint8_t)names[i])
            n = snprintf(escape, sizeof escape, "\\%c", names[i + 1]);
    if (n == 0)
        n = snprintf(escape, sizeof escape, len > 1 || by_code ? "\\u%04x" : "\\x%02x",
                     len > 1 ? (unsigned)zrpc_utf8_code(v) : v.data[0]);
    append(out, escape, (size_t)n);
}

static void escape(struct zrpc_buf *out, struct zrpc_view v, bool by_code)
{
    while (v.len > 0) {
        size_t n = zrpc_utf8_printable(v), sequence = zrpc_utf8_sequence(v);

        if (n > 0)
            append(out, (const char *)v.data, n);
        else if (by_code && v.data[0] == '\n')
            append(out, "\n", 1); /* it is the layout's: texts in JSON hold none */
        else
            append_escape(out, v, sequence, by_code);
        zrpc_view_take(&v, n > 0 ? n : sequence > 0 ? sequence : 1);
    }
}

void cli_escape(struct zrpc_buf *out, const char *text)
{
    escape(out, zrpc_view_of(text), false);
}

static void print(FILE *out, const struct zrpc_buf *text)
{
    struct zrpc_view v = zrpc_buf_view(text);

    if (v.len > 0)
        fwrite(v.data, 1, v.len, out);
}

void cli_print_escaped(FILE *out, const char *text)
{
    struct zrpc_buf escaped = {0};

    cli_escape(&escaped, text);
    print(out, &escaped);
    zrpc_buf_dispose(&escaped);
}

void cli_printf(FILE *out, const char *fmt, ...)
{
    size_t len = strlen(fmt);
    bool line = len > 0 && fmt[len - 1] == '\n';
    va_list args;
    char *text;
    int n;

    va_start(args, fmt);
    n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0)
        return;
    if (line)
        text[n - 1] = '\0';
    cli_print_escaped(out, text);
    if (line)
        fputc('\n', out);
    free(text);
}

void cli_print_json(FILE *out, const json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    struct zrpc_buf escaped = {0};

    if (text != NULL)
        escape(&escaped, zrpc_view_of(text), true);
    append(&escaped, "\n", 1);
    print(out, &escaped);
    zrpc_buf_dispose(&escaped);
    free(text);
}

static void append_complaint(struct zrpc_buf *out, const char *program, const char *command,
                             struct zrpc_view text)
{
    append(out, program, strlen(program));
    if (command != NULL) {
        append(out, " ", 1);
        append(out, command, strlen(command));
    }
    append(out, ": ", 2);
    escape(out, text, false);
    append(out, "\n", 1);
}

void cli_complain(const char *program, const char *command, const char *text)
{
    struct zrpc_buf line = {0};

    append_complaint(&line, program, command, zrpc_view_of(text));
    print(stderr, &line);
    zrpc_buf_dispose(&line);
}

void cli_complain_lines(const char *program, const char *command, const char *text)
{
    struct zrpc_buf lines = {0};
    size_t len;

    do {
        len = strcspn(text, "\n");
        append_complaint(&lines, program, command, zrpc_view(text, len));
        text += len + 1;
    } while (text[-1] != '\0');
    print(stderr, &lines);
    zrpc_buf_dispose(&lines);
}

int cli_finish(const char *program, int status)
{
    bool failed = ferror(stdout) != 0;
    struct zrpc_error err;

    errno = 0;
    if ((fflush(stdout) == 0 && !failed) || status == EXIT_LOCAL) /* then it has been said */
        return status;
    if (errno != 0)
        zrpc_fail_errno(&err, ZRPC_ERR_SYSTEM, errno, "cannot write to standard output");
    else
        zrpc_fail(&err, ZRPC_ERR_SYSTEM, "cannot write all to standard output");
    cli_complain(program, NULL, err.text);
    return status == EXIT_DONE ? EXIT_LOCAL : status;
}
