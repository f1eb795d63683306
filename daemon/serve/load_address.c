/* Taking the address of the peer apart. Whether it is to be believed, somebody else decides. */
#include "daemon/serve/load_address.h"

#include <string.h>

enum { HEX_MAX = 16 };

static const char separator[] = "/unit/";

static const char *const forms[] = {
        [LOAD_TOKEN] = "token",
        [LOAD_HEADERS] = "headers",
        [LOAD_JSON] = "json",
};

const char *load_form_name(enum load_form form)
{
        return forms[form];
}

/* As systemd has them, which keeps them fit for a line of a log. */
static bool is_unit_name(const char *text, size_t n)
{
        static const char others[] = ":-_.\\@";

        if (n == 0 || n >= LOAD_TEXT_MAX || !memchr(text, '.', n))
                return false;
        for (size_t i = 0; i < n; i++) {
                char c = text[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
                    (c == '\0' || !strchr(others, c)))
                        return false;
        }
        return true;
}

static bool is_id(const char *text, size_t n)
{
        if (n == 0 || n >= LOAD_TEXT_MAX)
                return false;
        for (size_t i = 0; i < n; i++)
                if (text[i] < '!' || text[i] > '~' || text[i] == '/' || text[i] == ':')
                        return false;
        return true;
}

static size_t count_hex(const char *text, size_t n)
{
        size_t i = 0;

        while (i < n && ((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
                i++;
        return i;
}

static void copy(char to[LOAD_TEXT_MAX], const char *text, size_t n)
{
        memcpy(to, text, n);
        to[n] = '\0';
}

static void split_id(struct load_request *request)
{
        const char *dot = strrchr(request->id, '.');

        request->form = LOAD_TOKEN;
        copy(request->name, request->id, strlen(request->id));
        for (size_t i = 0; dot && i < sizeof(forms) / sizeof(forms[0]); i++)
                if (strcmp(dot + 1, forms[i]) == 0) {
                        request->form = (enum load_form)i;
                        request->name[dot - request->id] = '\0';
                }
}

bool load_address_parse(const char *path, size_t n, struct load_request *ret)
{
        const size_t n_separator = strlen(separator);
        struct load_request request;
        const char *slash;
        size_t n_hex, n_unit;

        if (n < 1 || path[0] != '\0')
                return false;
        path++;
        n--;
        n_hex = count_hex(path, n);
        if (n_hex == 0 || n_hex > HEX_MAX || n - n_hex < n_separator ||
            memcmp(path + n_hex, separator, n_separator) != 0)
                return false;
        path += n_hex + n_separator;
        n -= n_hex + n_separator;

        slash = memchr(path, '/', n);
        if (!slash)
                return false;
        n_unit = (size_t)(slash - path);
        if (!is_unit_name(path, n_unit) || !is_id(slash + 1, n - n_unit - 1))
                return false;
        copy(request.unit, path, n_unit);
        copy(request.id, slash + 1, n - n_unit - 1);
        split_id(&request);
        *ret = request;
        return true;
}
