/*
 * The texts of the interface definitions in include/, as they stand in the files, for GetInterfaceDescription. Knows nothing of
 * what they say.
 */
#pragma once

/* NUL-terminated. */
extern const char interface_tokens[];
extern const char interface_admin[];
