// SPDX-License-Identifier: ISC
// The test harness: checks that count, and a closing line. A test program is one main() of CHECKs that ends
// with `return test_report();`.
#ifndef FENBY_TEST_H
#define FENBY_TEST_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int test_passed, test_failed;

// One check: counted, and printed with its place and the given words when it fails.
#define CHECK(condition, ...)                                                  \
    do {                                                                       \
        if (condition) {                                                       \
            test_passed++;                                                     \
        } else {                                                               \
            test_failed++;                                                     \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);    \
            fprintf(stderr, __VA_ARGS__);                                      \
            fputc('\n', stderr);                                               \
        }                                                                      \
    } while (0)

// For what the rest of the test cannot do without.
#define REQUIRE(condition, ...)                \
    do {                                       \
        const int failed_before = test_failed; \
        CHECK(condition, __VA_ARGS__);         \
        if (test_failed > failed_before)       \
            exit(1);                           \
    } while (0)

static inline int test_report(void)
{
    printf("%d passed, %d failed\n", test_passed, test_failed);
    return test_failed != 0 || test_passed == 0;
}

// A small generator with a fixed seed, so that every run tests the same (xorshift64*, Vigna 2016).
static inline unsigned long long test_random_bits(unsigned long long *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717ULL;
}

// A clock that nobody sets.
static inline double test_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// Uniform in 0 .. 1.
static inline double test_random(unsigned long long *state)
{
    return (double)(test_random_bits(state) >> 11) * 0x1p-53;
}

#endif
