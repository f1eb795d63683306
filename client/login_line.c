/* A line at a time, from a terminal or a pipe. */
#include "client/login_line.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool login_take_line(struct secret_buf *input, bool at_end, struct secret **ret)
{
        const char *newline = input->n > 0 ? memchr(input->data, '\n', input->n) : NULL;
        size_t n = newline ? (size_t)(newline - input->data) : input->n, length = n;

        if (!newline && (!at_end || n == 0))
                return false;
        while (length > 0 && strchr(" \t\r", input->data[length - 1]))
                length--;
        if (secret_new(ret, input->data, length) < 0)
                return false;
        secret_buf_consume(input, newline ? n + 1 : n);
        return true;
}

bool login_read_more(struct secret_buf *input)
{
        ssize_t n;

        if (secret_buf_reserve(input, 1024) < 0)
                return false;
        n = read(STDIN_FILENO, input->data + input->n, 1024);
        if (n > 0) {
                input->n += (size_t)n;
                input->data[input->n] = '\0';
        }
        return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}
