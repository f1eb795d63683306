/* The pages of a login. */
#include "client/page.h"

#include "client/output.h"
#include "common/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STYLE                                                                                                \
        ":root{color-scheme:light dark}"                                                                     \
        "body{margin:0;min-height:100vh;display:grid;place-items:center;"                                    \
        "font:1.05rem/1.5 system-ui,sans-serif;background:#f4f4f2;color:#1c1c1a}"                            \
        "main{box-sizing:border-box;width:min(34rem,100%);padding:2rem 1.5rem;overflow-wrap:anywhere}"       \
        "h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem;padding-left:.8rem;border-left:.3rem solid}"   \
        "h1.done{border-color:#2e7d4f}h1.waiting{border-color:#b7791f}h1.refused{border-color:#c0392b}"      \
        "p{margin:.7rem 0}small{opacity:.7}"                                                                 \
        "@media(prefers-color-scheme:dark){body{background:#161618;color:#e8e8e4}}"

/* CSP level 3: the base64 of the SHA-256 of what stands between <style> and </style>. */
const char page_policy[] =
        "default-src 'none'; img-src data:; style-src 'sha256-cbHGrJh8zwzYu32sm60MOAHVjv+pELQDkjs8CSKzQO8='; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/*
 * HTML 13.1.2: enough for text and for attributes in quotes.
 * What terminals must not see, pages need not show either.
 */
static void print_escaped(FILE *out, const char *text)
{
        char harmless[2048] = "";

        for (const char *p = output_append(harmless, sizeof(harmless), text); *p; p++)
                switch (*p) {
                case '&':
                        fputs("&amp;", out);
                        break;
                case '<':
                        fputs("&lt;", out);
                        break;
                case '>':
                        fputs("&gt;", out);
                        break;
                case '"':
                        fputs("&quot;", out);
                        break;
                case '\'':
                        fputs("&#39;", out);
                        break;
                default:
                        fputc(*p, out);
                }
}

static void print_paragraph(FILE *out, const char *text)
{
        if (!text || !*text)
                return;
        fputs("<p>", out);
        print_escaped(out, text);
        fputs("</p>\n", out);
}

char *page_render(const struct page *page)
{
        static const char *const classes[] = {
                [PAGE_DONE] = "done",
                [PAGE_WAITING] = "waiting",
                [PAGE_REFUSED] = "refused",
        };
        char *html = NULL;
        size_t n = 0;
        FILE *out = open_memstream(&html, &n);

        if (!out)
                return NULL;
        /* An icon of its own keeps the browser from asking for one. */
        fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
              "<meta name=\"robots\" content=\"noindex\">\n<link rel=\"icon\" href=\"data:,\">\n<title>",
              out);
        print_escaped(out, page->title);
        fprintf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n<h1 class=\"%s\">", STYLE,
                classes[page->kind]);
        print_escaped(out, page->title);
        fputs("</h1>\n", out);
        print_paragraph(out, page->text);
        print_paragraph(out, page->detail);
        fputs("<p><small>Purser</small></p>\n</main>\n</body>\n</html>\n", out);

        if (fclose(out) != 0) {
                free(html);
                return NULL;
        }
        return html;
}
