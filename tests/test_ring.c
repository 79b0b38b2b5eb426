// SPDX-License-Identifier: ISC
// The ring: what goes in comes out, in one thread at every offset and between two threads at full speed.
#include "dsp/ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include "tests/test.h"

enum { TWO_THREAD_ELEMENTS = 2000000 };

typedef struct {
    uint64_t number, square;
} element;

// How many of n elements are not those from `first` on.
static int count_wrong(const element *elements, size_t n, uint64_t first)
{
    int wrong = 0;
    for (uint64_t i = 0; i < n; i++)
        wrong += elements[i].number != first + i || elements[i].square != (first + i) * (first + i);
    return wrong;
}

static void fill(element *elements, size_t n, uint64_t first)
{
    for (uint64_t i = 0; i < n; i++) elements[i] = (element){first + i, (first + i) * (first + i)};
}

static void test_edges(void)
{
    fenby_ring *ring = fenby_ring_new(sizeof(int), 5);
    REQUIRE(ring, "no memory");
    int in[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, out[9] = {0}, next = 0;
    CHECK(fenby_ring_capacity(ring) == 8, "capacity %zu", fenby_ring_capacity(ring));
    CHECK(fenby_ring_read(ring, out, 9) == 0, "an empty ring gives nothing");
    CHECK(!fenby_ring_peek(ring, &next), "an empty ring shows nothing");
    CHECK(!fenby_ring_write(ring, in, 9), "more than fits is refused");
    CHECK(fenby_ring_read_space(ring) == 0, "and nothing of it is written");
    CHECK(fenby_ring_write(ring, in, 8), "all of it fits");
    CHECK(fenby_ring_write_space(ring) == 0 && !fenby_ring_write(ring, in, 1), "full");
    CHECK(fenby_ring_write(ring, in, 0), "nothing always fits");
    CHECK(fenby_ring_peek(ring, &next) && next == 1, "peek gave %d", next);
    fenby_ring_skip(ring);
    CHECK(fenby_ring_read(ring, out, 9) == 7 && out[0] == 2 && out[6] == 8, "read %d .. %d", out[0], out[6]);
    fenby_ring_write(ring, in, 3);
    fenby_ring_reset(ring);
    CHECK(fenby_ring_read_space(ring) == 0 && fenby_ring_write_space(ring) == 8, "reset empties it");
    fenby_ring_free(ring);
    CHECK(!fenby_ring_new(8, SIZE_MAX / 4), "more than there is");
    fenby_ring_free(NULL);
}

static void test_wrapping(void)
{
    fenby_ring *ring = fenby_ring_new(sizeof(element), 64);
    REQUIRE(ring, "no memory");
    unsigned long long random = 1;
    uint64_t written = 0, read = 0;
    int wrong = 0;
    for (int round = 0; round < 100000; round++) {
        element block[64];
        size_t n = (size_t)(test_random(&random) * 65);
        fill(block, n, written);
        if (fenby_ring_write(ring, block, n)) written += n;
        wrong += fenby_ring_write_space(ring) != 64 - (written - read);
        n = fenby_ring_read(ring, block, (size_t)(test_random(&random) * 65));
        wrong += count_wrong(block, n, read);
        read += n;
    }
    CHECK(wrong == 0 && read > 1000000, "%d elements of %llu came out wrong", wrong, (unsigned long long)read);
    fenby_ring_free(ring);
}

static void *write_all(void *argument)
{
    fenby_ring *ring = argument;
    unsigned long long random = 2;
    for (uint64_t number = 0; number < TWO_THREAD_ELEMENTS;) {
        element block[100];
        size_t n = (size_t)(test_random(&random) * 100) + 1;
        if (n > TWO_THREAD_ELEMENTS - number) n = TWO_THREAD_ELEMENTS - number;
        fill(block, n, number);
        if (fenby_ring_write(ring, block, n))
            number += n;
        else
            sched_yield();
    }
    return NULL;
}

static void test_two_threads(void)
{
    fenby_ring *ring = fenby_ring_new(sizeof(element), 256);
    REQUIRE(ring, "no memory");
    pthread_t writer;
    const int refused = pthread_create(&writer, NULL, write_all, ring);
    REQUIRE(!refused, "no thread");
    unsigned long long random = 3;
    uint64_t read = 0;
    int wrong = 0;
    while (read < TWO_THREAD_ELEMENTS) {
        element block[100], front;
        const bool shown = fenby_ring_peek(ring, &front);
        if (shown && test_random(&random) < 0.99) {  // as events are taken
            wrong += count_wrong(&front, 1, read++);
            fenby_ring_skip(ring);
            continue;
        }
        const size_t n = fenby_ring_read(ring, block, (size_t)(test_random(&random) * 100) + 1);
        wrong += shown && count_wrong(&front, 1, read);
        wrong += count_wrong(block, n, read);
        read += n;
        if (n == 0) sched_yield();
    }
    pthread_join(writer, NULL);
    CHECK(wrong == 0, "%d elements came out wrong", wrong);
    CHECK(fenby_ring_read_space(ring) == 0, "something is left");
    fenby_ring_free(ring);
}

int main(void)
{
    test_edges();
    test_wrapping();
    test_two_threads();
    return test_report();
}
