// SPDX-License-Identifier: ISC
// The one latency. The plugin's latency port, JACK's latency callback, OSC, `fenby --version -v`, the MIDI file
// writer and the note tracker all take it from here.
//
// In timing tight an event leaves D frames after the sound that caused it:
//
//     D = (L + 1) hops           the lookahead of the mode's onset head, and the hop in which the sound began
//       + the CQT's tail         the fall of the windows (fenby_cqt_tail_samples): head room for the late ones
//       + the resampler's reach  fenby_resampler_lookahead_frames
//       + the margin             one block and one hop for the worker; 0 offline (block_frames = 0)
//
// with a hop of FENBY_HOP * rate_hz / FENBY_SAMPLE_RATE host frames. The network reports an onset L hops after
// the hop that holds it, so the decision falls at most L + 1 hops after the sound; the tail and the margin lie
// after that. In timing asap an event leaves when the worker has it: that is D less the margin at most, for
// what is decided in time.
//
// Units: host frames. Thread: any. Allocation: none. Errors: none; weights without onset heads count as L = 0.
#ifndef FENBY_LATENCY_H
#define FENBY_LATENCY_H

#include <stdint.h>

#include "../nn/weights.h"
#include "parameters.h"

// D with these settings. block_frames: the largest block the host pushes at once, 0 when offline.
uint32_t fenby_latency_frames(double rate_hz, uint32_t block_frames, const fenby_parameters *parameters,
                              const fenby_weights *weights);

// The same, from the lookahead in hops.
uint32_t fenby_latency_of_lookahead(double rate_hz, uint32_t block_frames, double lookahead_hops);

// The margin alone.
uint32_t fenby_latency_margin_frames(double rate_hz, uint32_t block_frames);

#endif
