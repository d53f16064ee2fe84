#include "transport/io_code.h"

#include <errno.h>
#include <stddef.h>

#include "zrpc/error.h"

static const int lost_errnos[] = {
    ECONNRESET, EPIPE, ECONNABORTED, ENOTCONN, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ENETRESET,
};

int zrpc_io_code(int errnum)
{
    for (size_t i = 0; i < sizeof lost_errnos / sizeof lost_errnos[0]; i++)
        if (lost_errnos[i] == errnum)
            return ZRPC_ERR_RESET;
    return ZRPC_ERR_SYSTEM;
}
