/* For clang-tidy alone, which cannot look into the functions that fill an error: what they return is the code. */
#include "zrpc/error.h"

#define zrpc_fail(err, code, ...)               ((zrpc_fail)(err, code, __VA_ARGS__), (code))
#define zrpc_fail_errno(err, code, errnum, ...) ((zrpc_fail_errno)(err, code, errnum, __VA_ARGS__), (code))
