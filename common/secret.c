/* The two types that hold secrets. Knows nothing of what the bytes mean. */
#include "common/secret.h"

#include "common/secret_arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct secret {
        size_t n;
        char bytes[];
};

int secret_new_blank(struct secret **ret, size_t n, char **ret_bytes)
{
        struct secret *secret;

        secret = n < PTRDIFF_MAX ? arena_take(sizeof(*secret) + n + 1, NULL) : NULL;
        if (!secret)
                return fault(-ENOMEM);
        secret->n = n;
        *ret_bytes = secret->bytes;
        *ret = secret;
        return 0;
}

int secret_new(struct secret **ret, const void *bytes, size_t n)
{
        char *copy;
        int r = secret_new_blank(ret, n, &copy);

        if (r == 0 && n > 0)
                memcpy(copy, bytes, n);
        return r;
}

int secret_new_string(struct secret **ret, const char *string)
{
        return secret_new(ret, string, strlen(string));
}

int secret_copy(struct secret **ret, const struct secret *secret)
{
        return secret_new(ret, secret->bytes, secret->n);
}

struct secret *secret_free(struct secret *secret)
{
        if (secret)
                arena_return(secret);
        return NULL;
}

const char *secret_expose(const struct secret *secret)
{
        return secret->bytes;
}

size_t secret_size(const struct secret *secret)
{
        return secret->n;
}

/* volatile: the compiler must not leave the loop at the first difference. */
static bool bytes_equal(const volatile unsigned char *a, const volatile unsigned char *b, size_t n)
{
        unsigned char difference = 0;

        for (size_t i = 0; i < n; i++)
                difference |= a[i] ^ b[i];
        return difference == 0;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
        if (!a || !b)
                return a == b;
        return secret_equal_bytes(a, b->bytes, b->n);
}

bool secret_equal_bytes(const struct secret *a, const void *bytes, size_t n)
{
        if (!a || !bytes)
                return !a && !bytes;
        return a->n == n && bytes_equal((const unsigned char *)a->bytes, bytes, n);
}

/* Doubling, for few copies; the old bytes are wiped where they were. */
static int buf_grow(struct secret_buf *buf, size_t needed)
{
        size_t size = buf->allocated <= buf->max / 2 ? 2 * buf->allocated : buf->max;
        char *data = arena_take(size > needed ? size : needed, &size);

        if (!data)
                return fault(-ENOMEM);
        if (buf->data) {
                memcpy(data, buf->data, buf->n);
                arena_return(buf->data);
        }
        buf->data = data;
        buf->allocated = size;
        return 0;
}

int secret_buf_reserve(struct secret_buf *buf, size_t more)
{
        if (buf->n > buf->max || more > buf->max - buf->n)
                return fault(-EMSGSIZE);
        if (buf->data && more < buf->allocated - buf->n)
                return 0;
        if (buf->n + more == SIZE_MAX)
                return fault(-ENOMEM);
        return buf_grow(buf, buf->n + more + 1);
}

int secret_buf_append(struct secret_buf *buf, const void *bytes, size_t n)
{
        int r;

        r = secret_buf_reserve(buf, n);
        if (r < 0)
                return r;
        if (n > 0)
                memcpy(buf->data + buf->n, bytes, n);
        buf->n += n;
        buf->data[buf->n] = '\0';
        return 0;
}

int secret_buf_append_string(struct secret_buf *buf, const char *string)
{
        return secret_buf_append(buf, string, strlen(string));
}

void secret_buf_consume(struct secret_buf *buf, size_t n)
{
        if (n > buf->n)
                abort();
        if (n == 0)
                return;
        memmove(buf->data, buf->data + n, buf->n - n);
        buf->n -= n;
        explicit_bzero(buf->data + buf->n, n);
}

void secret_buf_clear(struct secret_buf *buf)
{
        if (buf->data)
                explicit_bzero(buf->data, buf->allocated);
        buf->n = 0;
}

void secret_buf_forget(struct secret_buf *buf)
{
        if (buf->data)
                explicit_bzero(buf->data, buf->n);
        buf->n = 0;
}

void secret_buf_done(struct secret_buf *buf)
{
        if (buf->data)
                arena_return(buf->data);
        buf->data = NULL;
        buf->n = buf->allocated = 0;
}

int secret_buf_take(struct secret_buf *buf, struct secret **ret)
{
        int r;

        r = secret_new(ret, buf->data, buf->n);
        if (r < 0)
                return r;
        secret_buf_done(buf);
        return 0;
}
