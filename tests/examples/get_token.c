/* get_token CREDENTIAL: one request to the API, with libpurser and libcurl.
   cc get_token.c $(pkg-config --cflags --libs purser libcurl) -o get_token */
#include <curl/curl.h>
#include <err.h>
#include <purser.h>
#include <stdio.h>

static struct curl_slist *headers_of(const struct purser_bundle *bundle)
{
        struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
        char line[16384];

        for (size_t i = 0; i < purser_bundle_n_headers(bundle); i++) {
                int n = snprintf(line, sizeof(line), "%s: %s", purser_bundle_header_name(bundle, i),
                                 purser_bundle_header_value(bundle, i));

                if (n < 0 || (size_t)n >= sizeof(line))
                        errx(1, "a header is too long");
                headers = curl_slist_append(headers, line);
        }
        return headers;
}

static long ask(const struct purser_bundle *bundle, const char *query, FILE *answer)
{
        struct curl_slist *headers = headers_of(bundle);
        CURL *curl = curl_easy_init();
        long status = 0;

        curl_easy_setopt(curl, CURLOPT_URL, purser_bundle_api_url(bundle));
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, query);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
        curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L); /* what comes with a 401 is not the answer */
        curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_cleanup(curl);
        curl_slist_free_all(headers);
        return status;
}

int main(int argc, char **argv)
{
        const char *query = "{\"query\":\"{ account { id name } }\"}";
        struct purser *purser;
        struct purser_bundle *bundle, *fresh;
        long status;

        if (argc != 2)
                errx(64, "usage: get_token CREDENTIAL");
        if (purser_open(&purser, NULL) != PURSER_OK)
                errx(1, "out of memory");
        if (purser_get_token(purser, argv[1], NULL, &bundle) != PURSER_OK)
                errx(1, "%s", purser_error(purser));
        status = ask(bundle, query, stdout);
        if (status == 401) {
                struct purser_token_options options = { .rejected = purser_bundle_access_token(bundle) };

                if (purser_get_token(purser, argv[1], &options, &fresh) != PURSER_OK)
                        errx(1, "%s", purser_error(purser));
                purser_bundle_free(bundle);
                bundle = fresh;
                status = ask(bundle, query, stdout);
        }
        purser_bundle_free(bundle);
        purser_close(purser);
        return status == 200 ? 0 : 1;
}
