// SPDX-License-Identifier: ISC
// Host rate to FENBY_SAMPLE_RATE, streaming: step 2 of the chain.
//
// In:  mono samples at 8 .. 384 kHz. Out: samples at FENBY_SAMPLE_RATE, time aligned with the input (output
//      sample k belongs to input position k * rate / FENBY_SAMPLE_RATE). It waits for the input that its
//      filter reaches ahead: fenby_resampler_lookahead_frames, part of the declared latency.
//      FENBY_SAMPLE_RATE itself passes through untouched. The same bits come out however the input is cut up.
// Thread: the worker. Allocation: in _new only. _process cannot fail.
//
// Method: band-limited interpolation (Smith and Gossett, "A flexible sampling-rate conversion method", ICASSP
// 1984) as libsamplerate does it. Its SINC_FASTEST filter is chosen for its delay: 0.9 ms from 32 kHz up,
// 87 dB clean up to 7 kHz, 3.6 ms of work a second at 48 kHz. SINC_MEDIUM takes 2.1 ms and twice the work for
// the octave's last third; soxr works in large blocks and takes 20 ms at its least.
#ifndef FENBY_RESAMPLER_H
#define FENBY_RESAMPLER_H

#include <stddef.h>
#include <stdint.h>

typedef struct fenby_resampler fenby_resampler;

// NULL when memory is short. rate_hz in 8000 .. 384000.
fenby_resampler *fenby_resampler_new(double rate_hz);
void fenby_resampler_free(fenby_resampler *resampler);

// Forgets the past: as after _new.
void fenby_resampler_reset(fenby_resampler *resampler);

// Reads up to *n_in samples, writes up to n_out; sets *n_in to what it read and returns what it wrote. When it
// wrote less than n_out it has read everything and needs more.
size_t fenby_resampler_process(fenby_resampler *resampler, const float *in, size_t *n_in, float *out,
                               size_t n_out);

// How many input frames past its own position an output sample waits for.
uint32_t fenby_resampler_lookahead_frames(double rate_hz);

#endif
