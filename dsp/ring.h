// SPDX-License-Identifier: ISC
// A ring between two threads, steps 1 and 5 of the chain: one writer, one reader, neither ever waits.
//
// Elements of one size, a power of two of them, in memory locked against paging where the system allows it.
// Threads: _write and _write_space belong to the writer, _read, _peek, _skip and _read_space to the reader;
// _new, _free and _reset need both at rest. Allocation: in _new only. Errors: _new gives NULL when memory is
// short; a write that does not fit is refused whole.
//
// Method: Lamport's single-producer single-consumer queue ("Specifying concurrent program modules", ACM TOPLAS
// 5(2), 1983), each side publishing its own index with a release store and reading the other's with an acquire
// load, and only when the value it remembers no longer suffices.
#ifndef FENBY_RING_H
#define FENBY_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "rt.h"

typedef struct fenby_ring fenby_ring;

// Room for at least `capacity` elements of element_size bytes.
fenby_ring *fenby_ring_new(size_t element_size, size_t capacity);
void fenby_ring_free(fenby_ring *ring);

// Empty, as after _new.
void fenby_ring_reset(fenby_ring *ring);

// How many elements it holds when full.
size_t fenby_ring_capacity(const fenby_ring *ring) FENBY_REALTIME;

// --- writer ------------------------------------------------------------------------------------------------

size_t fenby_ring_write_space(fenby_ring *ring) FENBY_REALTIME;

// Writes all n elements, or none and returns false.
bool fenby_ring_write(fenby_ring *ring, const void *elements, size_t n) FENBY_REALTIME;

// --- reader ------------------------------------------------------------------------------------------------

size_t fenby_ring_read_space(fenby_ring *ring) FENBY_REALTIME;

// Takes up to n elements; returns how many.
size_t fenby_ring_read(fenby_ring *ring, void *elements, size_t n) FENBY_REALTIME;

// Copies the next element and leaves it there; false when there is none.
bool fenby_ring_peek(fenby_ring *ring, void *element) FENBY_REALTIME;

// Drops the element that _peek showed.
void fenby_ring_skip(fenby_ring *ring) FENBY_REALTIME;

#endif
