#include "conformance/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "conformance/file.h"
#include "conformance/text.h"

static const char of_file[] = "file:";

/* What `zrpc serve --role both --pool demo` offers. */
static const char reference_profile[] =
    "send:\n"
    "  full: {filesystem: demo/medium, to: '@1'}\n"
    "  increment: {filesystem: demo/medium, from: '@1', to: '@2'}\n"
    "  large: {filesystem: demo/large, to: '@1'}\n"
    "  failing: {filesystem: demo/fault/send, to: '@1'}\n"
    "  stalling: {filesystem: demo/fault/slow, to: '@1', pause: 15s}\n"
    "  refused: {filesystem: demo/private, to: '@1'}\n"
    "receive:\n"
    "  accepted: {filesystem: pushed/%, content: sent, to: '@1'}\n"
    "  refused: {filesystem: pushed/demo/fault/open, content: sent}\n"
    "  failing: {filesystem: pushed/%/demo/fault/recv, content: sent}\n"
    "  stalling: {filesystem: pushed/%/demo/fault/slow, content: sent, pause: 15s}\n"
    "control:\n"
    "  versions: {filesystem: demo/small}\n"
    "  wide: {filesystem: demo/bookmarked}\n"
    "  long: {filesystem: demo/many, size: 3000}\n"
    "  failing: {filesystem: demo/fault/list, text: 'cannot list: \xce\xb1\xce\xb2\xce\xb3 \xf0\x9f\x92\xa5 "
    "100%'}\n"
    "  slow: {filesystem: demo/fault/slow-list, pause: 15s}\n"
    "  cursor: {filesystem: demo/cursor, from: '@1', to: '@3'}\n"
    "  no-cursor: {filesystem: demo/medium, to: '@1'}\n"
    "  hidden: {filesystem: demo/private}\n"
    "  placeholder: {filesystem: pushed/%/child, content: sent}\n";

struct reader {
    struct zrpc_profile *profile;
    const char *name;
    yaml_document_t doc;
    struct zrpc_error *err;
};

static const struct {
    const char *section, *key, *name, *meaning;
} offers[ZRPC_OFFER_COUNT] = {
#define OFFER(id, section, key, meaning) [ZRPC_OFFER_##id] = {section, key, section "." key, meaning},
    ZRPC_OFFER_MAP(OFFER)
#undef OFFER
};

const char *zrpc_offer_name(enum zrpc_offer_id id)
{
    return offers[id].name;
}

const char *zrpc_offer_meaning(enum zrpc_offer_id id)
{
    return offers[id].meaning;
}

static int fail_at(struct reader *r, const yaml_node_t *node, const char *what, const char *found)
{
    return zrpc_fail(r->err, ZRPC_ERR_USAGE, "%s:%zu: %s%s%s", r->name, node->start_mark.line + 1, what,
                     found == NULL ? "" : ": ", found == NULL ? "" : found);
}

static const char *scalar(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

typedef int read_pair(struct reader *r, void *ctx, const yaml_node_t *key, yaml_node_t *value);

static int each_pair(struct reader *r, yaml_node_t *map, read_pair *fn, void *ctx)
{
    yaml_node_t *key;
    int rc = 0;

    if (map->type != YAML_MAPPING_NODE)
        return fail_at(r, map, "expected a mapping", NULL);
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; rc == 0 && p < map->data.mapping.pairs.top;
         p++) {
        key = yaml_document_get_node(&r->doc, p->key);
        if (scalar(key) == NULL)
            return fail_at(r, key, "expected a plain key", NULL);
        rc = fn(r, ctx, key, yaml_document_get_node(&r->doc, p->value));
    }
    return rc;
}

static int read_string(struct reader *r, char **out, const yaml_node_t *value)
{
    if (scalar(value) == NULL)
        return fail_at(r, value, "expected a text", NULL);
    free(*out);
    *out = strdup(scalar(value));
    return *out == NULL ? zrpc_fail(r->err, ZRPC_ERR_NOMEM, "reading %s", r->name) : 0;
}

static int read_duration(struct reader *r, zrpc_time *out, const yaml_node_t *value)
{
    if (scalar(value) == NULL || zrpc_duration_parse(scalar(value), out, NULL) < 0 || *out < 0)
        return fail_at(r, value, "expected a duration such as 1.5s", scalar(value));
    return 0;
}

static int read_number(struct reader *r, uint64_t *out, const yaml_node_t *value)
{
    const char *text = scalar(value);
    char *end = NULL;

    if (text != NULL && *text >= '0' && *text <= '9')
        *out = strtoull(text, &end, 10);
    if (end == NULL || *end != '\0')
        return fail_at(r, value, "expected a number", text);
    return 0;
}

static int read_content(struct reader *r, struct zrpc_offer *offer, const yaml_node_t *value)
{
    const char *text = scalar(value);

    if (text != NULL && strcmp(text, "bytes") == 0)
        offer->content = ZRPC_CONTENT_BYTES;
    else if (text != NULL && strcmp(text, "sent") == 0)
        offer->content = ZRPC_CONTENT_SENT;
    else if (text != NULL && strncmp(text, of_file, strlen(of_file)) == 0)
        offer->content = ZRPC_CONTENT_FILE;
    else
        return fail_at(r, value, "expected bytes, sent or file:PATH", text);
    free(offer->file);
    offer->file = NULL;
    if (offer->content != ZRPC_CONTENT_FILE)
        return 0;
    text += strlen(of_file);
    if (access(text, R_OK) < 0)
        return fail_at(r, value, strerror(errno), text);
    offer->file = strdup(text);
    return offer->file == NULL ? zrpc_fail(r->err, ZRPC_ERR_NOMEM, "reading %s", r->name) : 0;
}

static int read_offer_key(struct reader *r, void *ctx, const yaml_node_t *key, yaml_node_t *value)
{
    struct zrpc_offer *offer = ctx;
    const char *name = scalar(key);

    if (strcmp(name, "filesystem") == 0)
        return read_string(r, &offer->filesystem, value);
    if (strcmp(name, "to") == 0)
        return read_string(r, &offer->to, value);
    if (strcmp(name, "from") == 0)
        return read_string(r, &offer->from, value);
    if (strcmp(name, "sha256") == 0)
        return read_string(r, &offer->sha256, value);
    if (strcmp(name, "text") == 0)
        return read_string(r, &offer->text, value);
    if (strcmp(name, "size") == 0)
        return read_number(r, &offer->size, value);
    if (strcmp(name, "pause") == 0)
        return read_duration(r, &offer->pause, value);
    if (strcmp(name, "content") == 0)
        return read_content(r, offer, value);
    return fail_at(r, key, "unknown key", name);
}

static int read_offer(struct reader *r, void *ctx, const yaml_node_t *key, yaml_node_t *value)
{
    const char *section = ctx;
    struct zrpc_offer *offer = NULL;
    int rc;

    for (size_t i = 0; i < ZRPC_OFFER_COUNT; i++)
        if (strcmp(offers[i].section, section) == 0 && strcmp(offers[i].key, scalar(key)) == 0)
            offer = &r->profile->offers[i];
    if (offer == NULL)
        return fail_at(r, key, "unknown key", scalar(key));
    rc = each_pair(r, value, read_offer_key, offer);
    if (rc < 0)
        return rc;
    if (offer->filesystem == NULL)
        return fail_at(r, value, "filesystem is missing", NULL);
    if (strcmp(section, "send") == 0 && offer->to == NULL)
        return fail_at(r, value, "to is missing", NULL);
    offer->present = true;
    return 0;
}

static int read_timing_key(struct reader *r, void *ctx, const yaml_node_t *key, yaml_node_t *value)
{
    struct zrpc_timing *timing = ctx;
    const struct {
        const char *name;
        zrpc_time *field;
    } fields[] = {
#define FIELD(name, value, meaning) {#name, &timing->name},
        ZRPC_TIMING_MAP(FIELD)
#undef FIELD
    };

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (strcmp(fields[i].name, scalar(key)) == 0)
            return read_duration(r, fields[i].field, value);
    return fail_at(r, key, "unknown key", scalar(key));
}

static int read_section(struct reader *r, void *ctx, const yaml_node_t *key, yaml_node_t *value)
{
    const char *name = scalar(key);
    uint64_t version;
    int rc;

    (void)ctx;
    if (strcmp(name, "timing") == 0)
        return each_pair(r, value, read_timing_key, &r->profile->timing);
    if (strcmp(name, "send") == 0 || strcmp(name, "receive") == 0 || strcmp(name, "control") == 0)
        return each_pair(r, value, read_offer, (void *)name);
    if (strcmp(name, "protocol_version") != 0)
        return fail_at(r, key, "unknown key", name);
    rc = read_number(r, &version, value);
    if (rc == 0)
        r->profile->protocol_version = (unsigned)version;
    return rc;
}

static int read_document(struct reader *r, const char *yaml)
{
    yaml_parser_t parser;
    yaml_node_t *root;
    int rc = 0;

    if (!yaml_parser_initialize(&parser))
        return zrpc_fail(r->err, ZRPC_ERR_NOMEM, "reading %s", r->name);
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, strlen(yaml));
    if (!yaml_parser_load(&parser, &r->doc)) {
        rc = zrpc_fail(r->err, ZRPC_ERR_USAGE, "%s:%zu: %s", r->name, parser.problem_mark.line + 1,
                       parser.problem == NULL ? "not YAML" : parser.problem);
        goto out;
    }
    root = yaml_document_get_root_node(&r->doc);
    if (root != NULL)
        rc = each_pair(r, root, read_section, NULL);
    yaml_document_delete(&r->doc);
out:
    yaml_parser_delete(&parser);
    return rc;
}

int zrpc_profile_add(struct zrpc_profile *p, const char *name, const char *yaml, struct zrpc_error *err)
{
    struct reader r = {.profile = p, .name = name, .err = err};
    int rc = read_document(&r, yaml);

    if (rc < 0)
        zrpc_profile_dispose(p);
    return rc;
}

int zrpc_profile_parse(struct zrpc_profile *p, const char *name, const char *yaml, struct zrpc_error *err)
{
    *p = (struct zrpc_profile){.protocol_version = 1};
#define DEFAULT(name, value, meaning) p->timing.name = (value);
    ZRPC_TIMING_MAP(DEFAULT)
#undef DEFAULT
    return zrpc_profile_add(p, name, yaml, err);
}

int zrpc_profile_init(struct zrpc_profile *p, struct zrpc_error *err)
{
    return zrpc_profile_parse(p, "reference profile", reference_profile, err);
}

int zrpc_profile_load(struct zrpc_profile *p, const char *path, struct zrpc_error *err)
{
    char *text;
    int rc = zrpc_file_read(path, &text, err);

    if (rc < 0)
        return rc;
    rc = zrpc_profile_parse(p, path, text, err);
    free(text);
    return rc;
}

void zrpc_profile_dispose(struct zrpc_profile *p)
{
    for (size_t i = 0; i < ZRPC_OFFER_COUNT; i++) {
        free(p->offers[i].filesystem);
        free(p->offers[i].to);
        free(p->offers[i].from);
        free(p->offers[i].sha256);
        free(p->offers[i].text);
        free(p->offers[i].file);
    }
    *p = (struct zrpc_profile){0};
}

static void print_content(const struct zrpc_offer *offer, struct zrpc_buf *out)
{
    struct zrpc_buf file = {0};

    zrpc_text_add(out, ", content: ");
    if (offer->content != ZRPC_CONTENT_FILE) {
        zrpc_text_add(out, "%s", offer->content == ZRPC_CONTENT_BYTES ? "bytes" : "sent");
        return;
    }
    zrpc_text_add(&file, "%s%s", of_file, offer->file);
    zrpc_text_add_quoted(out, zrpc_buf_view(&file));
    zrpc_buf_dispose(&file);
}

static void print_offer(const struct zrpc_offer *offer, bool is_receive, struct zrpc_buf *out)
{
    char duration[ZRPC_DURATION_TEXT_MAX];

    zrpc_text_add(out, "{filesystem: ");
    zrpc_text_add_quoted(out, zrpc_view_of(offer->filesystem));
    if (offer->to != NULL) {
        zrpc_text_add(out, ", to: ");
        zrpc_text_add_quoted(out, zrpc_view_of(offer->to));
    }
    if (offer->from != NULL) {
        zrpc_text_add(out, ", from: ");
        zrpc_text_add_quoted(out, zrpc_view_of(offer->from));
    }
    if (offer->size > 0)
        zrpc_text_add(out, ", size: %llu", (unsigned long long)offer->size);
    if (offer->sha256 != NULL)
        zrpc_text_add(out, ", sha256: %s", offer->sha256);
    if (offer->pause > 0)
        zrpc_text_add(out, ", pause: %s", zrpc_duration_format(offer->pause, duration));
    if (offer->text != NULL) {
        zrpc_text_add(out, ", text: ");
        zrpc_text_add_quoted(out, zrpc_view_of(offer->text));
    }
    if (is_receive || offer->content != ZRPC_CONTENT_BYTES)
        print_content(offer, out);
    zrpc_text_add(out, "}\n");
}

void zrpc_profile_print(const struct zrpc_profile *p, struct zrpc_buf *out)
{
    const char *section = "";
    char duration[ZRPC_DURATION_TEXT_MAX];

    zrpc_text_add(out, "protocol_version: %u\ntiming:\n", p->protocol_version);
#define PRINT(name, value, meaning)                                                                      \
    zrpc_text_add(out, "  %-19s %-6s # %s\n", #name ":", zrpc_duration_format(p->timing.name, duration), \
                  meaning);
    ZRPC_TIMING_MAP(PRINT)
#undef PRINT
    for (size_t i = 0; i < ZRPC_OFFER_COUNT; i++) {
        if (strcmp(offers[i].section, section) != 0)
            zrpc_text_add(out, "%s:\n", offers[i].section);
        section = offers[i].section;
        zrpc_text_add(out, "  # %s\n  %s%s: ", offers[i].meaning, p->offers[i].present ? "" : "# ",
                      offers[i].key);
        if (p->offers[i].present)
            print_offer(&p->offers[i], strcmp(section, "receive") == 0, out);
        else
            zrpc_text_add(out, "{filesystem: ...}\n");
    }
}
