/*
 * The mutants, by what they break. Each table is ended by one without a name.
 */
#ifndef ZRPC_CONFORMANCE_MUTANT_FAMILIES_H
#define ZRPC_CONFORMANCE_MUTANT_FAMILIES_H

#include "conformance/mutants/mutant.h"

extern const struct zrpc_mutant zrpc_mutants_connect[];
extern const struct zrpc_mutant zrpc_mutants_read[];
extern const struct zrpc_mutant zrpc_mutants_write[];
extern const struct zrpc_mutant zrpc_mutants_life[];
extern const struct zrpc_mutant zrpc_mutants_process[];
extern const struct zrpc_mutant zrpc_mutants_control[];
extern const struct zrpc_mutant zrpc_mutants_fields[];

#endif
