// SPDX-License-Identifier: ISC
// Notes that have left, and the bends between them, on their way from one writer to one reader: from the audio thread
// to the control thread (OSC, view) and to the PortMIDI thread, from the control thread to the one that records.
//
// A reader that falls behind loses notes whole, never a note's end: a note-on that finds too little room is
// left out together with its note-off, and counted. Bends are left out sooner, and never in a note's place.
// Thread: _put belongs to the writer, _get to the reader. Allocation: in _new only. Errors: NULL when memory
// is short.
#ifndef FENBY_JACK_QUEUE_H
#define FENBY_JACK_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "../dsp/event.h"
#include "../dsp/midi_out.h"
#include "../dsp/rt.h"

typedef struct {
    int64_t frame;     // for which it was scheduled, in frames since the client began
    int64_t time_us;   // when it leaves JACK, on CLOCK_MONOTONIC; only told to PortMIDI
    double sound_s;    // when its sound began or ended, in seconds since the client began
    uint8_t type;      // FENBY_NOTE_ON, FENBY_NOTE_OFF or, of messages that are no notes, FENBY_BEND
    uint8_t key, velocity;
    uint8_t channel;   // 1 .. 16
    uint8_t late;
    fenby_midi_message message;  // as it left JACK; none in an end that the control thread made
} fenby_jack_note;

typedef struct fenby_jack_queue fenby_jack_queue;

fenby_jack_queue *fenby_jack_queue_new(void);
void fenby_jack_queue_free(fenby_jack_queue *queue);

void fenby_jack_queue_put(fenby_jack_queue *queue, const fenby_jack_note *note) FENBY_REALTIME;

// The next note; false when there is none.
bool fenby_jack_queue_get(fenby_jack_queue *queue, fenby_jack_note *note);

// Notes left out so far. Any thread.
uint64_t fenby_jack_queue_lost(const fenby_jack_queue *queue);

#endif
