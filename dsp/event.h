// SPDX-License-Identifier: ISC
// What the tracker hands on: a note that starts, ends or bends. No MIDI bytes here: the outputs make those.
#ifndef FENBY_EVENT_H
#define FENBY_EVENT_H

#include <stdint.h>

typedef enum { FENBY_NOTE_ON, FENBY_NOTE_OFF, FENBY_BEND } fenby_event_type;

typedef struct {
    int64_t frame;        // host sample frames since the engine was created: when the event is to leave
    int64_t sound_frame;  // the estimated frame at which the sound itself began (or ended): back-dated
    float bend;           // semitones from the key, -1 .. 1; FENBY_BEND and FENBY_NOTE_ON
    uint8_t type;         // fenby_event_type
    uint8_t key;          // MIDI key, 0 .. 127, transposed and snapped
    uint8_t velocity;     // 1 .. 127 with FENBY_NOTE_ON, else 0
    uint8_t late;         // 1: decided after its frame had passed: a note-on in timing tight, an end that was asked for
} fenby_event;

#endif
