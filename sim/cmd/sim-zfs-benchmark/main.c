/*
 * How fast one core makes and verifies simulated streams.
 *
 *     sim-zfs-benchmark [GIB]     GiB per measurement, default 4
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "sim/zfs/sendstream.h"

static uint8_t chunk[1u << 19]; /* what a connection asks a source for */

/* CPU time, so that a busy machine does not show. */
static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(const char *what, uint64_t bytes, double seconds)
{
    printf("%-20s %6.2f GB/s\n", what, (double)bytes / 1e9 / seconds);
}

static void measure_fill(uint64_t bytes)
{
    double started = cpu_seconds();

    for (uint64_t at = 0; at < bytes; at += sizeof chunk)
        zrpc_sim_content_fill(1, at, chunk, sizeof chunk);
    report("content made", bytes, cpu_seconds() - started);
}

static int measure_equal(uint64_t bytes)
{
    bool equal = true;
    double started;

    zrpc_sim_content_fill(1, 0, chunk, sizeof chunk);
    started = cpu_seconds();
    for (uint64_t at = 0; at < bytes; at += sizeof chunk)
        equal = zrpc_sim_content_equal(1, 0, chunk, sizeof chunk) && equal;
    report("content checked", bytes, cpu_seconds() - started);
    return equal ? 0 : -1;
}

static int make_writer(struct zrpc_sendstream_writer *w, uint64_t bytes, struct zrpc_error *err)
{
    struct zrpc_sendstream s = {.begin = {.toname = "sim@benchmark", .to_guid = 1}, .first_object = 1};
    int rc = zrpc_sim_extents_push(&s.extents, (struct zrpc_sim_extent){.seed = 1, .length = bytes}, err);

    if (rc == 0)
        return zrpc_sendstream_writer_init(w, s, err);
    zrpc_sendstream_dispose(&s);
    return rc;
}

/* What writing and reading it took, each on its own account. */
static int measure_stream(uint64_t bytes, struct zrpc_error *err)
{
    struct zrpc_sendstream_writer writer;
    struct zrpc_sendstream_reader reader = {0};
    double writing = 0, reading = 0;
    int rc = make_writer(&writer, bytes, err);
    size_t n;

    if (rc != 0)
        return rc;
    do {
        double started = cpu_seconds(), written;
        struct zrpc_view in;

        n = zrpc_sendstream_writer_read(&writer, chunk, sizeof chunk);
        written = cpu_seconds();
        in = zrpc_view(chunk, n);
        while (rc >= 0 && in.len > 0)
            rc = zrpc_sendstream_reader_feed(&reader, &in, err);
        writing += written - started;
        reading += cpu_seconds() - written;
    } while (rc >= 0 && n > 0);
    if (rc >= 0)
        rc = zrpc_sendstream_reader_finish(&reader, err);
    zrpc_sendstream_reader_dispose(&reader);
    zrpc_sendstream_writer_dispose(&writer);
    report("stream written", bytes, writing);
    report("stream verified", bytes, reading);
    return rc;
}

int main(int argc, char **argv)
{
    uint64_t gib = argc > 1 ? strtoull(argv[1], NULL, 10) : 4;
    struct zrpc_error err = {.text = "content differs"};

    if (gib < 1 || gib > 1024) {
        fprintf(stderr, "usage: %s [GIB]\n    GIB: from 1 to 1024, default 4\n", argv[0]);
        return EXIT_USAGE;
    }
    measure_fill(gib << 30);
    if (measure_equal(gib << 30) == 0 && measure_stream(gib << 30, &err) == 0)
        return cli_finish("sim-zfs-benchmark", EXIT_DONE);
    cli_complain("sim-zfs-benchmark", NULL, err.text);
    return EXIT_FAILED;
}
