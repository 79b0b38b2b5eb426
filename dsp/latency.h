// SPDX-License-Identifier: ISC
// The one latency. The plugin's latency port, JACK's latency callback, OSC, `fenby --version -v`, the MIDI file
// writer and the note tracker all take it from here.
//
// In timing tight an event leaves D frames after the sound that caused it:
//
//     D = (L - 1/2) hops        the lookahead of the mode's onset head, see below
//       + 9/16 of a look        from one time that the network listens to the next (looks.h)
//       + the margin            one block, and half a hop for the worker, many times what it needs; 0 offline
//                               (block_frames = 0)
//
// with a hop of FENBY_HOP * rate_hz / FENBY_SAMPLE_RATE host frames. The network was trained to report an onset at
// the latest L hops after the hop that holds it, and earlier when it is sure: most notes are decided before D and
// wait for it. One that takes longer, mostly a soft attack, leaves at once and is marked late. What training calls the
// onset, where a sample begins, lies half a hop before what people call it (FENBY_EARLY_HOPS). The look that is
// the first to lie L hops behind an onset comes up to a whole look later; not all of that is waited for: more makes
// fewer notes late and all of them later; measured by how many leave within 50 ms of their sound it loses.
// In timing asap an event leaves when the worker has it.
//
// Units: host frames. Thread: any. Allocation: none. Errors: none; weights without onset heads count as L = 0.
#ifndef FENBY_LATENCY_H
#define FENBY_LATENCY_H

#include <stdint.h>

#include "../nn/weights.h"
#include "parameters.h"

// How far the network's onsets lie before those of people who labelled recordings: between a quarter of a hop (piano)
// and more than one (winds, strings).
#define FENBY_EARLY_HOPS 0.5

// D with these settings. block_frames: the largest block the host pushes at once, 0 when offline.
uint32_t fenby_latency_frames(double rate_hz, uint32_t block_frames, const fenby_parameters *parameters,
                              const fenby_weights *weights);

// The same, from the lookahead in hops.
uint32_t fenby_latency_of_lookahead(double rate_hz, uint32_t block_frames, double lookahead_hops);

// The margin alone.
uint32_t fenby_latency_margin_frames(double rate_hz, uint32_t block_frames);

#endif
