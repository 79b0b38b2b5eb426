// SPDX-License-Identifier: ISC
#include "ring.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CACHE_LINE = 64, PAGE = 4096 };

// The indices count elements and run freely: they differ by what the ring holds, and wrap with size_t. Each
// side has a cache line of its own, so that neither slows the other down.
struct fenby_ring {
    alignas(CACHE_LINE) atomic_size_t written;
    size_t read_seen;  // the writer's memory of `read`
    alignas(CACHE_LINE) atomic_size_t read;
    size_t written_seen;  // the reader's memory of `written`
    alignas(CACHE_LINE) char *elements;
    size_t element_size, capacity, bytes;
};

fenby_ring *fenby_ring_new(size_t element_size, size_t capacity)
{
    size_t elements = 1;
    while (elements < capacity && elements <= SIZE_MAX / 4 / element_size) elements *= 2;
    if (elements < capacity) return NULL;
    fenby_ring *ring = aligned_alloc(CACHE_LINE, sizeof *ring);
    if (!ring) return NULL;
    memset(ring, 0, sizeof *ring);
    ring->element_size = element_size;
    ring->capacity = elements;
    ring->bytes = (elements * element_size + PAGE - 1) / PAGE * PAGE;
    ring->elements = aligned_alloc(PAGE, ring->bytes);
    if (!ring->elements) {
        free(ring);
        return NULL;
    }
    memset(ring->elements, 0, ring->bytes);
    // A refusal (the user's limit) is no error: the pages have been touched and are rarely taken away.
    (void)mlock(ring->elements, ring->bytes);
    return ring;
}

void fenby_ring_free(fenby_ring *ring)
{
    if (!ring) return;
    (void)munlock(ring->elements, ring->bytes);
    free(ring->elements);
    free(ring);
}

void fenby_ring_reset(fenby_ring *ring)
{
    atomic_store(&ring->written, 0);
    atomic_store(&ring->read, 0);
    ring->read_seen = ring->written_seen = 0;
}

size_t fenby_ring_capacity(const fenby_ring *ring)
{
    return ring->capacity;
}

size_t fenby_ring_write_space(fenby_ring *ring)
{
    const size_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    ring->read_seen = atomic_load_explicit(&ring->read, memory_order_acquire);
    return ring->capacity - (written - ring->read_seen);
}

bool fenby_ring_write(fenby_ring *ring, const void *elements, size_t n)
{
    const size_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    if (ring->capacity - (written - ring->read_seen) < n && fenby_ring_write_space(ring) < n) return false;
    const size_t at = written & (ring->capacity - 1), to_end = ring->capacity - at;
    const size_t first = n < to_end ? n : to_end, size = ring->element_size;
    memcpy(ring->elements + at * size, elements, first * size);
    memcpy(ring->elements, (const char *)elements + first * size, (n - first) * size);
    atomic_store_explicit(&ring->written, written + n, memory_order_release);
    return true;
}

size_t fenby_ring_read_space(fenby_ring *ring)
{
    ring->written_seen = atomic_load_explicit(&ring->written, memory_order_acquire);
    return ring->written_seen - atomic_load_explicit(&ring->read, memory_order_relaxed);
}

size_t fenby_ring_read(fenby_ring *ring, void *elements, size_t n)
{
    const size_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
    if (ring->written_seen - read < n) {
        const size_t space = fenby_ring_read_space(ring);
        if (space < n) n = space;
    }
    const size_t at = read & (ring->capacity - 1), to_end = ring->capacity - at;
    const size_t first = n < to_end ? n : to_end, size = ring->element_size;
    memcpy(elements, ring->elements + at * size, first * size);
    memcpy((char *)elements + first * size, ring->elements, (n - first) * size);
    atomic_store_explicit(&ring->read, read + n, memory_order_release);
    return n;
}

bool fenby_ring_peek(fenby_ring *ring, void *element)
{
    const size_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
    if (ring->written_seen == read && fenby_ring_read_space(ring) == 0) return false;
    memcpy(element, ring->elements + (read & (ring->capacity - 1)) * ring->element_size, ring->element_size);
    return true;
}

void fenby_ring_skip(fenby_ring *ring)
{
    const size_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
    atomic_store_explicit(&ring->read, read + 1, memory_order_release);
}
