// SPDX-License-Identifier: ISC
// What a view is made of: each hop as it was heard, and the notes that were written.
//
// Units: host frames; levels and probabilities in 255ths. Thread: fill in the worker, then plain data.
// Allocation: none. Errors: none.
#ifndef FENBY_VIEW_DATA_H
#define FENBY_VIEW_DATA_H

#include <stdint.h>

#include "../dsp/features.h"

typedef struct {
    int64_t end_frame;                  // where the hop ends
    float hop_frames;                   // how long it is
    uint8_t spectrum[FENBY_N_CONTOUR];  // three bins a key, 0 .. 255: -100 .. +20 dB
    uint8_t onset[FENBY_N_KEYS];
    uint8_t sounding[FENBY_N_KEYS];
} fenby_view_hop;

typedef struct {
    int64_t frame;     // where the sound began or ended
    uint8_t key;       // as sent
    uint8_t velocity;  // 0: the note ends
} fenby_view_note;

// Fills a hop from what the engine's tap shows (transcriber.h).
void fenby_view_hop_fill(fenby_view_hop *hop, const float *cqt_frame, const float *onset, const float *sounding,
                         int64_t end_frame, double rate_hz);

#endif
