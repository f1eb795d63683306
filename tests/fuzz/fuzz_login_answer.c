// links: daemon/protocol/
// libs: libsodium jansson
/*
 * Hostile answers to what a login asks before a person does anything: a device's code (RFC 8628 section 3.2), and a pushed request (RFC 9126
 * section 2.2). Input: the status (two bytes), then the body. What is shown to a person, or sent a browser to, is checked.
 */
#include "daemon/protocol/oauth.h"

#include "tests/fuzz/fuzz.h"
#include "tests/beds/provider_samples.h"

#include <strings.h>

static bool is_visible(const char *text, bool blanks)
{
        for (; *text; text++)
                if (*text < (blanks ? 0x20 : 0x21) || *text > 0x7e)
                        return false;
        return true;
}

static bool is_web_address(const char *url)
{
        return is_visible(url, false) &&
               (strncasecmp(url, "https://", 8) == 0 || strncasecmp(url, "http://", 7) == 0);
}

static void check_device(const struct http_response *response)
{
        struct oauth_device device = { 0 };
        int r = oauth_read_device_answer(response, &device);

        fuzz_check(r == 0 || r == OAUTH_E_NO_DEVICE);
        fuzz_check((r == 0) == (device.device_code != NULL));
        if (r == 0) {
                fuzz_check(*device.user_code && is_visible(device.user_code, true));
                fuzz_check(is_web_address(device.verification_uri));
                fuzz_check(!*device.verification_uri_complete ||
                           is_web_address(device.verification_uri_complete));
                fuzz_check(device.expires_sec > 0 && device.interval_sec > 0 && device.interval_sec <= 120);
                fuzz_check(secret_size(device.device_code) > 0 &&
                           is_visible(secret_expose(device.device_code), false));
        }
        oauth_device_done(&device);
}

static void check_device_state(const struct http_response *response)
{
        enum oauth_device_state state = OAUTH_DEVICE_EXPIRED;

        fuzz_check(oauth_read_device_state(response, &state) == 0);
        fuzz_check(state <= OAUTH_DEVICE_EXPIRED && state != OAUTH_DEVICE_UNANSWERED);
}

static void check_pushed(const struct http_response *response)
{
        struct oauth_client client = { .provider = &sample_plain,
                                       .endpoints = { .authorization = "https://id.example.com/authorize" },
                                       .client_id = "app" };
        static const char before[] = "https://id.example.com/authorize?client_id=app&request_uri=";
        struct oauth_pushed pushed;
        char *url = NULL;
        int r = oauth_read_pushed_answer(response, &pushed);

        fuzz_check(r == 0 || r == OAUTH_E_NOT_PUSHED);
        if (r != 0)
                return;
        fuzz_check(*pushed.request_uri && is_visible(pushed.request_uri, false));
        fuzz_check(pushed.expires_sec > 0 && pushed.expires_sec <= 86400);
        fuzz_check(oauth_pushed_url(&client, &pushed, &url) == 0);
        /* Nothing that the provider says adds a parameter. */
        fuzz_check(strncmp(url, before, sizeof before - 1) == 0 && !strpbrk(url + sizeof before - 1, "&#"));
        free(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
        if (n < 2)
                return 0;
        struct http_response response =
                fuzz_answer(data[0] << 8 | data[1], "application/json", data + 2, n - 2);
        check_device(&response);
        check_device_state(&response);
        check_pushed(&response);
        http_response_done(&response);
        return 0;
}
