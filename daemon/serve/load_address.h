/*
 * What a service manager asks for when it loads a credential (systemd.exec(5), LoadCredential=) from a Unix socket: the name that it
 * binds its own end to is all that it says. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum load_form {
        LOAD_TOKEN, /* the access token alone, without a newline */
        LOAD_HEADERS, /* "Name: value" lines, as `curl -H @FILE` reads them */
        LOAD_JSON, /* the bundle that GetToken answers with, on one line */
};

enum { LOAD_TEXT_MAX = 108 }; /* a whole address is not longer */

struct load_request {
        char unit[LOAD_TEXT_MAX]; /* "jobber-sync.service" */
        char id[LOAD_TEXT_MAX]; /* of the systemd credential */
        char name
                [LOAD_TEXT_MAX]; /* of the purser credential: what the id names; not looked at more closely */
        enum load_form form;
};

/*
 * "\0" HEX "/unit/" UNIT "/" ID. The id is NAME.FORM, or NAME alone for the token; of one that ends with the word for a form, this is the
 * form: the token of a credential that is itself called `acme.json` is `acme.json.token`. False when it is nothing of the kind.
 */
bool load_address_parse(const char *path, size_t n, struct load_request *ret);

const char *load_form_name(enum load_form form);
