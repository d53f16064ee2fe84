/*
 * The parts of the zfs command, among themselves. What is printed, and the exit status, are those of
 * OpenZFS's command: 0, 1 for a refusal, 2 for a mistake in the command line, and where that one returns -1,
 * 255.
 */
#ifndef SIM_CMD_ZFS_ZFS_H
#define SIM_CMD_ZFS_ZFS_H

#include <stdbool.h>
#include <stdio.h>

#include "sim/zfs/faults.h"
#include "sim/zfs/zpool.h"

enum { EXIT_REFUSED = 1, EXIT_MISUSED = 2, EXIT_MINUS_ONE = 255 };

struct zfs_command;

/* The pool of $ZFS_SIM_POOL, and the faults of $ZFS_SIM_FAULTS. */
struct zfs {
    const struct zfs_command *command;
    struct zrpc_zpool *pool;
    struct zrpc_zfs_faults *faults; /* NULL: none */
    struct zrpc_zfs_faulty faulty;
    struct zrpc_zfs zfs; /* the pool with its faults */
};

struct zfs_command {
    const char *name, *alias;
    const char *usage; /* lines of its own, each with a tab in front */
    int (*run)(struct zfs *z, int argc, char **argv);
    bool tells_properties; /* its usage has a list of them */
};

/* The exit status. */
int zfs_main(int argc, char **argv);

/* Prints the error, with `fmt` and a newline in front if fmt is not NULL; EXIT_MISUSED with the usage. */
int misused(const struct zfs *z, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for what getopt(3) found: ':' or '?'. */
int misused_option(const struct zfs *z, int found);
/* Prints it; EXIT_REFUSED. */
int refused(const struct zrpc_error *err);
/* For what has failed already: whatever it answered, the output must have come out as well. */
int flushed(int status);

/* The subcommands; command.c has the table. */
int zfs_list(struct zfs *z, int argc, char **argv);
int zfs_get(struct zfs *z, int argc, char **argv);
int zfs_set(struct zfs *z, int argc, char **argv);
int zfs_inherit(struct zfs *z, int argc, char **argv);
int zfs_create(struct zfs *z, int argc, char **argv);
int zfs_destroy(struct zfs *z, int argc, char **argv);
int zfs_snapshot(struct zfs *z, int argc, char **argv);
int zfs_bookmark(struct zfs *z, int argc, char **argv);
int zfs_rollback(struct zfs *z, int argc, char **argv);
int zfs_send(struct zfs *z, int argc, char **argv);
int zfs_receive(struct zfs *z, int argc, char **argv);
int zfs_hold(struct zfs *z, int argc, char **argv);
int zfs_release(struct zfs *z, int argc, char **argv);
int zfs_holds(struct zfs *z, int argc, char **argv);

/* The table of properties, as usages have it. */
void print_properties(FILE *out);

/*
 * Datasets as arguments. FS@SNAPSHOT and FS#BOOKMARK are told apart by their first delimiter.
 */
/* Whether it names what `types` admits; else ZRPC_ERR_ZFS as zfs says it of a name that cannot be opened. */
int check_name(const char *name, unsigned types, struct zrpc_error *err);
/* check_name(), and it exists and is of such a type. */
int open_dataset(struct zfs *z, const char *name, unsigned types, struct zrpc_zpool_dataset *out,
                 struct zrpc_error *err);
/* "filesystem", ... */
const char *type_name(enum zrpc_zpool_type type);
/* The name without snapshot or bookmark. */
void filesystem_of(const char *name, char out[static ZRPC_ZFS_NAME_MAX]);
/* Adds property=value. Prints what is wrong with it; `text` is split in place. */
#define SETTINGS_MAX 64
struct settings {
    struct zrpc_zpool_setting items[SETTINGS_MAX];
    size_t n;
};
bool add_setting(struct settings *s, char *text);

/*
 * An operation with its faults: before() strikes, commit() around what it does.
 */
int begin_operation(struct zfs *z, enum zrpc_zfs_operation operation, const char *name,
                    struct zrpc_zfs_struck *struck, struct zrpc_error *err);
int end_operation(const struct zrpc_zfs_struck *struck, struct zrpc_error *err);
/* One command that changes several at once: what strikes one of them strikes all. The names are borrowed. */
struct operation {
    struct operation *next;
    struct zrpc_zfs_struck struck;
    char filesystem[ZRPC_ZFS_NAME_MAX];
};
int begin_one_of(struct zfs *z, enum zrpc_zfs_operation operation, const char *name, struct operation **all,
                 struct zrpc_error *err);
int end_all(const struct operation *all, struct zrpc_error *err);
void forget_all(struct operation *all);

/*
 * Values, as people read them.
 */
#define NICE_MAX 32
/* 1.50M; bytes: 512B below 1K. Returns out. */
const char *nice_number(uint64_t n, bool bytes, char out[static NICE_MAX]);
const char *nice_time(int64_t when, const char *format, char *out, size_t size);
/* 10G. Notes why not. */
int parse_size(const char *text, uint64_t *out, struct zrpc_error *err);
/* The value of a native property as it is shown without -p. */
void humanise(const struct zrpc_zpool_property *p, const char *value, char *out, size_t size);

/*
 * Columns: the properties that list and get show, with their widths.
 */
struct column {
    char name[ZRPC_ZFS_NAME_MAX];
    const struct zrpc_zpool_property *native; /* NULL: the name, or a user property */
    bool is_name;
    bool all;   /* came with "all": only where it is set */
    bool fixed; /* does not grow, but for -p */
    int width, received_width;
};

struct columns {
    struct column *items;
    size_t len, cap;
    bool all; /* the list was "all": user properties are added as they are met */
};

/* ZRPC_ERR_USAGE as zfs says it. `list` is split in place. */
int columns_parse(struct columns *c, char *list, struct zrpc_error *err);
int columns_add(struct columns *c, const char *name, struct zrpc_error *err);
void columns_dispose(struct columns *c);
const char *column_header(const struct column *c, char out[static ZRPC_ZFS_NAME_MAX]);
bool column_right(const struct column *c);
/* The value of the column for a dataset, as it is shown; 0: it has none. */
struct cell {
    char value[ZRPC_ZPOOL_VALUE_MAX];
    char received[ZRPC_ZPOOL_VALUE_MAX];
    enum zrpc_zpool_source source;
    char from[ZRPC_ZFS_NAME_MAX];
    bool has_received;
};
int column_cell(struct zfs *z, const struct column *c, const struct zrpc_zpool_dataset *d, bool literal,
                struct cell *out, struct zrpc_error *err);
/* Makes room for the dataset's values, and for its user properties where all are shown. */
int columns_fit(struct zfs *z, struct columns *c, const struct zrpc_zpool_dataset *d, bool literal,
                bool received, struct zrpc_error *err);

/*
 * Walks: what -r, -d, -t, -s and -S choose, in zfs's order.
 */
#define SORT_MAX 16
struct walk {
    bool recurse;
    int depth; /* with recurse; ZRPC_ZPOOL_ANY_DEPTH */
    unsigned types;
    bool types_given;
    struct {
        struct column column;
        bool reverse;
    } sort[SORT_MAX];
    size_t n_sort;
    struct zrpc_zpool_datasets found;
};

/* For -d, -t, -s, -S: 0, or what misused() answered. */
int walk_depth(const struct zfs *z, struct walk *w, const char *text);
int walk_types(const struct zfs *z, struct walk *w, char *text);
int walk_sort(const struct zfs *z, struct walk *w, const char *property, bool reverse);
/* Of the arguments, or of all there is. Arguments that cannot be opened are told, and make it answer
 * EXIT_REFUSED; the others are found all the same. */
int walk_run(struct zfs *z, struct walk *w, int argc, char **argv);
void walk_dispose(struct walk *w);

#endif
