// SPDX-License-Identifier: ISC
// Bytes that end where a page ends and the next one cannot be touched: who reads behind them is ended by the kernel, a
// library that no sanitizer looks into, too.
#ifndef FENBY_TEST_GUARDED_H
#define FENBY_TEST_GUARDED_H

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

enum { GUARDED_MOST = 1 << 16, GUARD = 4096 };

// The copy is good until the next one. NULL when there is no memory, or too many bytes.
static inline void *guarded_copy(const void *bytes, size_t size)
{
    static char *place;
    if (!place) {
        place = mmap(NULL, GUARDED_MOST + GUARD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (place == MAP_FAILED || mprotect(place + GUARDED_MOST, GUARD, PROT_NONE)) place = NULL;
    }
    if (!place || size > GUARDED_MOST) return NULL;
    return size ? memcpy(place + GUARDED_MOST - size, bytes, size) : place + GUARDED_MOST;
}

#endif
