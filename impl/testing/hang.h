/*
 * Where a test hangs: for who reads a log and cannot attach a debugger.
 */
#ifndef ZRPC_TESTING_HANG_H
#define ZRPC_TESTING_HANG_H

/* Once, while all is well: makes ready what zrpc_hang_report() uses. Takes SIGUSR2. */
void zrpc_hang_prepare(void);

/* Prints, to standard error, every thread of the process with its state, what it waits for in the kernel, and
 * its backtrace, with file and line where addr2line is at hand; then the child processes. For the
 * signal handler of a process about to end: neither allocates nor takes locks; standard output becomes
 * standard error. */
void zrpc_hang_report(void);

#endif
