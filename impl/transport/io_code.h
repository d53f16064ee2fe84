/*
 * What an errno of reading or writing means for a wire.
 */
#ifndef ZRPC_TRANSPORT_IO_CODE_H
#define ZRPC_TRANSPORT_IO_CODE_H

/* ZRPC_ERR_RESET for the ways in which a connection gets lost, ZRPC_ERR_SYSTEM for the others. */
int zrpc_io_code(int errnum);

#endif
