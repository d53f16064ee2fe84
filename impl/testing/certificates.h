/*
 * Certificates for tests, made afresh: P-256 keys, PEM files in a temporary directory.
 */
#ifndef ZRPC_TESTING_CERTIFICATES_H
#define ZRPC_TESTING_CERTIFICATES_H

#include <stdbool.h>

struct zrpc_test_cert {
    const char *name;     /* of the files: NAME.crt and NAME.key */
    const char *cn;       /* NULL: none */
    const char *san;      /* "DNS:a.example,IP:127.0.0.1"; NULL: none */
    const char *issuer;   /* the name of one made before; NULL: signed by itself */
    bool ca;              /* may issue others */
    int from_day, to_day; /* validity, relative to now; both 0: from yesterday to tomorrow */
};

/* "/tmp/zrpc-test-XXXXXX", new and private. The same string until zrpc_test_dir_remove(), which deletes the
 * directory with all files in it. Aborts the program where that cannot be had. */
const char *zrpc_test_dir(void);
void zrpc_test_dir_remove(void);
/* "DIR/NAME"; valid until 16 more calls. */
const char *zrpc_test_path(const char *name);

/* 0, or -1 after printing why. */
int zrpc_test_cert_make(const struct zrpc_test_cert *spec);

#endif
