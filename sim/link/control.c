#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sim/link/link_internal.h"

static int say(struct zrpc_buf *out, const char *text, struct zrpc_error *err)
{
    return zrpc_buf_append(out, zrpc_view_of(text), err);
}

static int status(struct zrpc_link *l, struct zrpc_buf *out, struct zrpc_error *err)
{
    char line[ZRPC_ADDRESS_MAX + 100];
    int rc;

    snprintf(line, sizeof line,
             "listening on %s, seed %" PRIu64 ", %" PRIu32 " connections so far, %u failures\n",
             l->listener.address, l->plan->seed, l->n_connections, l->failures);
    rc = say(out, line, err);
    for (const struct zrpc_link_connection *c = l->connections; rc == 0 && c != NULL; c = c->next)
        if ((rc = zrpc_link_connection_describe(c, ZRPC_LINK_TO_SERVER, out, err)) == 0)
            rc = zrpc_link_connection_describe(c, ZRPC_LINK_TO_CLIENT, out, err);
    return rc;
}

/* Those that have not struck yet. */
static int faults(struct zrpc_link *l, struct zrpc_buf *out, struct zrpc_error *err)
{
    char text[ZRPC_LINK_FAULT_TEXT_MAX], line[ZRPC_LINK_FAULT_TEXT_MAX + 40];
    int rc = 0;

    for (const struct zrpc_link_connection *c = l->connections; c != NULL; c = c->next) {
        for (size_t i = 0; rc == 0 && i < c->machine.n_triggers; i++) {
            snprintf(line, sizeof line, "connection %" PRIu32 " %s\n", c->machine.number,
                     zrpc_link_fault_format(&c->machine.triggers[i].fault, text));
            rc = say(out, line, err);
        }
    }
    return rc;
}

static int stop(struct zrpc_link *l, struct zrpc_buf *out, struct zrpc_error *err)
{
    atomic_store(&l->stop, true);
    return say(out, "stopped\n", err);
}

static int inject(struct zrpc_link *l, const struct zrpc_link_fault *f, struct zrpc_error *err)
{
    bool accepting = f->action == ZRPC_LINK_REFUSE || f->action == ZRPC_LINK_DELAY_ACCEPT;
    int rc = zrpc_link_fault_check(f, err);

    if (rc == 0)
        rc = zrpc_link_plan_reaches(l->plan, f, err);
    for (struct zrpc_link_connection *c = l->connections; rc == 0 && c != NULL; c = c->next) {
        rc = zrpc_link_machine_add(&c->machine, zrpc_now(), f, err);
        c->wakeup = 0;
    }
    if (rc == 0 && (accepting || f->connection > l->n_connections)) {
        struct zrpc_link_fault later = *f;

        /* Windows of time are counted from the link's beginning. */
        if (accepting && f->connection == 0)
            later.at.not_before += zrpc_now() - l->opened;
        rc = zrpc_link_plan_add(l->plan, &later, err);
        if (rc == 0 && f->action == ZRPC_LINK_REFUSE && f->connection == 0)
            zrpc_link_record_fault(l, &later);
    }
    return rc;
}

int zrpc_link_inject(struct zrpc_link *l, const struct zrpc_link_fault *f, struct zrpc_error *err)
{
    uint64_t one = 1;
    int rc;

    pthread_mutex_lock(&l->lock);
    rc = inject(l, f, err);
    pthread_mutex_unlock(&l->lock);
    if (rc == 0 && write(l->wake_fd, &one, sizeof one) < 0)
        zrpc_log(l->options.log, ZRPC_LOG_DEBUG, "wake-up pending", NULL);
    return rc;
}

/* "stall", "direction=to-client", "for=3s": {action: stall, direction: to-client, for: 3s} */
static int inject_words(struct zrpc_link *l, const char *const *words, size_t n, struct zrpc_buf *out,
                        struct zrpc_error *err)
{
    char text[ZRPC_LINK_REQUEST_MAX + 64], answer[ZRPC_LINK_FAULT_TEXT_MAX + 1];
    size_t used = (size_t)snprintf(text, sizeof text, "{action: %s", words[0]);
    struct zrpc_link_fault f;
    int rc;

    for (size_t i = 1; i < n && used < sizeof text; i++) {
        const char *equals = strchr(words[i], '=');

        if (equals == NULL)
            return zrpc_fail(err, ZRPC_ERR_USAGE, "\"%s\": expected KEY=VALUE", words[i]);
        used += (size_t)snprintf(text + used, sizeof text - used, ", %.*s: %s", (int)(equals - words[i]),
                                 words[i], equals + 1);
    }
    if (used + 2 > sizeof text)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "the fault's text is too long");
    memcpy(text + used, "}", 2);
    if ((rc = zrpc_link_fault_parse(text, &f, err)) < 0 || (rc = inject(l, &f, err)) < 0)
        return rc;
    zrpc_link_fault_format(&f, answer);
    rc = say(out, answer, err);
    return rc == 0 ? say(out, "\n", err) : rc;
}

static int answer(struct zrpc_link *l, const char *const *words, size_t n, struct zrpc_buf *out,
                  struct zrpc_error *err)
{
    static const struct {
        const char *name;
        int (*run)(struct zrpc_link *l, struct zrpc_buf *out, struct zrpc_error *err);
    } commands[] = {{"status", status}, {"faults", faults}, {"stop", stop}};

    if (n == 0)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "expected status, faults, stop, or an action");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(words[0], commands[i].name) == 0)
            return commands[i].run(l, out, err);
    return inject_words(l, words, n, out, err);
}

int zrpc_link_control(struct zrpc_link *l, const char *const *words, size_t n, struct zrpc_buf *out,
                      struct zrpc_error *err)
{
    uint64_t one = 1;
    int rc;

    pthread_mutex_lock(&l->lock);
    rc = answer(l, words, n, out, err);
    pthread_mutex_unlock(&l->lock);
    if (write(l->wake_fd, &one, sizeof one) < 0)
        zrpc_log(l->options.log, ZRPC_LOG_DEBUG, "wake-up pending", NULL);
    return rc;
}

/*
 * The socket
 */
int zrpc_link_control_open(struct zrpc_link *l, struct zrpc_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = l->plan->control;
    struct stat st;
    int fd;

    l->control.fd = -1;
    for (size_t i = 0; i < ZRPC_LINK_CLIENTS_MAX; i++)
        l->control.clients[i].fd = -1;
    if (path[0] == '\0')
        return 0;
    if (strlen(path) >= sizeof address.sun_path)
        return zrpc_fail(err, ZRPC_ERR_USAGE, "control: the path %s is longer than %zu bytes", path,
                         sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return zrpc_fail_errno(err, ZRPC_ERR_SYSTEM, errno, "socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, ZRPC_LINK_CLIENTS_MAX) < 0) {
        int rc = zrpc_fail_errno(err, ZRPC_ERR_LISTEN, errno, "control: listen on %s", path);

        close(fd);
        return rc;
    }
    l->control.fd = fd;
    return 0;
}

static void drop_client(struct zrpc_link_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    zrpc_buf_dispose(&client->request);
}

void zrpc_link_control_close(struct zrpc_link *l)
{
    if (l->control.fd < 0)
        return;
    for (size_t i = 0; i < ZRPC_LINK_CLIENTS_MAX; i++)
        drop_client(&l->control.clients[i]);
    close(l->control.fd);
    l->control.fd = -1;
    unlink(l->plan->control);
}

size_t zrpc_link_control_wants(const struct zrpc_link *l, struct pollfd out[static ZRPC_LINK_CLIENTS_MAX + 1])
{
    size_t n = 0;
    bool room = false;

    if (l->control.fd < 0)
        return 0;
    for (size_t i = 0; i < ZRPC_LINK_CLIENTS_MAX; i++) {
        room = room || l->control.clients[i].fd < 0;
        if (l->control.clients[i].fd >= 0)
            out[n++] = (struct pollfd){.fd = l->control.clients[i].fd, .events = POLLIN};
    }
    if (room)
        out[n++] = (struct pollfd){.fd = l->control.fd, .events = POLLIN};
    return n;
}

static void reply(struct zrpc_link *l, struct zrpc_link_client *client)
{
    enum { WORDS_MAX = 64 };
    const char *words[WORDS_MAX];
    struct zrpc_buf out = {0};
    struct zrpc_error err;
    char *save = NULL;
    size_t n = 0;

    /* The zero that ends the text was put there by receive(). */
    for (char *word = strtok_r((char *)client->request.base + client->request.off, "\n", &save);
         word != NULL && n < WORDS_MAX; word = strtok_r(NULL, "\n", &save))
        words[n++] = word;
    if (answer(l, words, n, &out, &err) < 0) {
        zrpc_buf_clear(&out);
        if (say(&out, "error: ", NULL) == 0 && say(&out, err.text, NULL) == 0)
            (void)say(&out, "\n", NULL);
    }
    /* One that does not take it all loses the rest: it is told nothing that it cannot ask again. */
    if (out.len > 0 && send(client->fd, zrpc_buf_view(&out).data, out.len, MSG_NOSIGNAL) < 0)
        zrpc_log(l->options.log, ZRPC_LOG_DEBUG, "a control client left", NULL);
    zrpc_buf_dispose(&out);
}

static void receive(struct zrpc_link *l, struct zrpc_link_client *client)
{
    uint8_t bytes[ZRPC_LINK_REQUEST_MAX];
    ssize_t n = read(client->fd, bytes, sizeof bytes);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && client->request.len + (size_t)n <= ZRPC_LINK_REQUEST_MAX &&
        zrpc_buf_append(&client->request, zrpc_view(bytes, (size_t)n), NULL) == 0)
        return;
    if (n == 0 && zrpc_buf_append(&client->request, zrpc_view("", 1), NULL) == 0)
        reply(l, client);
    drop_client(client);
}

static void accept_client(struct zrpc_link *l)
{
    int fd = accept4(l->control.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    for (size_t i = 0; i < ZRPC_LINK_CLIENTS_MAX; i++) {
        if (l->control.clients[i].fd < 0) {
            l->control.clients[i].fd = fd;
            return;
        }
    }
    close(fd);
}

void zrpc_link_control_ready(struct zrpc_link *l, const struct pollfd *fds, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (fds[k].revents == 0)
            continue;
        if (fds[k].fd == l->control.fd)
            accept_client(l);
        for (size_t i = 0; i < ZRPC_LINK_CLIENTS_MAX; i++)
            if (l->control.clients[i].fd == fds[k].fd)
                receive(l, &l->control.clients[i]);
    }
}
