// SPDX-License-Identifier: ISC
// Watches a stream of events for the promises that every output relies on: frames never fall, a note-on only
// where its key is silent, a note-off only where it sounds, velocities that MIDI can carry, sounds of a key
// in order.
#ifndef FENBY_WITNESS_H
#define FENBY_WITNESS_H

#include <math.h>
#include <stdbool.h>

#include "dsp/event.h"

typedef struct {
    int64_t frame;
    bool sounding[128];
    int64_t sound_frame[128];  // of the last note-on or note-off
    long events, notes, broken;
} witness;

static inline void watch(witness *w, const fenby_event *e)
{
    const bool on = e->type == FENBY_NOTE_ON, off = e->type == FENBY_NOTE_OFF;
    const int key = e->key & 127;
    bool kept = e->frame >= w->frame && e->key < 128 && e->type <= FENBY_BEND && isfinite(e->bend);
    kept = kept && w->sounding[key] == !on;
    kept = kept && (on ? e->velocity >= 1 && e->velocity <= 127 : e->velocity == 0);
    kept = kept && e->sound_frame >= (on || off ? w->sound_frame[key] : 0);
    w->broken += !kept;
    w->events++;
    w->notes += on;
    w->frame = e->frame;
    if (on || off) {
        w->sounding[key] = on;
        w->sound_frame[key] = e->sound_frame;
    }
}

static inline int count_hanging(const witness *w)
{
    int n = 0;
    for (int key = 0; key < 128; key++) n += w->sounding[key];
    return n;
}

#endif
