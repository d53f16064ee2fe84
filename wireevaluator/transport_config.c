#include <stdlib.h>
#include <string.h>

#include "conformance/file.h"
#include "wireevaluator/transport.h"
#include "zrpc/config.h"

int zrpc_eval_load_config(const char *file, struct zrpc_config **out, struct zrpc_error *err)
{
    int rc = zrpc_config_load(file, out, NULL, err);

    if (rc == 0)
        zrpc_config_set_default_sockdir(*out, EVAL_SOCKDIR_DEFAULT);
    return rc;
}

struct configured {
    struct zrpc_eval_listening listening; /* first */
    struct zrpc_config *config;
    struct zrpc_buf text; /* zero-terminated */
};

static int config_listen(struct zrpc_eval_listening *t, struct zrpc_listener **out, struct zrpc_error *err)
{
    return zrpc_config_listen(((struct configured *)t)->config, out, err);
}

static int config_dialer(struct zrpc_eval_listening *t, const struct zrpc_listener *l,
                         struct zrpc_dialer **out, struct zrpc_error *err)
{
    (void)l;
    return zrpc_config_dialer(((struct configured *)t)->config, out, err);
}

static void config_release(struct zrpc_eval_listening *t)
{
    struct configured *c = (struct configured *)t;

    zrpc_config_free(c->config);
    zrpc_buf_dispose(&c->text);
    free(c);
}

static const struct zrpc_eval_listening_ops config_ops = {config_listen, config_dialer, config_release};

int zrpc_eval_transport_config(const char *file, struct zrpc_evaluated **out, struct zrpc_error *err)
{
    struct configured *c = calloc(1, sizeof *c);
    char *text = NULL;
    int rc;

    if (c == NULL)
        return zrpc_fail(err, ZRPC_ERR_NOMEM, "%s: no memory", file);
    rc = zrpc_eval_load_config(file, &c->config, err);
    if (rc == 0 && (zrpc_config_connect_type(c->config) == NULL || zrpc_config_serve_type(c->config) == NULL))
        rc = zrpc_fail(err, ZRPC_ERR_USAGE, "%s: expected both a connect and a serve section", file);
    if (rc == 0)
        rc = zrpc_file_read(file, &text, err);
    if (rc == 0)
        rc = zrpc_buf_append(&c->text, zrpc_view(text, strlen(text) + 1), err);
    free(text);
    if (rc < 0) {
        config_release(&c->listening);
        return rc;
    }
    zrpc_eval_listening_init(&c->listening, zrpc_config_connect_type(c->config), (const char *)c->text.base,
                             &config_ops);
    *out = &c->listening.base;
    return 0;
}
