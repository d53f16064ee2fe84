#include <endian.h>
#include <string.h>

#include "content.h"

/* Four lanes, of every fourth word each: 0 and 2 side by side in one vector, 1 and 3 in another. */
#define LANES 4
typedef uint64_t pair __attribute__((vector_size(16)));

#define RUN 65536u /* words between two additions of the lanes */

static void add_words(uint64_t sum[static 4], const uint8_t *data, size_t n_words, bool swapped)
{
    uint64_t a = sum[0], b = sum[1], c = sum[2], d = sum[3];

    for (size_t i = 0; i < n_words; i++) {
        uint32_t w;

        memcpy(&w, data + 4 * i, 4);
        a += swapped ? be32toh(w) : le32toh(w);
        b += a;
        c += b;
        d += c;
    }
    sum[0] = a, sum[1] = b, sum[2] = c, sum[3] = d;
}

/* The sums of n words that follow others. Word i of n counts n - i times in b, and C(n - i + 1, 2) and
 * C(n - i + 2, 3) times in c and d; what stands before counts the same with n. */
static void append(uint64_t sum[static 4], const uint64_t then[static 4], uint64_t n)
{
    uint64_t n2 = n * (n + 1) / 2, n3 = n * (n + 1) / 2 * (n + 2) / 3;

    sum[3] += n * sum[2] + n2 * sum[1] + n3 * sum[0] + then[3];
    sum[2] += n * sum[1] + n2 * sum[0] + then[2];
    sum[1] += n * sum[0] + then[1];
    sum[0] += then[0];
}

/* Lane j has the words 4 k + j of 4 m. What counts t = m - k times in the lane counts n = 4 t - j times in
 * the whole: n, C(n + 1, 2) and C(n + 2, 3) are here written in t, C(t + 1, 2) and C(t + 2, 3). */
static void add_lanes(uint64_t sum[static 4], const uint64_t a[static LANES], const uint64_t b[static LANES],
                      const uint64_t c[static LANES], const uint64_t d[static LANES])
{
    static const int64_t c_b[LANES] = {-6, -10, -14, -18}, c_a[LANES] = {0, 0, 1, 3};
    static const int64_t d_c[LANES] = {-48, -64, -80, -96}, d_b[LANES] = {4, 10, 20, 34};
    static const int64_t d_a[LANES] = {0, 0, 0, -1};

    memset(sum, 0, 4 * sizeof *sum);
    for (int j = 0; j < LANES; j++) {
        sum[0] += a[j];
        sum[1] += 4 * b[j] - (uint64_t)j * a[j];
        sum[2] += 16 * c[j] + (uint64_t)c_b[j] * b[j] + (uint64_t)c_a[j] * a[j];
        sum[3] += 64 * d[j] + (uint64_t)d_c[j] * c[j] + (uint64_t)d_b[j] * b[j] + (uint64_t)d_a[j] * a[j];
    }
}

/* n_words is a multiple of LANES. */
static void add_run(uint64_t sum[static 4], const uint8_t *data, size_t n_words)
{
    pair a02 = {0}, b02 = {0}, c02 = {0}, d02 = {0}, a13 = {0}, b13 = {0}, c13 = {0}, d13 = {0}, w;
    uint64_t then[4];

    for (size_t i = 0; i < n_words; i += LANES) {
        memcpy(&w, data + 4 * i, sizeof w);
        a02 += w & UINT32_MAX;
        a13 += w >> 32;
        b02 += a02;
        b13 += a13;
        c02 += b02;
        c13 += b13;
        d02 += c02;
        d13 += c13;
    }
    add_lanes(then, (uint64_t[]){a02[0], a13[0], a02[1], a13[1]},
              (uint64_t[]){b02[0], b13[0], b02[1], b13[1]}, (uint64_t[]){c02[0], c13[0], c02[1], c13[1]},
              (uint64_t[]){d02[0], d13[0], d02[1], d13[1]});
    append(sum, then, n_words);
}

static void update_words(struct zrpc_sim_fletcher4 *f, const uint8_t *data, size_t n_words)
{
    bool host = !f->swapped && htole32(1) == 1;

    while (host && n_words >= 4 * LANES) {
        size_t n = (n_words < RUN ? n_words : RUN) / LANES * LANES;

        add_run(f->sum, data, n);
        data += 4 * n;
        n_words -= n;
    }
    if (f->swapped)
        add_words(f->sum, data, n_words, true);
    else
        add_words(f->sum, data, n_words, false);
}

void zrpc_sim_fletcher4_update(struct zrpc_sim_fletcher4 *f, const void *data, size_t len)
{
    const uint8_t *at = data;

    while (f->n_held > 0 && len > 0) {
        f->held[f->n_held++] = *at++;
        len--;
        if (f->n_held == 4) {
            update_words(f, f->held, 1);
            f->n_held = 0;
        }
    }
    update_words(f, at, len / 4);
    if (len % 4 != 0) {
        f->n_held = len % 4;
        memcpy(f->held, at + len - f->n_held, f->n_held);
    }
}
