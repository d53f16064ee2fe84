#include "sim/link/plan.h"

#include <stdlib.h>

#include "zrpc/yaml.h"

void zrpc_link_plan_init(struct zrpc_link_plan *p)
{
    *p = (struct zrpc_link_plan){
        .buffer = ZRPC_LINK_BUFFER_DEFAULT,
        .random = {.bytes = ZRPC_LINK_RANDOM_BYTES, .time = ZRPC_LINK_RANDOM_TIME},
    };
}

void zrpc_link_plan_dispose(struct zrpc_link_plan *p)
{
    free(p->faults);
    free(p->results);
    zrpc_link_plan_init(p);
}

/* Room for one more at the end of an array of n. */
static int grow(void **array, size_t n, size_t size, struct zrpc_error *err)
{
    void *more;

    if (n > 0 && (n & (n - 1)) != 0)
        return 0;
    more = realloc(*array, (n == 0 ? 1 : 2 * n) * size);
    if (more == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "link: out of memory for the plan");
    *array = more;
    return 0;
}

int zrpc_link_plan_add(struct zrpc_link_plan *p, const struct zrpc_link_fault *fault, struct zrpc_error *err)
{
    void *faults = p->faults;
    int rc = grow(&faults, p->n_faults, sizeof *p->faults, err);

    if (rc < 0)
        return rc;
    p->faults = faults;
    p->faults[p->n_faults++] = *fault;
    return 0;
}

static int add_result(struct zrpc_link_plan *p, const struct zrpc_link_result *result)
{
    void *results = p->results;
    int rc = grow(&results, p->n_results, sizeof *p->results, NULL);

    if (rc < 0)
        return rc;
    p->results = results;
    p->results[p->n_results++] = *result;
    return 0;
}

const struct zrpc_link_result *zrpc_link_plan_result(const struct zrpc_link_plan *p, uint32_t connection,
                                                     enum zrpc_link_direction d)
{
    for (size_t i = 0; i < p->n_results; i++)
        if (p->results[i].connection == connection && p->results[i].direction == d)
            return &p->results[i];
    return NULL;
}

static const char *const ends[] = {[ZRPC_LINK_NO_END] = "open",
                                   [ZRPC_LINK_END_OF_FILE] = "eof",
                                   [ZRPC_LINK_END_RESET] = "reset",
                                   [ZRPC_LINK_END_LOST] = "silence"};
static const char *const protocols[] = {
    [ZRPC_LINK_ZREPL] = "zrepl", [ZRPC_LINK_FRAMES] = "frames", [ZRPC_LINK_OPAQUE] = "opaque"};

const char *zrpc_link_end_name(enum zrpc_link_end end)
{
    return ends[end];
}

const char *zrpc_link_protocol_name(enum zrpc_link_protocol protocol)
{
    return protocols[protocol];
}

int zrpc_link_protocol_parse(const char *text, enum zrpc_link_protocol *out, struct zrpc_error *err)
{
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, protocols[i]) == 0) {
            *out = (enum zrpc_link_protocol)i;
            return 0;
        }
    }
    return zrpc_fail(err, ZRPC_ERR_USAGE, "unknown protocol \"%s\", expected zrepl, frames or opaque", text);
}

/*
 * YAML: values with a syntax of their own are read as strings and then parsed.
 */
static bool read_text(struct zrpc_yaml *y, const char *key, yaml_node_t *node, const char **text)
{
    unsigned before = y->n_problems;

    zrpc_yaml_string(y, key, node, (void *)text);
    return y->n_problems == before;
}

#define TEXT_READER(reader, type, parse)                                                   \
    static void reader(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out) \
    {                                                                                      \
        struct zrpc_error err;                                                             \
        const char *text;                                                                  \
                                                                                           \
        if (read_text(y, key, node, &text) && parse(text, (type *)out, &err) < 0)          \
            zrpc_yaml_problem(y, node, key, "%s", err.text);                               \
    }

static int parse_end(const char *text, enum zrpc_link_end *out, struct zrpc_error *err)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, ends[i]) == 0) {
            *out = (enum zrpc_link_end)i;
            return 0;
        }
    }
    return zrpc_fail(err, ZRPC_ERR_USAGE, "unknown end \"%s\", expected open, eof, reset or silence", text);
}

TEXT_READER(read_action, enum zrpc_link_action, zrpc_link_action_parse)
TEXT_READER(read_direction, enum zrpc_link_direction, zrpc_link_direction_parse)
TEXT_READER(read_position, struct zrpc_link_position, zrpc_link_position_parse)
TEXT_READER(read_protocol, enum zrpc_link_protocol, zrpc_link_protocol_parse)
TEXT_READER(read_end, enum zrpc_link_end, parse_end)

static void read_path(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    const char *text;

    if (!read_text(y, key, node, &text))
        return;
    if (strlen(text) >= ZRPC_LINK_PATH_MAX)
        zrpc_yaml_problem(y, node, key, "longer than %d characters", ZRPC_LINK_PATH_MAX - 1);
    else
        memcpy(out, text, strlen(text) + 1);
}

static void read_limited(struct zrpc_yaml *y, const char *key, yaml_node_t *node, uint64_t min, uint64_t max,
                         uint64_t *out)
{
    unsigned before = y->n_problems;

    zrpc_yaml_size(y, key, node, out);
    if (y->n_problems == before && (*out < min || *out > max))
        zrpc_yaml_problem(y, node, key, "%llu, expected %llu to %llu", (unsigned long long)*out,
                          (unsigned long long)min, (unsigned long long)max);
}

static void read_connection(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    uint64_t n = 0;

    read_limited(y, key, node, 1, UINT32_MAX, &n);
    *(uint32_t *)out = (uint32_t)n;
}

static void read_mask(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    uint64_t n = 1;
    unsigned before = y->n_problems;

    zrpc_yaml_u64(y, key, node, &n);
    if (y->n_problems == before && (n == 0 || n > 255))
        zrpc_yaml_problem(y, node, key, "%llu, expected 0x01 to 0xff", (unsigned long long)n);
    *(uint8_t *)out = (uint8_t)n;
}

static void read_meanwhile(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    struct zrpc_link_position *at = out;

    at->meanwhile = true;
    at->other_byte = ZRPC_LINK_THE_END;
    if (node->type != YAML_SCALAR_NODE || strcmp((const char *)node->data.scalar.value, "end") != 0)
        zrpc_yaml_u64(y, key, node, &at->other_byte);
}

static void read_sizes(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    struct zrpc_link_fault *f = out;
    yaml_node_t *item;

    if (!zrpc_yaml_is_sequence(y, key, node))
        return;
    for (size_t i = 0; zrpc_yaml_item(y, node, i, &item); i++) {
        uint64_t size = 1;

        if (i == ZRPC_LINK_SIZES_MAX) {
            zrpc_yaml_problem(y, item, key, "more than %d sizes", ZRPC_LINK_SIZES_MAX);
            return;
        }
        read_limited(y, key, item, 1, 1u << 30, &size);
        f->sizes[f->n_sizes++] = (uint32_t)size;
    }
}

#define FAULT(member) offsetof(struct zrpc_link_fault, member)

static const struct zrpc_yaml_key fault_keys[] = {
    {"action", read_action, FAULT(action), true},
    {"direction", read_direction, FAULT(direction), false},
    {"connection", read_connection, FAULT(connection), false},
    {"at", read_position, FAULT(at), false},
    {"after", zrpc_yaml_duration, FAULT(at.not_before), false},
    {"watch", read_direction, FAULT(at.watch), false},
    {"meanwhile", read_meanwhile, FAULT(at), false},
    {"answer", zrpc_yaml_bool, FAULT(at.answer), false},
    {"for", zrpc_yaml_duration, FAULT(lasts), false},
    {"delay", zrpc_yaml_duration, FAULT(delay), false},
    {"jitter", zrpc_yaml_duration, FAULT(jitter), false},
    {"rate", zrpc_yaml_size, FAULT(rate), false},
    {"sizes", read_sizes, 0, false},
    {"gap", zrpc_yaml_duration, FAULT(gap), false},
    {"length", zrpc_yaml_size, FAULT(length), false},
    {"quiet", zrpc_yaml_bool, FAULT(quiet), false},
    {"mask", read_mask, FAULT(mask), false},
    {NULL, NULL, 0, false},
};

static void read_fault(struct zrpc_yaml *y, yaml_node_t *node, struct zrpc_link_fault *out)
{
    unsigned before = y->n_problems;
    struct zrpc_error err;

    *out = (struct zrpc_link_fault){.direction = ZRPC_LINK_BOTH, .at = {.watch = ZRPC_LINK_BOTH}};
    if (node->type != YAML_MAPPING_NODE)
        zrpc_yaml_problem(y, node, "faults", "expected a mapping with an action");
    else
        zrpc_yaml_mapping(y, "fault", node, fault_keys, out);
    if (y->n_problems == before && zrpc_link_fault_check(out, &err) < 0)
        zrpc_yaml_problem(y, node, "fault", "%s", err.text);
}

static void read_faults(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    struct zrpc_link_plan *plan = out;
    yaml_node_t *item;

    if (!zrpc_yaml_is_sequence(y, key, node))
        return;
    for (size_t i = 0; zrpc_yaml_item(y, node, i, &item); i++) {
        struct zrpc_link_fault f;

        read_fault(y, item, &f);
        if (zrpc_link_plan_add(plan, &f, NULL) < 0)
            plan->out_of_memory = true;
    }
}

#define RESULT(member) offsetof(struct zrpc_link_result, member)

static const struct zrpc_yaml_key result_keys[] = {
    {"ended", read_direction, RESULT(direction), true},
    {"connection", read_connection, RESULT(connection), true},
    {"bytes", zrpc_yaml_u64, RESULT(bytes), true},
    {"digest", zrpc_yaml_u64, RESULT(digest), true},
    {"how", read_end, RESULT(end), true},
    {NULL, NULL, 0, false},
};

static bool is_result(struct zrpc_yaml *y, yaml_node_t *node)
{
    yaml_node_t *value;
    const char *key;

    if (node->type != YAML_MAPPING_NODE)
        return false;
    for (size_t i = 0; zrpc_yaml_pair(y, node, i, &key, &value); i++)
        if (key != NULL && strcmp(key, "ended") == 0)
            return true;
    return false;
}

/* What a run recorded: the faults that struck, and how directions ended. */
static void read_schedule(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    struct zrpc_link_plan *plan = out;
    yaml_node_t *item;

    if (!zrpc_yaml_is_sequence(y, key, node))
        return;
    for (size_t i = 0; zrpc_yaml_item(y, node, i, &item); i++) {
        struct zrpc_link_result result = {0};
        struct zrpc_link_fault f;
        bool ended = is_result(y, item);
        int rc;

        if (ended)
            zrpc_yaml_mapping(y, key, item, result_keys, &result);
        else
            read_fault(y, item, &f);
        rc = ended ? add_result(plan, &result) : zrpc_link_plan_add(plan, &f, NULL);
        if (rc < 0)
            plan->out_of_memory = true;
    }
}

static void read_actions(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    yaml_node_t *item;

    if (!zrpc_yaml_is_sequence(y, key, node))
        return;
    for (size_t i = 0; zrpc_yaml_item(y, node, i, &item); i++) {
        enum zrpc_link_action action = ZRPC_LINK_ACTION_COUNT;

        read_action(y, key, item, &action);
        if (action == ZRPC_LINK_REFUSE || action == ZRPC_LINK_DELAY_ACCEPT || action == ZRPC_LINK_RESUME)
            zrpc_yaml_problem(y, item, key, "%s cannot be made up", zrpc_link_action_name(action));
        if (action != ZRPC_LINK_ACTION_COUNT)
            *(uint32_t *)out |= UINT32_C(1) << action;
    }
}

static void read_random_bytes(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    read_limited(y, key, node, 1, UINT64_MAX, out);
}

#define RANDOM(member) offsetof(struct zrpc_link_random, member)

static void read_random(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    static const struct zrpc_yaml_key keys[] = {
        {"faults", zrpc_yaml_u64, RANDOM(faults), true},
        {"connections", zrpc_yaml_u64, RANDOM(connections), false},
        {"bytes", read_random_bytes, RANDOM(bytes), false},
        {"time", zrpc_yaml_duration, RANDOM(time), false},
        {"actions", read_actions, RANDOM(actions), false},
        {NULL, NULL, 0, false},
    };

    zrpc_yaml_mapping(y, key, node, keys, out);
}

static void read_seed(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    struct zrpc_link_plan *plan = out;

    zrpc_yaml_u64(y, key, node, &plan->seed);
    plan->has_seed = true;
}

static void read_buffer(struct zrpc_yaml *y, const char *key, yaml_node_t *node, void *out)
{
    read_limited(y, key, node, 1, 1u << 30, out);
}

#define PLAN(member) offsetof(struct zrpc_link_plan, member)

static const struct zrpc_yaml_key plan_keys[] = {
    {"listen", read_path, PLAN(listen), false},
    {"connect", read_path, PLAN(connect), false},
    {"control", read_path, PLAN(control), false},
    {"record", read_path, PLAN(record), false},
    {"protocol", read_protocol, PLAN(protocol), false},
    {"buffer", read_buffer, PLAN(buffer), false},
    {"seed", read_seed, 0, false},
    {"random", read_random, PLAN(random), false},
    {"faults", read_faults, 0, false},
    {"schedule", read_schedule, 0, false},
    {NULL, NULL, 0, false},
};

static int read_plan(struct zrpc_link_plan *p, struct zrpc_yaml *y, struct zrpc_error *err)
{
    p->out_of_memory = false;
    zrpc_yaml_mapping(y, "the plan", zrpc_yaml_root(y), plan_keys, p);
    if (p->out_of_memory)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "link: out of memory for the plan");
    return zrpc_yaml_result(y, err);
}

int zrpc_link_plan_load(struct zrpc_link_plan *p, const char *file, struct zrpc_error *err)
{
    struct zrpc_yaml y;
    int rc = zrpc_yaml_load(&y, file, err);

    if (rc == 0)
        rc = read_plan(p, &y, err);
    zrpc_yaml_dispose(&y);
    return rc;
}

int zrpc_link_plan_parse(struct zrpc_link_plan *p, const char *name, struct zrpc_view text,
                         struct zrpc_error *err)
{
    struct zrpc_yaml y;
    int rc = zrpc_yaml_parse(&y, name, text, err);

    if (rc == 0)
        rc = read_plan(p, &y, err);
    zrpc_yaml_dispose(&y);
    return rc;
}

int zrpc_link_fault_parse(const char *text, struct zrpc_link_fault *out, struct zrpc_error *err)
{
    struct zrpc_yaml y;
    int rc = zrpc_yaml_parse(&y, "fault", zrpc_view_of(text), err);

    if (rc == 0) {
        read_fault(&y, zrpc_yaml_root(&y), out);
        rc = zrpc_yaml_result(&y, err);
    }
    zrpc_yaml_dispose(&y);
    return rc;
}

static bool is_of_a_thing(const struct zrpc_link_position *at)
{
    return at->edge == ZRPC_LINK_BEFORE || at->edge == ZRPC_LINK_AFTER_HEADER ||
           at->edge == ZRPC_LINK_AFTER || at->edge == ZRPC_LINK_INSIDE;
}

int zrpc_link_plan_reaches(const struct zrpc_link_plan *p, const struct zrpc_link_fault *fault,
                           struct zrpc_error *err)
{
    const struct zrpc_link_position *at = &fault->at;
    enum zrpc_link_direction stream = at->watch == ZRPC_LINK_BOTH ? fault->direction : at->watch;
    char text[ZRPC_LINK_POSITION_TEXT_MAX];

    if (!is_of_a_thing(at))
        return 0;
    if (p->protocol == ZRPC_LINK_OPAQUE || (p->protocol == ZRPC_LINK_FRAMES && at->thing <= ZRPC_LINK_LABEL))
        return zrpc_fail(err, ZRPC_ERR_USAGE, "at: \"%s\" is nowhere in a stream of protocol %s",
                         zrpc_link_position_format(at, text), zrpc_link_protocol_name(p->protocol));
    if (at->thing == ZRPC_LINK_LABEL && stream == ZRPC_LINK_TO_CLIENT)
        return zrpc_fail(err, ZRPC_ERR_USAGE,
                         "at: \"%s\" is nowhere to-client, only clients send one: watch: to-server",
                         zrpc_link_position_format(at, text));
    return 0;
}
