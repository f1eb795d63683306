/*
 * The pages that a browser gets at the end of a login: no scripts, nothing from elsewhere, every value
 * escaped. Pure.
 */
#pragma once

#include <stdbool.h>

enum page_kind { PAGE_DONE, PAGE_WAITING, PAGE_REFUSED };

struct page {
        enum page_kind kind;
        const char *title; /* also the heading */
        const char *text; /* one paragraph; may be NULL */
        const char *detail; /* another one; may be NULL */
};

/* For the Content-Security-Policy header: names the pages' one style by its hash. */
extern const char page_policy[];

/* HTML in UTF-8; the caller frees it. NULL: no memory. */
char *page_render(const struct page *page);
