// SPDX-License-Identifier: ISC
// One channel of the audio that passes through: delayed, so that it leaves together with its notes, or not.
//
// A change of the delay is faded over, so that nothing clicks.
// Units: frames at the host rate. Thread: audio. Allocation: in _new only. Errors: _new gives NULL when memory
// is short.
#ifndef FENBY_THRU_H
#define FENBY_THRU_H

#include <stdint.h>

#include "../dsp/rt.h"

typedef struct fenby_thru fenby_thru;

// For delays up to this one; longer ones are cut to it.
fenby_thru *fenby_thru_new(uint32_t most_delay_frames);
void fenby_thru_free(fenby_thru *thru);

// Silence, no delay.
void fenby_thru_reset(fenby_thru *thru);

enum { FENBY_THRU_CHUNK = 256 };

// Takes in n samples, FENBY_THRU_CHUNK at most, then gives out as many. Between the two the caller may take in
// the other channels: hosts may give the same buffer for an input and an output.
void fenby_thru_write(fenby_thru *thru, const float *in, uint32_t n) FENBY_REALTIME;
void fenby_thru_read(fenby_thru *thru, float *out, uint32_t n, uint32_t delay_frames) FENBY_REALTIME;

#endif
