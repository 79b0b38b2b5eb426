// SPDX-License-Identifier: ISC
// The system's clock, which never goes back. Units: seconds. Thread: any. Allocation: none.
#ifndef FENBY_JACK_CLOCK_H
#define FENBY_JACK_CLOCK_H

#include <time.h>

static inline double fenby_jack_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
