#include <dlfcn.h>

#include "wireevaluator/transport.h"

typedef int make_transport(unsigned abi, const char *argument, struct zrpc_evaluated **out,
                           struct zrpc_error *err);

int zrpc_eval_transport_load(const char *file, const char *argument, struct zrpc_evaluated **out,
                             struct zrpc_error *err)
{
    void *object = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    make_transport *make = NULL;
    int rc;

    if (object == NULL)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "%s", dlerror());
    *(void **)&make = dlsym(object, "zrpc_wireevaluator_transport");
    if (make == NULL) {
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "%s does not export zrpc_wireevaluator_transport", file);
    } else {
        rc = make(ZRPC_WIREEVALUATOR_ABI, argument, out, err);
        if (rc < 0)
            rc = zrpc_error_prefix(err, rc, "%s", file);
    }
    if (rc < 0)
        dlclose(object);
    return rc; /* the object stays as long as its transport, which is as long as the process */
}
