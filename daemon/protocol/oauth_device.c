/* Answers of the device flow (RFC 8628). What is shown to a person is visible ASCII, and addresses are http or https. */
#include "daemon/protocol/oauth.h"

#include "daemon/base/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
        INTERVAL_DEFAULT_SEC = 5, /* section 3.2 */
        INTERVAL_MOST_SEC = 120,
        EXPIRES_MOST_SEC = 3600,
        CODE_MAX = 4096,
};

void oauth_device_done(struct oauth_device *device)
{
        device->device_code = secret_free(device->device_code);
}

static int parse(const struct http_response *response, json_t **ret)
{
        *ret = NULL;
        return response->result == HTTP_ANSWERED && response->body.n > 0
                       ? json_text_parse(response->body.data, response->body.n, ret)
                       : 0;
}

static bool is_visible(const char *text, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (text[i] < 0x21 || text[i] > 0x7e)
                        return false;
        return n > 0;
}

/* A user code may have blanks between its parts. */
static bool take_text(const json_t *value, char *buffer, size_t size, bool blanks)
{
        const char *text = json_string_value(value);
        size_t n = text ? json_string_length(value) : 0;

        if (n == 0 || n >= size)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!is_visible(&text[i], 1) && !(blanks && text[i] == ' '))
                        return false;
        memcpy(buffer, text, n + 1);
        return true;
}

static bool take_url(const json_t *value, char *buffer, size_t size)
{
        const char *text = json_string_value(value);

        return text && (strncasecmp(text, "https://", 8) == 0 || strncasecmp(text, "http://", 7) == 0) &&
               take_text(value, buffer, size, false);
}

static unsigned take_seconds(const json_t *value, unsigned otherwise, unsigned most)
{
        int64_t seconds = json_text_number(value);

        if (seconds <= 0)
                return otherwise;
        return seconds < most ? (unsigned)seconds : most;
}

int oauth_read_device_answer(const struct http_response *response, struct oauth_device *ret)
{
        _cleanup_(json_text_freep) json_t *root = NULL;
        struct oauth_device device = { 0 };
        const json_t *code, *complete;
        int r;

        r = parse(response, &root);
        if (r < 0)
                return r;
        code = json_object_get(root, "device_code");
        complete = json_object_get(root, "verification_uri_complete");
        if (response->result != HTTP_ANSWERED || response->status < 200 || response->status > 299 ||
            json_string_length(code) > CODE_MAX ||
            !is_visible(json_string_value(code), json_string_length(code)) ||
            !take_text(json_object_get(root, "user_code"), device.user_code, sizeof(device.user_code),
                       true) ||
            !(take_url(json_object_get(root, "verification_uri"), device.verification_uri,
                       sizeof(device.verification_uri)) ||
              take_url(json_object_get(root, "verification_url"), device.verification_uri,
                       sizeof(device.verification_uri))))
                return OAUTH_E_NO_DEVICE;
        if (!take_url(complete, device.verification_uri_complete, sizeof(device.verification_uri_complete)))
                device.verification_uri_complete[0] = '\0';
        device.expires_sec =
                take_seconds(json_object_get(root, "expires_in"), EXPIRES_MOST_SEC, EXPIRES_MOST_SEC);
        device.interval_sec =
                take_seconds(json_object_get(root, "interval"), INTERVAL_DEFAULT_SEC, INTERVAL_MOST_SEC);
        r = secret_new(&device.device_code, json_string_value(code), json_string_length(code));
        if (r < 0)
                return r;
        *ret = device;
        return 0;
}

int oauth_read_device_state(const struct http_response *response, enum oauth_device_state *ret)
{
        static const struct {
                const char *error;
                enum oauth_device_state state;
        } errors[] = {
                { "authorization_pending", OAUTH_DEVICE_PENDING },
                { "slow_down", OAUTH_DEVICE_SLOW_DOWN },
                { "access_denied", OAUTH_DEVICE_DENIED },
                { "expired_token", OAUTH_DEVICE_EXPIRED },
        };
        _cleanup_(json_text_freep) json_t *root = NULL;
        const char *error;
        int r;

        r = parse(response, &root);
        if (r < 0)
                return r;
        *ret = response->result == HTTP_ANSWERED ? OAUTH_DEVICE_ANSWERED : OAUTH_DEVICE_UNANSWERED;
        error = json_text_string_at(root, "/error");
        for (size_t i = 0; error && i < sizeof(errors) / sizeof(errors[0]); i++)
                if (strcmp(error, errors[i].error) == 0)
                        *ret = errors[i].state;
        return 0;
}
