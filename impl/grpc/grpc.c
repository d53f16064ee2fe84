#include "zrpc/grpc.h"

#include "zrpc/pb.h"

static const struct status_info {
    const char *name;
    int code;
} statuses[] = {
#define STATUS_CODE_OK                  ZRPC_OK
#define STATUS_CODE_CANCELLED           ZRPC_ERR_CANCELLED
#define STATUS_CODE_HANDLER             ZRPC_ERR_HANDLER
#define STATUS_CODE_TIMEOUT             ZRPC_ERR_TIMEOUT
#define STATUS_CODE_UNAVAILABLE         ZRPC_ERR_UNAVAILABLE
#define STATUS_INFO(name, number, code) [number] = {#name, STATUS_CODE_##code},
    ZRPC_GRPC_STATUS_MAP(STATUS_INFO)
#undef STATUS_INFO
};

#define N_STATUSES ((int)(sizeof statuses / sizeof statuses[0]))

const char *zrpc_grpc_status_name(int status)
{
    return status >= 0 && status < N_STATUSES ? statuses[status].name : "UNKNOWN";
}

int zrpc_grpc_status_code(int status)
{
    return status >= 0 && status < N_STATUSES ? statuses[status].code : ZRPC_ERR_HANDLER;
}

int zrpc_grpc_status_parse(struct zrpc_view text)
{
    int status = 0;

    if (text.len == 0)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -1;
        status = status < N_STATUSES ? status * 10 + (text.data[i] - '0') : N_STATUSES;
    }
    return status < N_STATUSES ? status : ZRPC_GRPC_UNKNOWN;
}

enum zrpc_grpc_status zrpc_grpc_status_of_http(unsigned http_status)
{
    static const struct {
        unsigned http;
        enum zrpc_grpc_status status;
    } map[] = {
        {400, ZRPC_GRPC_INTERNAL},      {401, ZRPC_GRPC_UNAUTHENTICATED}, {403, ZRPC_GRPC_PERMISSION_DENIED},
        {404, ZRPC_GRPC_UNIMPLEMENTED}, {429, ZRPC_GRPC_UNAVAILABLE},     {502, ZRPC_GRPC_UNAVAILABLE},
        {503, ZRPC_GRPC_UNAVAILABLE},   {504, ZRPC_GRPC_UNAVAILABLE},
    };

    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        if (map[i].http == http_status)
            return map[i].status;
    return ZRPC_GRPC_UNKNOWN;
}

enum zrpc_grpc_status zrpc_grpc_status_of_reset(uint32_t h2_error)
{
    static const struct {
        uint32_t h2;
        enum zrpc_grpc_status status;
    } map[] = {
        {0x7, ZRPC_GRPC_UNAVAILABLE},        /* REFUSED_STREAM */
        {0x8, ZRPC_GRPC_CANCELLED},          /* CANCEL */
        {0xb, ZRPC_GRPC_RESOURCE_EXHAUSTED}, /* ENHANCE_YOUR_CALM */
        {0xc, ZRPC_GRPC_PERMISSION_DENIED},  /* INADEQUATE_SECURITY */
    };

    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++)
        if (map[i].h2 == h2_error)
            return map[i].status;
    return ZRPC_GRPC_INTERNAL;
}

size_t zrpc_grpc_message_encode(struct zrpc_view text, char *out, size_t size)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t len = 0;

    while (text.len > 0) {
        size_t n = zrpc_utf8_sequence(text);
        struct zrpc_view bytes = zrpc_view_take(&text, n == 0 ? 1 : n);
        bool blank_at_end = bytes.data[0] == ' ' && (len == 0 || text.len == 0);
        bool plain = bytes.len == 1 && bytes.data[0] >= 0x20 && bytes.data[0] <= 0x7e &&
                     bytes.data[0] != '%' && !blank_at_end;

        if (size - len < (plain ? 1 : 3 * bytes.len))
            break;
        for (size_t i = 0; i < bytes.len; i++) {
            if (!plain) {
                out[len++] = '%';
                out[len++] = hex[bytes.data[i] >> 4];
            }
            out[len++] = plain ? (char)bytes.data[i] : hex[bytes.data[i] & 15];
        }
    }
    return len;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that an escape at the beginning of v stands for, or -1. */
static int escaped_byte(struct zrpc_view v)
{
    int high, low;

    if (v.len < 3 || v.data[0] != '%')
        return -1;
    high = hex_value(v.data[1]);
    low = hex_value(v.data[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

size_t zrpc_grpc_message_decode(struct zrpc_view in, char *out, size_t size)
{
    size_t len = 0;

    while (in.len > 0 && len + 1 < size) {
        int byte = escaped_byte(in);

        zrpc_view_take(&in, byte < 0 ? 0 : 2);
        if (byte < 0)
            byte = in.data[0];
        zrpc_view_take(&in, 1);
        out[len++] = byte == 0 ? '?' : (char)byte;
    }
    out[len] = '\0';
    return len;
}

/* From fine to coarse. */
static const struct timeout_unit {
    char letter;
    zrpc_time length;
} timeout_units[] = {
    {'n', 1},
    {'u', 1000},
    {'m', 1000000},
    {'S', ZRPC_SECOND},
    {'M', 60 * ZRPC_SECOND},
    {'H', 3600 * ZRPC_SECOND},
};

#define N_UNITS           (sizeof timeout_units / sizeof timeout_units[0])
#define TIMEOUT_VALUE_MAX 99999999 /* eight digits */

const char *zrpc_grpc_timeout_format(zrpc_time timeout, char out[static ZRPC_GRPC_TIMEOUT_MAX])
{
    const struct timeout_unit *unit = timeout_units;
    zrpc_time value = timeout < 1 ? 1 : timeout;
    char digits[ZRPC_GRPC_TIMEOUT_MAX];
    size_t n = 0, len = 0;

    while (value > TIMEOUT_VALUE_MAX && unit < timeout_units + N_UNITS - 1) {
        unit++;
        value = timeout / unit->length + (timeout % unit->length != 0);
    }
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 && n < sizeof digits - 2);
    while (n > 0)
        out[len++] = digits[--n];
    out[len++] = unit->letter;
    out[len] = '\0';
    return out;
}

int zrpc_grpc_timeout_parse(struct zrpc_view text, zrpc_time *out, struct zrpc_error *err)
{
    zrpc_time value = 0;

    if (text.len < 2 || text.len > 9)
        return zrpc_fail(err, ZRPC_ERR_GRPC, "grpc-timeout \"%.*s\": not one to eight digits and a unit",
                         (int)(text.len < 20 ? text.len : 20), text.data);
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return zrpc_fail(err, ZRPC_ERR_GRPC, "grpc-timeout \"%.*s\": not a number", (int)text.len,
                             text.data);
        value = value * 10 + (text.data[i] - '0');
    }
    for (size_t i = 0; i < N_UNITS; i++) {
        if (timeout_units[i].letter != (char)text.data[text.len - 1])
            continue;
        if (__builtin_mul_overflow(value, timeout_units[i].length, out))
            *out = ZRPC_NEVER;
        return 0;
    }
    return zrpc_fail(err, ZRPC_ERR_GRPC, "grpc-timeout \"%.*s\": unknown unit", (int)text.len, text.data);
}

bool zrpc_grpc_content_type_ok(struct zrpc_view value)
{
    static const char grpc[] = "application/grpc", proto[] = "+proto";

    if (value.len < sizeof grpc - 1 || memcmp(value.data, grpc, sizeof grpc - 1) != 0)
        return false;
    zrpc_view_take(&value, sizeof grpc - 1);
    if (value.len >= sizeof proto - 1 && memcmp(value.data, proto, sizeof proto - 1) == 0)
        zrpc_view_take(&value, sizeof proto - 1);
    return value.len == 0 || value.data[0] == ';' || value.data[0] == ' ';
}

int zrpc_grpc_put_message(const ProtobufCMessage *msg, size_t limit, struct zrpc_buf *out,
                          struct zrpc_error *err)
{
    static const uint8_t no_prefix[ZRPC_GRPC_PREFIX_LEN];
    size_t size = protobuf_c_message_get_packed_size(msg), len = out->len;
    uint8_t *prefix;
    int rc;

    if (size > limit || size > UINT32_MAX)
        return zrpc_fail(err, ZRPC_ERR_TOO_BIG, "message %s has %zu bytes, at most %zu may be sent",
                         msg->descriptor->name, size, limit);
    rc = zrpc_buf_append(out, zrpc_view(no_prefix, sizeof no_prefix), err);
    if (rc < 0)
        return rc;
    rc = zrpc_pb_encode(msg, out, err);
    if (rc < 0) {
        out->len = len;
        return rc;
    }
    prefix = out->base + out->off + len;
    zrpc_put_u32(prefix + 1, (uint32_t)(out->len - len - ZRPC_GRPC_PREFIX_LEN));
    return 0;
}

#define ROOM_MIN 64 /* bytes */

void zrpc_grpc_reader_init(struct zrpc_grpc_reader *r, size_t limit)
{
    *r = (struct zrpc_grpc_reader){.limit = limit};
}

void zrpc_grpc_reader_dispose(struct zrpc_grpc_reader *r)
{
    zrpc_buf_dispose(&r->message);
}

/* A failing call's last words: its status beside the error's code. */
static int refuse(enum zrpc_grpc_status *status, enum zrpc_grpc_status value, int code)
{
    *status = value;
    return code;
}

static int check_prefix(struct zrpc_grpc_reader *r, enum zrpc_grpc_status *status, struct zrpc_error *err)
{
    r->length = zrpc_get_u32(r->prefix + 1);
    if (r->prefix[0] == 1 && r->encoded)
        return refuse(status, ZRPC_GRPC_UNIMPLEMENTED,
                      zrpc_fail(err, ZRPC_ERR_GRPC, "compressed message, only identity is supported"));
    if (r->prefix[0] == 1)
        return refuse(status, ZRPC_GRPC_INTERNAL,
                      zrpc_fail(err, ZRPC_ERR_GRPC, "compressed message without a grpc-encoding"));
    if (r->prefix[0] != 0)
        return refuse(
            status, ZRPC_GRPC_INTERNAL,
            zrpc_fail(err, ZRPC_ERR_GRPC, "compressed flag of a message is %u, not 0 or 1", r->prefix[0]));
    if (r->length > r->limit)
        return refuse(status, ZRPC_GRPC_RESOURCE_EXHAUSTED,
                      zrpc_fail(err, ZRPC_ERR_TOO_BIG, "message of %lu bytes, at most %zu are taken",
                                (unsigned long)r->length, r->limit));
    return 0;
}

/* For n more bytes: twice as much as before, but never more than the message will need. */
static int make_room(struct zrpc_grpc_reader *r, size_t n, struct zrpc_error *err)
{
    struct zrpc_buf larger = {0};
    size_t need = r->message.len + n, cap = ROOM_MIN;
    int rc;

    if (need <= r->message.cap)
        return 0;
    while (cap < need)
        cap *= 2;
    rc = zrpc_buf_reserve(&larger, cap < r->length ? cap : r->length, err);
    if (rc == 0)
        rc = zrpc_buf_append(&larger, zrpc_buf_view(&r->message), err);
    if (rc < 0) {
        zrpc_buf_dispose(&larger);
        return rc;
    }
    zrpc_buf_dispose(&r->message);
    r->message = larger;
    return 0;
}

int zrpc_grpc_reader_feed(struct zrpc_grpc_reader *r, struct zrpc_view in, enum zrpc_grpc_status *status,
                          struct zrpc_error *err)
{
    size_t n;
    int rc = 0;

    while (rc == 0 && in.len > 0 && r->have < ZRPC_GRPC_PREFIX_LEN) {
        r->prefix[r->have++] = zrpc_view_take(&in, 1).data[0];
        if (r->have == ZRPC_GRPC_PREFIX_LEN)
            rc = check_prefix(r, status, err);
    }
    if (rc < 0 || in.len == 0)
        return rc;
    n = r->length - r->message.len;
    n = n < in.len ? n : in.len;
    rc = make_room(r, n, err);
    if (rc == 0)
        rc = zrpc_buf_append(&r->message, zrpc_view_take(&in, n), err);
    if (rc < 0)
        return refuse(status, ZRPC_GRPC_RESOURCE_EXHAUSTED, rc);
    if (in.len > 0)
        return refuse(status, ZRPC_GRPC_UNIMPLEMENTED,
                      zrpc_fail(err, ZRPC_ERR_GRPC, "more than one message in a unary call"));
    return 0;
}

bool zrpc_grpc_reader_complete(const struct zrpc_grpc_reader *r)
{
    return r->have == ZRPC_GRPC_PREFIX_LEN && r->message.len == r->length;
}

int zrpc_grpc_reader_end(const struct zrpc_grpc_reader *r, enum zrpc_grpc_status *status,
                         struct zrpc_error *err)
{
    if (zrpc_grpc_reader_complete(r))
        return 0;
    if (r->have == 0)
        return refuse(status, ZRPC_GRPC_UNIMPLEMENTED,
                      zrpc_fail(err, ZRPC_ERR_GRPC, "no message in a unary call"));
    if (r->have < ZRPC_GRPC_PREFIX_LEN)
        return refuse(status, ZRPC_GRPC_INTERNAL,
                      zrpc_fail(err, ZRPC_ERR_GRPC, "message truncated: %zu of the %d bytes before it",
                                r->have, ZRPC_GRPC_PREFIX_LEN));
    return refuse(status, ZRPC_GRPC_INTERNAL,
                  zrpc_fail(err, ZRPC_ERR_GRPC, "message truncated: %zu of %lu bytes", r->message.len,
                            (unsigned long)r->length));
}
