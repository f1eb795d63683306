/* A shell script, run to its end, for tests that prepare files with other people's programs. */
#pragma once

int run_script(const char *script); /* its exit status, -1 when it was killed or never ran */
