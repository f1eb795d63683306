/* Opening a page in the person's browser. */
#pragma once

#include <stdbool.h>

/*
 * True when a browser was asked to open it; false where there
 * is no desktop, no xdg-open, or the URL is not of the web.
 */
bool browser_open(const char *url);
