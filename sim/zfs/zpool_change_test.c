/* What zfs makes, destroys, holds and sets: the rules, and the words. */
#include "sim/zfs/testing.h"

static const char *listing(struct fixture *f, const char *root, int depth, unsigned types)
{
    static char text[4096];
    struct zrpc_zpool_datasets l = {0};
    size_t used = 0;

    text[0] = '\0';
    if (zrpc_zpool_list(f->pool, root, depth, types, &l, &f->err) != 0)
        return f->err.text;
    for (size_t i = 0; i < l.len; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : " ", l.items[i].name);
    zrpc_zpool_datasets_dispose(&l);
    return text;
}

/* "VALUE SOURCE", or "none". */
static const char *get(struct fixture *f, const char *dataset, const char *name)
{
    static const char *const sources[] = {"-", "default", "local", "inherited", "received"};
    static struct zrpc_zpool_value v;
    static char text[2 * ZRPC_ZPOOL_VALUE_MAX + 600];
    struct zrpc_zpool_dataset d;
    int rc = zrpc_zpool_open_dataset(f->pool, dataset, &d, &f->err);

    if (rc == 0)
        rc = zrpc_zpool_get(f->pool, &d, name, &v, &f->err);
    if (rc < 0)
        return f->err.text;
    if (rc == 0)
        return "none";
    snprintf(text, sizeof text, "%s %s%s%s%s%s", v.value, sources[v.source], v.from[0] == '\0' ? "" : " ",
             v.from, v.has_received ? " received " : "", v.received);
    return text;
}

static int set(struct fixture *f, const char *dataset, const char *name, const char *value)
{
    struct zrpc_zpool_setting setting = {name, value};

    return zrpc_zpool_set(f->pool, dataset, &setting, 1, &f->err);
}

static int snap(struct fixture *f, const char *name, bool recursive)
{
    return zrpc_zpool_snapshot(f->pool, &name, 1, recursive, NULL, 0, &f->err);
}

static int create(struct fixture *f, const char *name, bool parents)
{
    struct zrpc_zpool_new new = {.name = name, .parents = parents};

    return zrpc_zpool_create_filesystem(f->pool, &new, &f->err);
}

static int destroy(struct fixture *f, const char *name, unsigned flags)
{
    return zrpc_zpool_destroy(f->pool, name, flags, NULL, &f->err);
}

static void listings_have_a_depth_and_types(void)
{
    unsigned fs = ZRPC_ZPOOL_FILESYSTEM, snaps = ZRPC_ZPOOL_SNAPSHOT, marks = ZRPC_ZPOOL_BOOKMARK;
    struct fixture f;

    setup(&f);
    CHECK_OK(create(&f, "tank/a/b/c", true));
    CHECK_STR(listing(&f, NULL, 0, ZRPC_ZPOOL_ALL_TYPES), "tank");
    CHECK_STR(listing(&f, NULL, 1, ZRPC_ZPOOL_ALL_TYPES), "tank tank/a tank/empty");
    CHECK_STR(listing(&f, NULL, 2, fs), "tank tank/a tank/a/b tank/empty");
    CHECK_STR(listing(&f, "tank/a", 1, snaps | marks), "tank/a@1 tank/a#mark tank/a@2 tank/a@3");
    CHECK_STR(listing(&f, "tank/a", -1, fs | marks), "tank/a tank/a#mark tank/a/b tank/a/b/c");
    CHECK_STR(listing(&f, "tank/a@2", -1, snaps), "tank/a@2");
    CHECK_STR(listing(&f, "tank/a@2", -1, marks), "");
    CHECK_STR(listing(&f, "tank/none", 0, fs), "cannot open 'tank/none': dataset does not exist");
    CHECK_STR(listing(&f, "tank/a@9", 0, fs), "cannot open 'tank/a@9': dataset does not exist");
    teardown(&f);
}

static void figures_add_up(void)
{
    struct zrpc_zpool_dataset d;
    struct fixture f;

    setup(&f);
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/a@3", &d, &f.err));
    CHECK(d.referenced == 3101 && d.written == 3001 && d.used == 0);
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/a@2", &d, &f.err));
    CHECK(d.referenced == 100 && d.written == 0);
    CHECK_OK(zrpc_zpool_write(f.pool, "tank/a", 50, &f.err));
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/a", &d, &f.err));
    CHECK(d.referenced == 3151 && d.written == 50 && d.used == 3151);
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank", &d, &f.err));
    CHECK(d.referenced == 0 && d.used == 3151 && d.available == (UINT64_C(1) << 60) - 3151);
    CHECK_OK(destroy(&f, "tank/a@2", 0));
    CHECK_OK(snap(&f, "tank/a@4", false));
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/a@4", &d, &f.err));
    CHECK(d.written == 50 && d.userrefs == 0);
    teardown(&f);
}

static void names_that_cannot_be(void)
{
    static const char *const rows[][2] = {
        {"tank/", "cannot create 'tank/': trailing slash in name"},
        {"/tank", "cannot create '/tank': leading slash in name"},
        {"tank//b", "cannot create 'tank//b': empty component or misplaced '@' or '#' delimiter in name"},
        {"tank/b%", "cannot create 'tank/b%': invalid character '%' in name"},
        {"tank/..", "cannot create 'tank/..': parent reference, '..' is found in name"},
        {"tank/./b", "cannot create 'tank/./b': self reference, '.' is found in name"},
        {"tank/b@c", "cannot create 'tank/b@c': snapshot delimiter '@' is not expected here"},
        {"tank/b@c@d", "cannot create 'tank/b@c@d': multiple '@' and/or '#' delimiters in name"},
        {"9tank/b", "cannot create '9tank/b': pool doesn't begin with a letter"},
        {"lake/b", "cannot create 'lake/b': no such pool 'lake'"},
        {"tankb", "cannot create 'tankb': no such pool 'tankb'"},
        {"tank/x/y", "cannot create 'tank/x/y': parent does not exist"},
        {"tank/a", "cannot create 'tank/a': dataset already exists"},
        {"", "cannot create '': empty component or misplaced '@' or '#' delimiter in name"},
    };
    char longest[ZRPC_ZFS_NAME_MAX + 1] = "tank/";
    struct fixture f;

    setup(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_CODE(create(&f, rows[i][0], false), ZRPC_ERR_ZFS);
        CHECK_STR(f.err.text, rows[i][1]);
    }
    memset(longest + 5, 'x', sizeof longest - 6);
    CHECK_CODE(create(&f, longest, false), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "name is too long");
    longest[sizeof longest - 2] = '\0';
    CHECK_OK(create(&f, longest, false));
    CHECK_CODE(snap(&f, "tank/a@b/c", false), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "invalid character '/' in name");
    CHECK_CODE(snap(&f, "tank/a", false), ZRPC_ERR_ZFS);
    teardown(&f);
}

static void volumes(void)
{
    struct zrpc_zpool_new new = {.name = "tank/v", .volume = true, .volsize = 1 << 30};
    struct fixture f;

    setup(&f);
    CHECK_OK(zrpc_zpool_create_filesystem(f.pool, &new, &f.err));
    CHECK_STR(get(&f, "tank/v", "type"), "volume -");
    CHECK_STR(get(&f, "tank/v", "volsize"), "1073741824 local");
    CHECK_STR(get(&f, "tank/v", "mountpoint"), "none");
    CHECK_CODE(create(&f, "tank/v/b", false), ZRPC_ERR_ZFS);
    CHECK_CONTAINS(f.err.text, "parent is not a filesystem");
    CHECK_OK(snap(&f, "tank/v@1", false));
    CHECK_OK(copy(&f, "tank/v", "", "@1", "tank/w", false));
    CHECK_STR(get(&f, "tank/w", "type"), "volume -");
    teardown(&f);
}

static void snapshots_are_all_or_none(void)
{
    static const char *const bad[] = {"tank/empty@9", "tank/a@3"}, *const good[] = {"tank/empty@9",
                                                                                    "tank/a@9"};
    struct zrpc_zpool_dataset d, e;
    struct fixture f;

    setup(&f);
    CHECK_CODE(zrpc_zpool_snapshot(f.pool, bad, 2, false, NULL, 0, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot create snapshot 'tank/a@3': dataset already exists");
    CHECK_STR(versions(&f, "tank/empty"), "");
    CHECK_OK(zrpc_zpool_snapshot(f.pool, good, 2, false, NULL, 0, &f.err));
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/a@9", &d, &f.err));
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/empty@9", &e, &f.err));
    CHECK(d.createtxg == e.createtxg && d.guid != e.guid);
    CHECK_OK(snap(&f, "tank@r", true));
    CHECK_STR(listing(&f, NULL, -1, ZRPC_ZPOOL_SNAPSHOT),
              "tank@r tank/a@1 tank/a@2 tank/a@3 tank/a@9 tank/a@r tank/empty@9 tank/empty@r");
    CHECK_CODE(snap(&f, "tank/none@1", false), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot open 'tank/none': dataset does not exist");
    /* The name alone makes no snapshot the same. */
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/a@r", &d, &f.err));
    CHECK_OK(destroy(&f, "tank/a@r", 0));
    CHECK_OK(snap(&f, "tank/a@r", false));
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/a@r", &e, &f.err));
    CHECK(d.guid != e.guid);
    teardown(&f);
}

static void a_property_has_filesystems_grow(void)
{
    struct zrpc_zpool_dataset d;
    struct fixture f;

    setup(&f);
    CHECK_OK(set(&f, "tank", "sim:written", "1M"));
    CHECK_OK(snap(&f, "tank/a@4", false));
    CHECK_OK(snap(&f, "tank/a@5", false));
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/a@5", &d, &f.err));
    CHECK(d.written == 1 << 20 && d.referenced == 3101 + (2 << 20));
    CHECK_OK(copy(&f, "tank/a", "", "@5", "tank/b", false));
    check_same_content(&f, "tank/a", "tank/b", "5");
    teardown(&f);
}

static void snapshots_are_destroyed_in_lists_and_ranges(void)
{
    static const char *const rows[][2] = {
        {"tank/a@2,9", "@1 #mark @3 @4 @5"}, {"tank/a@2%4", "@1 #mark @5"}, {"tank/a@%2", "#mark @3 @4 @5"},
        {"tank/a@4%", "@1 #mark @2 @3"},     {"tank/a@%", "#mark"},         {"tank/a@1,3%4", "#mark @2 @5"},
        {"tank/a#mark", "@1 @2 @3 @4 @5"},
    };
    struct zrpc_zpool_datasets gone = {0};
    struct fixture f;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setup(&f);
        CHECK_OK(snap(&f, "tank/a@4", false));
        CHECK_OK(snap(&f, "tank/a@5", false));
        CHECK_OK(zrpc_zpool_destroy(f.pool, rows[i][0], ZRPC_ZPOOL_DRY_RUN, &gone, &f.err));
        CHECK_STR(versions(&f, "tank/a"), "@1 #mark @2 @3 @4 @5");
        CHECK(gone.len > 0);
        CHECK_OK(destroy(&f, rows[i][0], 0));
        CHECK_STR(versions(&f, "tank/a"), rows[i][1]);
        teardown(&f);
    }
    zrpc_zpool_datasets_dispose(&gone);
}

static void what_cannot_be_destroyed(void)
{
    static const char *const rows[][2] = {
        {"tank/a@8,9", "could not find any snapshots to destroy; check snapshot names."},
        {"tank/a#none", "bookmark 'tank/a#none' does not exist."},
        {"tank/none", "cannot open 'tank/none': dataset does not exist"},
        {"tank/none@1", "cannot open 'tank/none': dataset does not exist"},
        {"tank/a",
         "cannot destroy 'tank/a': filesystem has children\n"
         "use '-r' to destroy the following datasets:\ntank/a@1\ntank/a@2\ntank/a@3"},
        {"tank",
         "cannot destroy 'tank': operation does not apply to pools\n"
         "use 'zfs destroy -r tank' to destroy all datasets in the pool\n"
         "use 'zpool destroy tank' to destroy the pool itself"},
    };
    struct zrpc_sink sink = {0};
    struct fixture f;

    setup(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_CODE(destroy(&f, rows[i][0], 0), ZRPC_ERR_ZFS);
        CHECK_STR(f.err.text, rows[i][1]);
    }
    CHECK_OK(open_receive(&f, "tank/empty", false, &sink));
    CHECK_CODE(destroy(&f, "tank/empty", 0), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot destroy 'tank/empty': dataset is busy");
    CHECK_CODE(destroy(&f, "tank", ZRPC_ZPOOL_RECURSIVE), ZRPC_ERR_ZFS);
    zrpc_sink_close(&sink);
    CHECK_STR(filesystems(&f, NULL), "tank tank/a tank/empty");
    CHECK_OK(destroy(&f, "tank/empty", 0));
    CHECK_OK(destroy(&f, "tank/a", ZRPC_ZPOOL_RECURSIVE));
    CHECK_STR(filesystems(&f, NULL), "tank");
    teardown(&f);
}

static void recursive_destruction_of_snapshots(void)
{
    struct fixture f;

    setup(&f);
    CHECK_OK(snap(&f, "tank@r", true));
    CHECK_OK(snap(&f, "tank/empty@1", true));
    CHECK_OK(destroy(&f, "tank@r", ZRPC_ZPOOL_RECURSIVE));
    CHECK_STR(listing(&f, NULL, -1, ZRPC_ZPOOL_SNAPSHOT), "tank/a@1 tank/a@2 tank/a@3 tank/empty@1");
    CHECK_OK(destroy(&f, "tank@1", ZRPC_ZPOOL_RECURSIVE));
    CHECK_STR(listing(&f, NULL, -1, ZRPC_ZPOOL_SNAPSHOT), "tank/a@2 tank/a@3");
    teardown(&f);
}

static void holds_keep_snapshots(void)
{
    static const char *const two[] = {"tank/a@1", "tank/a@2"}, *const one[] = {"tank/a@2"},
                             *const none[] = {"tank/a@1", "tank/a@9"};
    struct zrpc_zpool_holds l = {0};
    struct zrpc_zpool_dataset d;
    struct fixture f;

    setup(&f);
    CHECK_OK(zrpc_zpool_hold(f.pool, two, 2, "keep", false, &f.err));
    CHECK_CODE(zrpc_zpool_hold(f.pool, one, 1, "keep", false, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot hold snapshot 'tank/a@2': tag already exists on this dataset");
    CHECK_CODE(zrpc_zpool_hold(f.pool, none, 2, "more", false, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot hold snapshot 'tank/a@9': dataset does not exist");
    CHECK_OK(zrpc_zpool_hold(f.pool, one, 1, "again", false, &f.err));
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/a@2", &d, &f.err));
    CHECK_INT(d.userrefs, 2);
    CHECK_OK(zrpc_zpool_holds(f.pool, "tank/a@2", false, &l, &f.err));
    CHECK(l.len == 2 && strcmp(l.items[0].tag, "again") == 0 && strcmp(l.items[1].snapshot, "tank/a@2") == 0);
    zrpc_zpool_holds_dispose(&l);
    CHECK_CODE(destroy(&f, "tank/a@2", 0), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot destroy snapshot tank/a@2: dataset is busy");
    CHECK_CODE(destroy(&f, "tank/a", ZRPC_ZPOOL_RECURSIVE), ZRPC_ERR_ZFS);
    CHECK_CODE(zrpc_zpool_rollback(f.pool, "tank/a@1", true, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(versions(&f, "tank/a"), "@1 #mark @2 @3");
    CHECK_OK(destroy(&f, "tank/a@2", ZRPC_ZPOOL_DEFER));
    CHECK_STR(get(&f, "tank/a@2", "defer_destroy"), "on -");
    CHECK_OK(zrpc_zpool_release(f.pool, one, 1, "keep", false, &f.err));
    CHECK_CODE(zrpc_zpool_release(f.pool, one, 1, "keep", false, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot release hold from snapshot 'tank/a@2': no such tag on this dataset");
    CHECK_OK(zrpc_zpool_release(f.pool, one, 1, "again", false, &f.err));
    CHECK_STR(versions(&f, "tank/a"), "@1 #mark @3");
    CHECK_OK(zrpc_zpool_release(f.pool, two, 1, "keep", false, &f.err));
    CHECK_STR(versions(&f, "tank/a"), "@1 #mark @3");
    teardown(&f);
}

static void rolling_back_asks_first(void)
{
    struct fixture f;

    setup(&f);
    CHECK_OK(zrpc_zpool_bookmark(f.pool, "tank/a@3", "tank/a#late", false, &f.err));
    CHECK_CODE(zrpc_zpool_bookmark(f.pool, "tank/a@1", "tank/a#late", false, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot create bookmark 'tank/a#late': bookmark exists");
    CHECK_CODE(zrpc_zpool_rollback(f.pool, "tank/a@2", false, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text,
              "cannot rollback to 'tank/a@2': more recent snapshots or bookmarks exist\n"
              "use '-r' to force deletion of the following snapshots and bookmarks:\n"
              "tank/a@3");
    CHECK_OK(zrpc_zpool_write(f.pool, "tank/a", 10, &f.err));
    CHECK_OK(zrpc_zpool_rollback(f.pool, "tank/a@3", false, &f.err));
    CHECK_STR(get(&f, "tank/a", "written"), "0 -");
    CHECK_OK(zrpc_zpool_rollback(f.pool, "tank/a@2", true, &f.err));
    CHECK_STR(versions(&f, "tank/a"), "@1 #mark @2");
    teardown(&f);
}

static void properties_are_inherited(void)
{
    struct fixture f;

    setup(&f);
    CHECK_OK(create(&f, "tank/a/b", false));
    CHECK_STR(get(&f, "tank/a/b", "compression"), "on default");
    CHECK_OK(set(&f, "tank", "compress", "lz4"));
    CHECK_STR(get(&f, "tank/a/b", "compression"), "lz4 inherited tank");
    CHECK_OK(set(&f, "tank/a", "a:b", "value"));
    CHECK_STR(get(&f, "tank/a", "a:b"), "value local");
    CHECK_STR(get(&f, "tank/a/b", "a:b"), "value inherited tank/a");
    CHECK_STR(get(&f, "tank/a@1", "a:b"), "value inherited tank/a");
    CHECK_STR(get(&f, "tank/empty", "a:b"), "none");
    CHECK_OK(set(&f, "tank/a@1", "a:b", "own"));
    CHECK_STR(get(&f, "tank/a@1", "a:b"), "own local");
    CHECK_OK(zrpc_zpool_inherit(f.pool, "tank/a@1", "a:b", false, false, &f.err));
    CHECK_STR(get(&f, "tank/a@1", "a:b"), "value inherited tank/a");
    CHECK_STR(get(&f, "tank/a/b", "mountpoint"), "/tank/a/b default");
    CHECK_OK(set(&f, "tank", "mountpoint", "/srv"));
    CHECK_STR(get(&f, "tank/a/b", "mountpoint"), "/srv/a/b inherited tank");
    CHECK_OK(set(&f, "tank/a", "mountpoint", "none"));
    CHECK_STR(get(&f, "tank/a/b", "mountpoint"), "none inherited tank/a");
    CHECK_OK(zrpc_zpool_inherit(f.pool, "tank", "mountpoint", false, true, &f.err));
    CHECK_STR(get(&f, "tank/a/b", "mountpoint"), "/tank/a/b default");
    teardown(&f);
}

static void received_values_stand_behind_local_ones(void)
{
    struct fixture f;

    setup(&f);
    CHECK_OK(zrpc_zpool_set_received(f.pool, "tank/a", "a:b", "theirs", &f.err));
    CHECK_STR(get(&f, "tank/a", "a:b"), "theirs received received theirs");
    CHECK_OK(set(&f, "tank/a", "a:b", "mine"));
    CHECK_STR(get(&f, "tank/a", "a:b"), "mine local received theirs");
    CHECK_OK(zrpc_zpool_inherit(f.pool, "tank/a", "a:b", true, false, &f.err));
    CHECK_STR(get(&f, "tank/a", "a:b"), "theirs received received theirs");
    CHECK_OK(zrpc_zpool_inherit(f.pool, "tank/a", "a:b", false, false, &f.err));
    CHECK_STR(get(&f, "tank/a", "a:b"), "none");
    teardown(&f);
}

static void settings_that_are_refused(void)
{
    static const char *const rows[][4] = {
        {"tank/a", "nothing", "1", "cannot set property for 'tank/a': invalid property 'nothing'"},
        {"tank/a", "used", "1", "cannot set property for 'tank/a': 'used' is readonly"},
        {"tank/a", "atime", "maybe", "cannot set property for 'tank/a': 'atime' must be one of 'on | off'"},
        {"tank/a", "quota", "much", "cannot set property for 'tank/a': bad numeric value 'much'"},
        {"tank/a", "quota", "0", "cannot set property for 'tank/a': use 'none' to disable quota/refquota"},
        {"tank/a", "quota", "1K",
         "cannot set property for 'tank/a': size is less than current used or reserved space"},
        {"tank/a", "volsize", "1K",
         "cannot set property for 'tank/a': 'volsize' does not apply to datasets of this type"},
        {"tank/a@1", "atime", "on",
         "cannot set property for 'tank/a@1': 'atime' does not apply to datasets of"},
        {"tank/a@1", "exec", "on",
         "cannot set property for 'tank/a@1': this property can not be modified for"},
        {"tank/a", "A:b", "1", "cannot set property for 'tank/a': invalid property 'A:b'"},
        {"tank/a@9", "a:b", "1", "cannot open 'tank/a@9': dataset does not exist"},
    };
    const struct zrpc_zpool_setting half[] = {{"a:b", "1"}, {"used", "2"}};
    struct fixture f;

    setup(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_CODE(set(&f, rows[i][0], rows[i][1], rows[i][2]), ZRPC_ERR_ZFS);
        CHECK_CONTAINS(f.err.text, rows[i][3]);
    }
    CHECK_CODE(zrpc_zpool_set(f.pool, "tank/a", half, 2, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(get(&f, "tank/a", "a:b"), "none");
    CHECK_CODE(zrpc_zpool_inherit(f.pool, "tank/a", "quota", false, false, &f.err), ZRPC_ERR_ZFS);
    CHECK_STR(f.err.text, "cannot inherit quota for 'tank/a': property cannot be inherited");
    teardown(&f);
}

static int collect(void *ctx, const struct zrpc_zpool_value *v, struct zrpc_error *err)
{
    char *text = ctx;
    size_t used = strlen(text);

    (void)err;
    snprintf(text + used, 4096 - used, "%s=%s ", v->name, v->value);
    return 0;
}

static void all_properties(void)
{
    struct zrpc_zpool_dataset d;
    char text[4096] = "";
    struct fixture f;

    setup(&f);
    CHECK_OK(set(&f, "tank", "z:z", "1"));
    CHECK_OK(set(&f, "tank/a", "a:a", "2"));
    CHECK_OK(zrpc_zpool_open_dataset(f.pool, "tank/a", &d, &f.err));
    CHECK_OK(zrpc_zpool_get_all(f.pool, &d, collect, text, &f.err));
    CHECK(strncmp(text, "type=filesystem creation=", 25) == 0);
    CHECK_CONTAINS(text, " quota=0 reservation=0 recordsize=131072 mountpoint=/tank/a ");
    CHECK_CONTAINS(text, " a:a=2 z:z=1 ");
    teardown(&f);
}

static const struct zrpc_test tests[] = {
    {"listings have a depth and types", listings_have_a_depth_and_types},
    {"figures add up", figures_add_up},
    {"names that cannot be", names_that_cannot_be},
    {"volumes", volumes},
    {"snapshots are all or none", snapshots_are_all_or_none},
    {"a property has filesystems grow", a_property_has_filesystems_grow},
    {"snapshots are destroyed in lists and ranges", snapshots_are_destroyed_in_lists_and_ranges},
    {"what cannot be destroyed", what_cannot_be_destroyed},
    {"recursive destruction of snapshots", recursive_destruction_of_snapshots},
    {"holds keep snapshots", holds_keep_snapshots},
    {"rolling back asks first", rolling_back_asks_first},
    {"properties are inherited", properties_are_inherited},
    {"received values stand behind local ones", received_values_stand_behind_local_ones},
    {"settings that are refused", settings_that_are_refused},
    {"all properties", all_properties},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    return zrpc_suite_main("sim/zpool_change", tests, argc, argv);
}
