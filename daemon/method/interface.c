/*
 * The assembler reads the files, so that the definition people read is the one that purserd answers with, and no generated
 * source has to agree with it. The compiler cannot see these inputs: the Makefile names them.
 */
#include "daemon/method/interface.h"

/* The paths are found as headers are, through -I. */
#define EMBED(symbol, path)                                                                                  \
        __asm__(".pushsection .rodata\n"                                                                     \
                ".globl " #symbol "\n"                                                                       \
                ".type " #symbol ", STT_OBJECT\n" #symbol ":\n"                                              \
                ".incbin \"" path "\"\n"                                                                     \
                ".byte 0\n"                                                                                  \
                ".size " #symbol ", . - " #symbol "\n"                                                       \
                ".popsection\n")

EMBED(interface_tokens, "include/io.purser.Tokens.varlink");
EMBED(interface_admin, "include/io.purser.Admin.varlink");
