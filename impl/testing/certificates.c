#include "testing/certificates.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[32];

const char *zrpc_test_dir(void)
{
    if (dir[0] != '\0')
        return dir;
    strcpy(dir, "/tmp/zrpc-test-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        abort();
    }
    return dir;
}

const char *zrpc_test_path(const char *name)
{
    static char paths[16][256];
    static unsigned next;
    char *path = paths[next++ % 16];

    snprintf(path, sizeof paths[0], "%s/%s", zrpc_test_dir(), name);
    return path;
}

void zrpc_test_dir_remove(void)
{
    struct dirent *entry;
    DIR *d;

    if (dir[0] == '\0')
        return;
    d = opendir(dir);
    while (d != NULL && (entry = readdir(d)) != NULL)
        if (entry->d_name[0] != '.')
            unlink(zrpc_test_path(entry->d_name));
    if (d != NULL)
        closedir(d);
    if (rmdir(dir) < 0)
        perror(dir);
    dir[0] = '\0';
}

static FILE *open_file(const char *name, const char *suffix, const char *mode)
{
    char file[128];

    snprintf(file, sizeof file, "%s%s", name, suffix);
    return fopen(zrpc_test_path(file), mode);
}

static bool write_files(const char *name, X509 *cert, EVP_PKEY *key)
{
    FILE *c = open_file(name, ".crt", "w"), *k = open_file(name, ".key", "w");
    bool ok = c != NULL && k != NULL && PEM_write_X509(c, cert) == 1 &&
              PEM_write_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL) == 1;

    ok = c != NULL && fclose(c) == 0 && ok;
    return k != NULL && fclose(k) == 0 && ok;
}

static bool read_issuer(const char *name, X509 **cert, EVP_PKEY **key)
{
    FILE *c = open_file(name, ".crt", "r"), *k = open_file(name, ".key", "r");

    *cert = c == NULL ? NULL : PEM_read_X509(c, NULL, NULL, NULL);
    *key = k == NULL ? NULL : PEM_read_PrivateKey(k, NULL, NULL, NULL);
    if (c != NULL)
        fclose(c);
    if (k != NULL)
        fclose(k);
    return *cert != NULL && *key != NULL;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;

    X509_EXTENSION_free(ext);
    return ok;
}

static bool fill(X509 *cert, const struct zrpc_test_cert *spec, EVP_PKEY *key)
{
    static long serial = 1000;
    bool now = spec->from_day == 0 && spec->to_day == 0;
    X509_NAME *subject = X509_get_subject_name(cert);

    return X509_set_version(cert, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++) == 1 &&
           X509_time_adj_ex(X509_getm_notBefore(cert), now ? -1 : spec->from_day, 0, NULL) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(cert), now ? 1 : spec->to_day, 0, NULL) != NULL &&
           X509_set_pubkey(cert, key) == 1 &&
           X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8, (const unsigned char *)"zrpc tests", -1,
                                      -1, 0) == 1 &&
           (spec->cn == NULL ||
            X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)spec->cn, -1, -1,
                                       0) == 1) &&
           add_extension(cert, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           (spec->san == NULL || add_extension(cert, NID_subject_alt_name, spec->san));
}

int zrpc_test_cert_make(const struct zrpc_test_cert *spec)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *issuer_key = NULL;
    X509 *cert = X509_new(), *issuer = NULL;
    bool ok = key != NULL && cert != NULL && fill(cert, spec, key);

    if (ok && spec->issuer != NULL)
        ok = read_issuer(spec->issuer, &issuer, &issuer_key);
    ok = ok && X509_set_issuer_name(cert, X509_get_subject_name(issuer == NULL ? cert : issuer)) == 1 &&
         X509_sign(cert, issuer_key == NULL ? key : issuer_key, EVP_sha256()) > 0 &&
         write_files(spec->name, cert, key);
    if (!ok) {
        fprintf(stderr, "certificate %s: ", spec->name);
        ERR_print_errors_fp(stderr);
        perror(zrpc_test_dir());
    }
    X509_free(cert);
    X509_free(issuer);
    EVP_PKEY_free(key);
    EVP_PKEY_free(issuer_key);
    return ok ? 0 : -1;
}
