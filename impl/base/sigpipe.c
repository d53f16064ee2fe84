#include "zrpc/sigpipe.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

void zrpc_sigpipe_block(sigset_t *saved)
{
    sigset_t pipe_only;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, saved);
}

void zrpc_sigpipe_restore(const sigset_t *saved)
{
    static const struct timespec at_once = {0};
    sigset_t pipe_only;
    int errnum = errno;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    if (!sigismember(saved, SIGPIPE))
        while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR)
            continue;
    pthread_sigmask(SIG_SETMASK, saved, NULL);
    errno = errnum;
}
