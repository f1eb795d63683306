/*
 * libcurl, joined when it is first needed: with TLS and all else that it brings along it is most of what a start would take, and the
 * callers of a token that is still valid need none of it. To the rest of the program it is there as if it were linked: each function
 * of it that is used stands here under its own name, and passes on what it is given.
 */
#include "daemon/http/http.h"

#include "common/wipe.h"

#include <assert.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#define LIBRARY "libcurl.so.4"

/* The functions that are used, each once. */
#define CURL_FUNCTIONS(use)                                                                                  \
        use(curl_easy_cleanup);                                                                              \
        use(curl_easy_getinfo);                                                                              \
        use(curl_easy_header);                                                                               \
        use(curl_easy_init);                                                                                 \
        use(curl_easy_setopt);                                                                               \
        use(curl_easy_strerror);                                                                             \
        use(curl_free);                                                                                      \
        use(curl_global_init_mem);                                                                           \
        use(curl_multi_add_handle);                                                                          \
        use(curl_multi_assign);                                                                              \
        use(curl_multi_cleanup);                                                                             \
        use(curl_multi_info_read);                                                                           \
        use(curl_multi_init);                                                                                \
        use(curl_multi_remove_handle);                                                                       \
        use(curl_multi_setopt);                                                                              \
        use(curl_multi_socket_action);                                                                       \
        use(curl_slist_append);                                                                              \
        use(curl_slist_free_all);                                                                            \
        use(curl_url);                                                                                       \
        use(curl_url_cleanup);                                                                               \
        use(curl_url_get);                                                                                   \
        use(curl_url_set)

#define DECLARE(name) __typeof__(&(name)) name
static struct {
        CURL_FUNCTIONS(DECLARE);
} joined;
static bool is_joined;

/* What looks for libraries in a program's head finds none of this; https://uapi-group.org/specifications/specs/elf_dlopen_metadata/ */
__asm__(".pushsection .note.dlopen, \"a\", %note\n"
        ".balign 4\n"
        ".long 2f - 1f, 4f - 3f, 0x407c0c0a\n"
        "1: .asciz \"FDO\"\n"
        "2: .balign 4\n"
        "3: .asciz \"[{\\\"feature\\\":\\\"http\\\",\\\"description\\\":\\\"Requests to providers\\\","
        "\\\"priority\\\":\\\"required\\\",\\\"soname\\\":[\\\"" LIBRARY "\\\"]}]\"\n"
        "4: .balign 4\n"
        ".popsection\n");

/* -- joining -------------------------------------------------------------------------------------------------------- */

/*
 * Only there when curl's TLS is OpenSSL, whose memory holds every request and answer in plain text. It refuses once OpenSSL has
 * allocated anything; that weakens the wiping, and breaks nothing.
 */
static void wipe_openssl(void *library)
{
        int (*set_functions)(void *(*malloc_fn)(size_t, const char *, int),
                             void *(*realloc_fn)(void *, size_t, const char *, int),
                             void (*free_fn)(void *, const char *, int));

        *(void **)&set_functions = dlsym(library, "CRYPTO_set_mem_functions");
        if (set_functions)
                wipe_install_in_openssl(set_functions);
}

static bool find_functions(void *library)
{
#define FIND(name)                                                                                           \
        if (!(*(void **)&joined.name = dlsym(library, #name)))                                               \
        return false
        CURL_FUNCTIONS(FIND);
        return true;
}

void http_prepare(void)
{
        /* curl would write every connection's keys into the file that this names. */
        unsetenv("SSLKEYLOGFILE");
}

int http_join(struct diag *diag)
{
        void *library;

        if (is_joined)
                return 0;

        /* Local: its functions have the names of those below. It stays, as one that is linked would. */
        library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!library || !find_functions(library)) {
                diag_set(diag,
                         "libcurl cannot be used (%s): install the package libcurl4, version 7.85 or newer",
                         dlerror());
                if (library)
                        dlclose(library);
                return HTTP_E_NO_LIBRARY;
        }
        wipe_openssl(library);
        if (joined.curl_global_init_mem(CURL_GLOBAL_DEFAULT, wipe_malloc, wipe_free, wipe_realloc,
                                        wipe_strdup, wipe_calloc) != CURLE_OK)
                return fault(-ENOMEM);
        is_joined = true;
        return 0;
}

/* -- passing on ----------------------------------------------------------------------------------------------------- */

/* In parentheses, since curl.h has macros of some of these names, which look at the types of what is given. */

/* As curl itself does it: what comes last has the type that the option's number says. */
#define PASS_OPTION(code, function, handle, option, ap)                                                      \
        do {                                                                                                 \
                if ((option) < CURLOPTTYPE_OBJECTPOINT)                                                      \
                        code = (function)((handle), (option), va_arg(ap, long));                             \
                else if ((option) >= CURLOPTTYPE_OFF_T && (option) < CURLOPTTYPE_BLOB)                       \
                        code = (function)((handle), (option), va_arg(ap, curl_off_t));                       \
                else                                                                                         \
                        code = (function)((handle), (option), va_arg(ap, void *));                           \
        } while (0)

CURLcode(curl_easy_setopt)(CURL *easy, CURLoption option, ...)
{
        CURLcode code;
        va_list ap;

        va_start(ap, option);
        PASS_OPTION(code, (joined.curl_easy_setopt), easy, option, ap);
        va_end(ap);
        return code;
}

CURLMcode(curl_multi_setopt)(CURLM *multi, CURLMoption option, ...)
{
        CURLMcode code;
        va_list ap;

        va_start(ap, option);
        PASS_OPTION(code, (joined.curl_multi_setopt), multi, option, ap);
        va_end(ap);
        return code;
}

CURLcode(curl_easy_getinfo)(CURL *easy, CURLINFO info, ...)
{
        CURLcode code;
        va_list ap;

        va_start(ap, info);
        code = (joined.curl_easy_getinfo)(easy, info, va_arg(ap, void *));
        va_end(ap);
        return code;
}

CURL *curl_easy_init(void)
{
        return joined.curl_easy_init();
}

void curl_easy_cleanup(CURL *easy)
{
        joined.curl_easy_cleanup(easy);
}

const char *curl_easy_strerror(CURLcode code)
{
        return joined.curl_easy_strerror(code);
}

CURLHcode curl_easy_header(CURL *easy, const char *name, size_t index, unsigned int origin, int request,
                           struct curl_header **ret)
{
        return joined.curl_easy_header(easy, name, index, origin, request, ret);
}

void curl_free(void *p)
{
        joined.curl_free(p);
}

CURLM *curl_multi_init(void)
{
        return joined.curl_multi_init();
}

CURLMcode curl_multi_cleanup(CURLM *multi)
{
        return joined.curl_multi_cleanup(multi);
}

CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy)
{
        return joined.curl_multi_add_handle(multi, easy);
}

CURLMcode curl_multi_remove_handle(CURLM *multi, CURL *easy)
{
        return joined.curl_multi_remove_handle(multi, easy);
}

CURLMsg *curl_multi_info_read(CURLM *multi, int *left)
{
        return joined.curl_multi_info_read(multi, left);
}

CURLMcode curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int action, int *running)
{
        return joined.curl_multi_socket_action(multi, fd, action, running);
}

CURLMcode curl_multi_assign(CURLM *multi, curl_socket_t fd, void *known)
{
        return joined.curl_multi_assign(multi, fd, known);
}

struct curl_slist *curl_slist_append(struct curl_slist *list, const char *line)
{
        return joined.curl_slist_append(list, line);
}

void curl_slist_free_all(struct curl_slist *list)
{
        joined.curl_slist_free_all(list);
}

CURLU *curl_url(void)
{
        return joined.curl_url();
}

void curl_url_cleanup(CURLU *url)
{
        joined.curl_url_cleanup(url);
}

CURLUcode curl_url_set(CURLU *url, CURLUPart part, const char *text, unsigned int flags)
{
        return joined.curl_url_set(url, part, text, flags);
}

/* The first argument became const in one of curl's versions. */
typedef __typeof__(__builtin_choose_expr(
        __builtin_types_compatible_p(__typeof__(curl_url_get),
                                     CURLUcode(CURLU *, CURLUPart, char **, unsigned int)),
        (CURLU *)NULL, (const CURLU *)NULL)) url_got_from;

CURLUcode curl_url_get(url_got_from url, CURLUPart part, char **ret, unsigned int flags)
{
        return joined.curl_url_get(url, part, ret, flags);
}
