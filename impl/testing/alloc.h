/*
 * Scarcity on demand: the Nth allocation fails, or the Nth call that takes a descriptor, thread or process,
 * and the test sees whether the code copes.
 *
 * Test programs are linked with --wrap for the functions named below (Makefile: WRAPPED), so that calls from
 * the project's objects come here first, in every build: plain, sanitized, under valgrind. protobuf-c is
 * reached too, because zrpc/pb.h gives it an allocator of ours. What other libraries take on their own is
 * neither counted nor refused.
 */
#ifndef ZRPC_TESTING_ALLOC_H
#define ZRPC_TESTING_ALLOC_H

/*
 * Memory, ENOMEM: malloc, calloc, realloc, reallocarray, strdup, strndup, asprintf, vasprintf.
 */
/* The nth allocation from now on fails, counted from 1 over all threads, and no other; 0: none. Each test
 * begins with 0. */
void zrpc_alloc_fail_at(long n);
/* Allocations since then, the one that failed included. */
long zrpc_alloc_count(void);
/* Runs scenario(arg) with the 1st allocation failing, then with the 2nd, ... until a run makes fewer. Every
 * run that was hit must answer ZRPC_ERR_NOMEM, the last one 0. Returns how many allocations that one made. */
long zrpc_alloc_each(int (*scenario)(void *arg), void *arg);

/*
 * Descriptors, EMFILE: eventfd, epoll_create1, socket, socketpair, pipe, pipe2, accept4, dup, fopen, opendir.
 * Threads and processes, EAGAIN: pthread_create, fork.
 */
void zrpc_resource_fail_at(long n);
long zrpc_resource_count(void);
/* As zrpc_alloc_each(); a run that was hit must fail, with whatever code. */
long zrpc_resource_each(int (*scenario)(void *arg), void *arg);

#endif
