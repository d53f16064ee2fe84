/* Header lists of any fields: what is accepted holds to the rules, told here another way. */
#include "testing/fuzz/fuzz.h"

#include "zrpc/h2_fields.h"

#define FIELDS_MAX 64

struct list {
    struct zrpc_view name[FIELDS_MAX], value[FIELDS_MAX];
    size_t n;
};

/* Names from a short list come up more often than by chance. */
static struct zrpc_view take_name(struct zrpc_view *in)
{
    static const char *const names[] = {":method",    ":scheme", ":path",          ":authority",
                                        ":status",    "te",      "content-length", "connection",
                                        "keep-alive", "x",       "grpc-message",   "upgrade"};
    size_t choice = zrpc_view_take(in, 1).data[0];

    if (choice < sizeof names / sizeof names[0])
        return zrpc_view_of(names[choice]);
    choice %= 16;
    return zrpc_view_take(in, choice < in->len ? choice : in->len);
}

static struct zrpc_view take_value(struct zrpc_view *in)
{
    size_t len = in->len == 0 ? 0 : zrpc_view_take(in, 1).data[0] % 16;

    return zrpc_view_take(in, len < in->len ? len : in->len);
}

static size_t count(const struct list *l, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++)
        n += zrpc_view_equal(l->name[i], zrpc_view_of(name));
    return n;
}

static void check_accepted(const struct list *l, enum zrpc_h2_section section)
{
    bool request = section == ZRPC_H2_REQUEST, regular = false;

    REQUIRE(count(l, "connection") + count(l, "keep-alive") + count(l, "upgrade") == 0);
    REQUIRE(count(l, ":status") == (section == ZRPC_H2_RESPONSE));
    REQUIRE(count(l, ":method") == request);
    REQUIRE(count(l, ":path") <= request && count(l, ":scheme") <= request);
    REQUIRE(count(l, ":path") == count(l, ":scheme") && count(l, ":authority") <= request);
    REQUIRE(count(l, "content-length") <= 1);
    for (size_t i = 0; i < l->n; i++) {
        bool pseudo = l->name[i].len > 0 && l->name[i].data[0] == ':';

        REQUIRE(l->name[i].len > 0 && !(pseudo && regular));
        regular = regular || !pseudo;
        for (size_t j = 0; j < l->name[i].len; j++)
            REQUIRE(l->name[i].data[j] > ' ' && l->name[i].data[j] < 0x7f &&
                    (l->name[i].data[j] < 'A' || l->name[i].data[j] > 'Z'));
        for (size_t j = 0; j < l->value[i].len && !zrpc_view_equal(l->name[i], zrpc_view_of(":authority"));
             j++)
            REQUIRE(l->value[i].data[j] != 0 && l->value[i].data[j] != '\r' && l->value[i].data[j] != '\n');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum zrpc_h2_section sections[] = {ZRPC_H2_REQUEST, ZRPC_H2_RESPONSE, ZRPC_H2_TRAILERS};
    struct zrpc_view in = zrpc_view(data, size);
    struct zrpc_h2_fields f;
    enum zrpc_h2_section section;
    struct list l = {0};
    bool ok = true;

    if (size == 0)
        return 0;
    section = sections[zrpc_view_take(&in, 1).data[0] % 3];
    zrpc_h2_fields_init(&f);
    zrpc_h2_fields_begin(&f, section);
    for (; in.len > 0 && l.n < FIELDS_MAX; l.n++) {
        l.name[l.n] = take_name(&in);
        l.value[l.n] = take_value(&in);
        ok = zrpc_h2_fields_take(&f, l.name[l.n], l.value[l.n]);
        REQUIRE(ok == (f.flaw == NULL));
    }
    ok = zrpc_h2_fields_end(&f, section == ZRPC_H2_TRAILERS);
    REQUIRE(ok == (f.flaw == NULL));
    if (ok)
        check_accepted(&l, section);
    return 0;
}
