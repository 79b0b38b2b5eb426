// SPDX-License-Identifier: ISC
// What the fuzzers share. Each is one LLVMFuzzerTestOneInput; a promise that does not hold aborts.
#ifndef FENBY_FUZZ_H
#define FENBY_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

// Says which promise it was, then dies where the fuzzer sees it.
#define PROMISE(condition)                                                               \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                     \
        }                                                                                \
    } while (0)

// The fuzzer's bytes, one after the other; zeros at the end.
typedef struct {
    const uint8_t *at, *end;
} fuzz_bytes;

static inline uint8_t fuzz_byte(fuzz_bytes *bytes)
{
    return bytes->at < bytes->end ? *bytes->at++ : 0;
}

static inline uint32_t fuzz_word(fuzz_bytes *bytes)
{
    uint32_t word = 0;
    for (int i = 0; i < 4; i++) word = word << 8 | fuzz_byte(bytes);
    return word;
}

// A file in memory, always the same, that now holds these bytes: a path to open it by.
static inline const char *fuzz_file(const uint8_t *bytes, size_t size)
{
    static char path[64];
    static int descriptor = -1;
    if (descriptor < 0) descriptor = memfd_create("fuzz", 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    PROMISE(!ftruncate(descriptor, 0) && pwrite(descriptor, bytes, size, 0) == (ssize_t)size);
    return path;
}

static inline bool fuzz_is_one_line(const char *error)
{
    return *error && !strchr(error, '\n');
}

#endif
