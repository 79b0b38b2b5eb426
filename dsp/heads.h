// SPDX-License-Identifier: ISC
// What a weights file tells about its onset heads: how far each looks ahead and where its thresholds lie.
//
// A head with lookahead L reports an onset for some frames that begin L frames after the frame which holds the
// onset, so that a note starts at the first frame whose posterior crosses the threshold: no peak picking, hence
// no future.
// Units: frames of FENBY_HOP samples, probabilities. Thread: any. Allocation: none. Errors: one line.
#ifndef FENBY_HEADS_H
#define FENBY_HEADS_H

#include <stdbool.h>
#include <stddef.h>

#include "../nn/weights.h"
#include "features.h"
#include "parameters.h"

enum { FENBY_MAX_HEADS = 16, FENBY_MAX_LOOKAHEAD = 64 };

typedef struct {
    size_t count;
    float lookahead[FENBY_MAX_HEADS];  // frames
    float threshold[FENBY_MAX_HEADS][FENBY_N_KEYS];  // of the onset posterior
    float sounding_threshold;
    size_t of_mode[FENBY_N_MODES];  // the head for each FENBY_MODE
} fenby_heads;

// Reads and checks the arrays onset.lookahead, onset.threshold (one value for each head, or one for each of its keys),
// sounding.threshold and, where there is one, mode.lookahead (the frames that tight, live and studio ask for; else 1, 2 and
// the longest), and that the outputs have the shapes that the tracker needs. False with one line in error.
bool fenby_heads_read(fenby_heads *heads, const fenby_weights *weights, char *error, size_t error_size);

#endif
