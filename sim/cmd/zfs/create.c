#include <getopt.h>
#include <string.h>

#include "zfs.h"

struct creating {
    struct zrpc_zpool_new new;
    struct settings settings;
    bool dry_run, verbose, parsable, volume_options, unmounted;
    char blocksize[64];
};

static int bad_size(const char *what, const char *text, const struct zrpc_error *err)
{
    fprintf(stderr, "bad volume %s '%s': %s\n", what, text, err->text);
    return EXIT_REFUSED;
}

static int set_volume(struct creating *c, const char *text)
{
    struct zrpc_error err;

    c->new.volume = true;
    return parse_size(text, &c->new.volsize, &err) == 0 ? 0 : bad_size("size", text, &err);
}

static int set_blocksize(struct creating *c, char *text)
{
    struct zrpc_error err;
    uint64_t size;

    c->volume_options = true;
    if (parse_size(text, &size, &err) != 0)
        return bad_size("block size", text, &err);
    snprintf(c->blocksize, sizeof c->blocksize, "volblocksize=%llu", (unsigned long long)size);
    return add_setting(&c->settings, c->blocksize) ? 0 : EXIT_REFUSED;
}

static void tell(const struct creating *c)
{
    if (!c->verbose && !c->parsable)
        return;
    printf(c->parsable ? "create\t%s\n" : c->dry_run ? "would create %s\n" : "create %s\n", c->new.name);
    for (size_t i = 0; i < c->settings.n; i++)
        printf(c->parsable ? "property\t%s\t%s\n" : "\t%s=%s\n", c->settings.items[i].name,
               c->settings.items[i].value);
}

static int create(struct zfs *z, struct creating *c)
{
    struct zrpc_zfs_struck struck;
    struct zrpc_error err;
    int rc;

    c->new.settings = c->settings.items;
    c->new.n_settings = c->settings.n;
    tell(c);
    if (c->dry_run)
        return 0;
    rc = begin_operation(z, ZRPC_ZFS_OP_CREATE, c->new.name, &struck, &err);
    if (rc == 0)
        rc = zrpc_zpool_create_filesystem(z->pool, &c->new, &err);
    if (rc == 0)
        rc = end_operation(&struck, &err);
    return rc == 0 ? 0 : refused(&err);
}

int zfs_create(struct zfs *z, int argc, char **argv)
{
    struct creating c = {0};
    int o, status = 0;

    while (status == 0 && (o = getopt(argc, argv, ":PV:b:nso:puv")) != -1) {
        if (o == 'V')
            status = set_volume(&c, optarg);
        else if (o == 'b')
            status = set_blocksize(&c, optarg);
        else if (o == 'o')
            status = add_setting(&c.settings, optarg) ? 0 : EXIT_REFUSED;
        else if (o == 'P')
            c.parsable = c.verbose = true;
        else if (o == 'n')
            c.dry_run = true;
        else if (o == 's')
            c.volume_options = true;
        else if (o == 'p')
            c.new.parents = true;
        else if (o == 'u')
            c.unmounted = true;
        else if (o == 'v')
            c.verbose = true;
        else
            status = o == ':' ? misused(z, "missing size argument") : misused_option(z, o);
    }
    if (status != 0)
        return status;
    if (c.volume_options && !c.new.volume)
        return misused(z, "'-s' and '-b' can only be used when creating a volume");
    if (c.unmounted && c.new.volume)
        return misused(z, "'-u' can only be used when creating a filesystem");
    if (argc == optind)
        return misused(z, "missing %s argument", c.new.volume ? "volume" : "filesystem");
    if (argc - optind > 1)
        return misused(z, "too many arguments");
    c.new.name = argv[optind];
    return create(z, &c);
}
