// SPDX-License-Identifier: ISC
// Lets a test fail each allocation of a module in turn: include this, then the module's .c file itself.
#ifndef FENBY_FAILING_MALLOC_H
#define FENBY_FAILING_MALLOC_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int allocations_before_failure = -1;  // -1: all succeed
static size_t allocations;                   // so far

static bool allocation_succeeds(void)
{
    allocations++;
    if (allocations_before_failure == 0) return false;
    if (allocations_before_failure > 0) allocations_before_failure--;
    return true;
}

#define malloc(size) (allocation_succeeds() ? malloc(size) : NULL)
#define calloc(n, size) (allocation_succeeds() ? calloc(n, size) : NULL)
#define aligned_alloc(alignment, size) (allocation_succeeds() ? aligned_alloc(alignment, size) : NULL)

#endif
