/*
 * Fuzz targets for clang's libFuzzer, one program each: `make fuzz`.
 */
#ifndef ZRPC_TESTING_FUZZ_H
#define ZRPC_TESTING_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "zrpc/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold for every input. */
#define REQUIRE(condition)                                                                \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

/* The next byte of the input, 0 when it is used up: lengths of portions, choices. */
static inline uint8_t fuzz_byte(struct zrpc_view *in)
{
    return in->len > 0 ? zrpc_view_take(in, 1).data[0] : 0;
}

#endif
