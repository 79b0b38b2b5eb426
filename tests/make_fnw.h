// SPDX-License-Identifier: ISC
// Writes weights files of any content for the tests and the fuzzer: nn/weights.c describes the layout.
#ifndef FENBY_MAKE_FNW_H
#define FENBY_MAKE_FNW_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FNW_SIZE_AT = 12, FNW_BODY_AT = 24, FNW_CHECKSUM_SIZE = 8, FNW_CAPACITY = 1 << 22 };
static const uint64_t fnw_features = 0x0123456789abcdef;

typedef struct {
    unsigned char bytes[FNW_CAPACITY];
    size_t size;
} fnw;

static inline void fnw_bytes(fnw *file, const void *bytes, size_t size)
{
    if (size > sizeof file->bytes - file->size) return;
    memcpy(file->bytes + file->size, bytes, size);
    file->size += size;
}

static inline void fnw_ints(fnw *file, const int32_t *values, size_t n)
{
    fnw_bytes(file, values, n * sizeof *values);
}

static inline void fnw_int(fnw *file, int32_t value)
{
    fnw_ints(file, &value, 1);
}

static inline void fnw_text(fnw *file, const char *text)
{
    size_t size = (strlen(text) + 4) / 4 * 4;
    fnw_int(file, (int32_t)size);
    fnw_bytes(file, text, strlen(text));
    fnw_bytes(file, "\0\0\0", size - strlen(text));
}

static inline void fnw_array(fnw *file, const char *name, const float *values, size_t n)
{
    fnw_text(file, name);
    fnw_int(file, (int32_t)n);
    fnw_bytes(file, values, n * sizeof *values);
}

static inline void fnw_begin(fnw *file, int width, int channels, int n_layers)
{
    file->size = 0;
    fnw_bytes(file, "fenby.nw", 8);
    fnw_int(file, 2);
    fnw_int(file, 0);
    fnw_bytes(file, &fnw_features, sizeof fnw_features);
    fnw_text(file, "test");
    fnw_text(file, "A card.\n");
    fnw_int(file, width);
    fnw_int(file, channels);
    fnw_int(file, n_layers);
}

// Sets size and checksum of a file whose last 8 bytes are the checksum's place.
static inline void fnw_reseal(unsigned char *bytes, size_t size)
{
    int32_t size_field = (int32_t)size;
    memcpy(bytes + FNW_SIZE_AT, &size_field, sizeof size_field);
    uint64_t hash = 14695981039346656037ULL;
    for (size_t i = 0; i < size - FNW_CHECKSUM_SIZE; i++) hash = (hash ^ bytes[i]) * 1099511628211ULL;
    memcpy(bytes + size - FNW_CHECKSUM_SIZE, &hash, sizeof hash);
}

static inline void fnw_end(fnw *file)
{
    fnw_bytes(file, "checksum", FNW_CHECKSUM_SIZE);
    fnw_reseal(file->bytes, file->size);
}

#endif
