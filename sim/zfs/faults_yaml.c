#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/zfs/faults_internal.h"

static bool read_text(struct zrpc_yaml *y, const char *key, yaml_node_t *node, const char **text)
{
    unsigned before = y->n_problems;

    zrpc_yaml_string(y, key, node, (void *)text);
    return y->n_problems == before;
}

static void read_bounded(struct zrpc_yaml *y, const char *key, yaml_node_t *node, char *out, size_t max)
{
    const char *text;

    if (!read_text(y, key, node, &text))
        return;
    if (strlen(text) < max)
        memcpy(out, text, strlen(text) + 1);
    else
        zrpc_yaml_problem(y, node, key, "expected a text of at most %zu bytes, found %zu", max - 1,
                          strlen(text));
}

static void read_message(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    read_bounded(y, key, node, out, ZRPC_ZFS_FAULT_TEXT_MAX);
}

/* The last components of a path, or all of one. */
static void read_filesystem(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    unsigned before = y->n_problems;
    struct zrpc_error err;

    read_bounded(y, key, node, out, ZRPC_ZFS_NAME_MAX);
    if (y->n_problems == before && zrpc_zfs_path_check(out, &err) != 0)
        zrpc_yaml_problem(y, node, key, "%s", err.text);
}

static void read_snapshot(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    unsigned before = y->n_problems;
    struct zrpc_error err;

    read_bounded(y, key, node, out, ZRPC_ZFS_NAME_MAX);
    if (y->n_problems == before && zrpc_zfs_name_check(out, &err) != 0)
        zrpc_yaml_problem(y, node, key, "%s", err.text);
}

/* The word's place in the list, or -1 and a problem that names all words. */
static int find_word(struct zrpc_yaml *y, const char *key, yaml_node_t *node, const char *const *words)
{
    char all[256] = "";
    size_t used = 0;
    const char *text;

    if (!read_text(y, key, node, &text))
        return -1;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0)
            return i;
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i == 0 ? "" : ", ", words[i]);
    }
    zrpc_yaml_problem(y, node, key, "expected one of %s, found \"%s\"", all, text);
    return -1;
}

static const char *const operations[] = {
#define WORD(name, word) word,
    ZRPC_ZFS_OPERATION_MAP(WORD)
#undef WORD
        NULL};
static const char *const actions[] = {"refuse", "delay", "busy",  "fail", "full",
                                      "stall",  "slow",  "crash", NULL};
static const char *const whens[] = {"at-byte", "before-commit", "after-commit", NULL};

static void read_operation(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    int i = find_word(y, key, node, operations);

    if (i >= 0)
        *(uint32_t *)out |= UINT32_C(1) << i;
}

static void read_operations(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    yaml_node_t *item;

    if (node->type != YAML_SEQUENCE_NODE)
        read_operation(y, key, node, out);
    else
        for (size_t i = 0; zrpc_yaml_item(y, node, i, &item); i++)
            read_operation(y, key, item, out);
}

static void read_action(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    int i = find_word(y, key, node, actions);

    if (i >= 0)
        *(enum zrpc_zfs_action *)out = (enum zrpc_zfs_action)i;
}

static void read_when(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    int i = find_word(y, key, node, whens);

    if (i >= 0)
        *(enum zrpc_zfs_when *)out = (enum zrpc_zfs_when)i;
}

/* A part of the node's text, as a size. */
static void read_part(struct zrpc_yaml *y, const char *key, const yaml_node_t *node, char *part,
                      uint64_t *out)
{
    yaml_node_t piece = *node;

    piece.data.scalar.value = (yaml_char_t *)part;
    piece.data.scalar.length = strlen(part);
    zrpc_yaml_size(y, key, &piece, out);
}

/* SIZE, or SIZE..SIZE, into a whole fault. */
static void read_at(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    struct zrpc_zfs_fault *f = out;
    char first[64], *dots;
    const char *text;

    if (!read_text(y, key, node, &text))
        return;
    snprintf(first, sizeof first, "%s", text);
    dots = strstr(first, "..");
    if (dots == NULL) {
        zrpc_yaml_size(y, key, node, &f->at);
        return;
    }
    *dots = '\0';
    read_part(y, key, node, first, &f->at);
    read_part(y, key, node, dots + 2, &f->at_last);
}

static void read_times(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    const char *text = "";
    unsigned before = y->n_problems;

    if (node->type == YAML_SCALAR_NODE)
        text = (const char *)node->data.scalar.value;
    *(uint64_t *)out = 0;
    if (strcmp(text, "always") == 0)
        return;
    if (strcmp(text, "once") == 0) {
        *(uint64_t *)out = 1;
        return;
    }
    zrpc_yaml_u64(y, key, node, out);
    if (y->n_problems == before && *(uint64_t *)out == 0)
        zrpc_yaml_problem(y, node, key, "expected once, always, or a number above 0");
}

static void read_probability(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    const char *text;
    double value;
    char *end;

    if (!read_text(y, key, node, &text))
        return;
    value = strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(value) && value > 0 && value <= 1)
        *(double *)out = value;
    else
        zrpc_yaml_problem(y, node, key, "expected a probability above 0 and up to 1, found \"%s\"", text);
}

#define FAULT(member) offsetof(struct zrpc_zfs_fault, member)

static const struct zrpc_yaml_key fault_keys[] = {
    {"action", read_action, FAULT(action), true},
    {"operation", read_operations, FAULT(operations), true},
    {"filesystem", read_filesystem, FAULT(filesystem), false},
    {"snapshot", read_snapshot, FAULT(snapshot), false},
    {"text", read_message, FAULT(text), false},
    {"at", read_at, 0, false},
    {"for", zrpc_yaml_duration, FAULT(lasts), false},
    {"rate", zrpc_yaml_size, FAULT(rate), false},
    {"when", read_when, FAULT(when), false},
    {"skip", zrpc_yaml_u64, FAULT(skip), false},
    {"times", read_times, FAULT(times), false},
    {"probability", read_probability, FAULT(probability), false},
    {NULL, NULL, 0, false},
};

static void add(struct zrpc_yaml *y, const yaml_node_t *node, const struct zrpc_zfs_fault *fault,
                struct zrpc_zfs_faults *p)
{
    struct zrpc_error err;
    int rc = zrpc_zfs_faults_add(p, fault, &err);

    if (rc == ZRPC_ERR_NOMEM)
        y->no_memory = true;
    else if (rc != 0)
        zrpc_yaml_problem(y, node, "fault", "%s", err.text);
}

void zrpc_zfs_faults_read(struct zrpc_yaml *y, yaml_node_t *sequence, struct zrpc_zfs_faults *p)
{
    yaml_node_t *item;

    if (!zrpc_yaml_is_sequence(y, "faults", sequence))
        return;
    for (size_t i = 0; zrpc_yaml_item(y, sequence, i, &item); i++) {
        struct zrpc_zfs_fault fault = {0};
        unsigned before = y->n_problems;

        zrpc_yaml_mapping(y, "fault", item, fault_keys, &fault);
        if (y->n_problems == before)
            add(y, item, &fault, p);
    }
}

/*
 * What a filesystem's `fault` says in a pool's file: the keys of old, each a fault of its own.
 */
struct of_keys {
    char open_error[ZRPC_ZFS_FAULT_TEXT_MAX], list_error[ZRPC_ZFS_FAULT_TEXT_MAX];
    char send_error[ZRPC_ZFS_FAULT_TEXT_MAX], recv_error[ZRPC_ZFS_FAULT_TEXT_MAX];
    zrpc_time open_delay, list_delay;
    uint64_t send_error_at, recv_error_at;
};

#define OF(member) offsetof(struct of_keys, member)

static const struct zrpc_yaml_key of_table[] = {
    {"open_error", read_message, OF(open_error), false},
    {"open_delay", zrpc_yaml_duration, OF(open_delay), false},
    {"list_error", read_message, OF(list_error), false},
    {"list_delay", zrpc_yaml_duration, OF(list_delay), false},
    {"send_error", read_message, OF(send_error), false},
    {"send_error_at", zrpc_yaml_size, OF(send_error_at), false},
    {"recv_error", read_message, OF(recv_error), false},
    {"recv_error_at", zrpc_yaml_size, OF(recv_error_at), false},
    {NULL, NULL, 0, false},
};

#define BIT(op) (UINT32_C(1) << ZRPC_ZFS_OP_##op)

static void add_of(struct zrpc_yaml *y, const char *fs, const yaml_node_t *node, const struct of_keys *k,
                   struct zrpc_zfs_faults *p)
{
    const struct {
        uint32_t operations;
        enum zrpc_zfs_action action;
        const char *text;
        zrpc_time lasts;
        uint64_t at;
    } entries[] = {
        {BIT(SEND) | BIT(RECEIVE), ZRPC_ZFS_FAULT_DELAY, "", k->open_delay, 0},
        {BIT(SEND) | BIT(RECEIVE), ZRPC_ZFS_FAULT_REFUSE, k->open_error, 0, 0},
        {BIT(LIST), ZRPC_ZFS_FAULT_DELAY, "", k->list_delay, 0},
        {BIT(LIST), ZRPC_ZFS_FAULT_REFUSE, k->list_error, 0, 0},
        {BIT(SEND), ZRPC_ZFS_FAULT_FAIL, k->send_error, 0, k->send_error_at},
        {BIT(RECEIVE), ZRPC_ZFS_FAULT_FAIL, k->recv_error, 0, k->recv_error_at},
    };

    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        struct zrpc_zfs_fault fault = {.operations = entries[i].operations,
                                       .action = entries[i].action,
                                       .lasts = entries[i].lasts,
                                       .at = entries[i].at};

        if (entries[i].text[0] == '\0' && entries[i].lasts == 0)
            continue;
        snprintf(fault.filesystem, sizeof fault.filesystem, "%s", fs);
        snprintf(fault.text, sizeof fault.text, "%s", entries[i].text);
        add(y, node, &fault, p);
    }
}

void zrpc_zfs_faults_read_of(struct zrpc_yaml *y, const char *fs, yaml_node_t *mapping,
                             struct zrpc_zfs_faults *p)
{
    unsigned before = y->n_problems;
    struct of_keys k = {0};

    zrpc_yaml_mapping(y, "fault", mapping, of_table, &k);
    if (k.send_error_at != 0 && k.send_error[0] == '\0')
        zrpc_yaml_problem(y, mapping, "send_error_at", "send_error is missing");
    if (k.recv_error_at != 0 && k.recv_error[0] == '\0')
        zrpc_yaml_problem(y, mapping, "recv_error_at", "recv_error is missing");
    if (y->n_problems == before)
        add_of(y, fs, mapping, &k, p);
}

/*
 * A plan's file.
 */
struct plan_keys {
    uint64_t seed;
    yaml_node_t *faults;
};

static const struct zrpc_yaml_key plan_table[] = {
    {"seed", zrpc_yaml_u64, offsetof(struct plan_keys, seed), false},
    {"faults", zrpc_yaml_node, offsetof(struct plan_keys, faults), true},
    {NULL, NULL, 0, false},
};

static int read_plan(struct zrpc_yaml *y, struct zrpc_zfs_faults **out, struct zrpc_error *err)
{
    struct zrpc_zfs_faults *p;
    struct plan_keys k = {0};
    int rc;

    zrpc_yaml_mapping(y, "the plan", zrpc_yaml_root(y), plan_table, &k);
    rc = zrpc_zfs_faults_new(k.seed, &p, err);
    if (rc != 0)
        return rc;
    if (k.faults != NULL)
        zrpc_zfs_faults_read(y, k.faults, p);
    rc = zrpc_yaml_result(y, err);
    if (rc != 0)
        zrpc_zfs_faults_free(p);
    else
        *out = p;
    return rc;
}

int zrpc_zfs_faults_load(const char *file, struct zrpc_zfs_faults **out, struct zrpc_error *err)
{
    struct zrpc_yaml y;
    int rc = zrpc_yaml_load(&y, file, err);

    if (rc == 0)
        rc = read_plan(&y, out, err);
    zrpc_yaml_dispose(&y);
    return rc;
}

int zrpc_zfs_faults_parse(const char *name, struct zrpc_view text, struct zrpc_zfs_faults **out,
                          struct zrpc_error *err)
{
    struct zrpc_yaml y;
    int rc = zrpc_yaml_parse(&y, name, text, err);

    if (rc == 0)
        rc = read_plan(&y, out, err);
    zrpc_yaml_dispose(&y);
    return rc;
}
