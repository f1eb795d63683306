/* How large the slots of secret memory are, and the blocks that they are cut from. For the arena alone. */
#pragma once

#include <stdint.h>

enum {
        BLOCK_SIZE = 4096,
        FIRST_CHUNK_BLOCKS = 16, /* 64 KiB: a program that asks for one token takes no more */
        CHUNK_BLOCKS = 64, /* one bit each */
        RUN_MAX =
                8, /* larger is a message on its way, and not worth a chunk of hidden pages: that takes a millisecond */
};

/* Multiples of 16, one bit to a slot. What is left over at a slab's end is 3 % at most. */
static const struct class
{
        uint16_t slot_size;
        uint8_t n_blocks, n_slots;
} classes[] = {
        { 64, 1, 64 },   { 80, 1, 51 },   { 96, 1, 42 },   { 112, 1, 36 }, { 128, 1, 32 }, { 160, 1, 25 },
        { 192, 1, 21 },  { 224, 1, 18 },  { 256, 1, 16 },  { 288, 1, 14 }, { 336, 1, 12 }, { 400, 1, 10 },
        { 448, 1, 9 },   { 512, 1, 8 },   { 576, 1, 7 },   { 672, 1, 6 },  { 816, 1, 5 },  { 1024, 1, 4 },
        { 1168, 4, 14 }, { 1360, 4, 12 }, { 1632, 4, 10 }, { 2048, 4, 8 }, { 2720, 4, 6 }, { 3264, 4, 5 },
        { 4096, 1, 1 },  { 5456, 4, 3 },
};

enum {
        N_CLASSES = sizeof(classes) / sizeof(classes[0]),
        CLASS_RUN = N_CLASSES, /* whole blocks as one slot */
};
