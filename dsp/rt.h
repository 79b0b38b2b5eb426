// SPDX-License-Identifier: ISC
// Marks for what the audio thread runs.
//
// FENBY_REALTIME goes after a function's parameter list. It promises: no allocation, no lock, no file,
// no log, no FFT plan, no system call but a semaphore post. A clang that knows the `nonblocking` effect
// checks the promise, through everything that is called (`make check-realtime`); elsewhere the marks are empty
// and the tests interpose the allocator, the locks and the files.
//
// FENBY_TRUSTED(function)(...) calls what makes the same promise in another library's documentation only.
// FENBY_FREEWHEELING(function)(...) calls what may wait, as then nobody listens.
#ifndef FENBY_RT_H
#define FENBY_RT_H

#if defined(__clang__) && defined(__has_attribute)
#if __has_attribute(nonblocking)
#define FENBY_REALTIME __attribute__((nonblocking))
#define FENBY_TRUSTED(function) ((__typeof__(function) *FENBY_REALTIME)(function))
#endif
#endif
#ifndef FENBY_REALTIME
#define FENBY_REALTIME
#define FENBY_TRUSTED(function) (function)
#endif
#define FENBY_FREEWHEELING FENBY_TRUSTED

#endif
