// SPDX-License-Identifier: ISC
// Marks for functions that the audio thread may call.
//
// FENBY_REALTIME goes after a function's parameter list. It promises: no allocation, no lock, no file,
// no log, no FFT plan, no system call but a semaphore post. A clang that knows the `nonblocking` effect
// checks the promise while compiling; elsewhere the mark is empty and tests/test_realtime.c checks it by
// interposing the allocator and the locks.
#ifndef FENBY_RT_H
#define FENBY_RT_H

#if defined(__clang__) && defined(__has_attribute)
#if __has_attribute(nonblocking)
#define FENBY_REALTIME __attribute__((nonblocking))
#endif
#endif
#ifndef FENBY_REALTIME
#define FENBY_REALTIME
#endif

#endif
