// SPDX-License-Identifier: ISC
// The notes of a recording: events paired into notes, and the files made from them.
//
// Time: frames of the recording; in the files seconds or MIDI ticks. Starts and ends are back-dated to the
// sound itself and none lies before 0; `emitted_frame` is when the note-on left the engine.
// Thread: one for each list. Allocation: _add grows the list. Errors: false when memory is short.
#ifndef FENBY_NOTES_H
#define FENBY_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../dsp/event.h"
#include "midi_file.h"

typedef struct {
    int64_t onset_frame, offset_frame, emitted_frame;
    float bend;  // at the onset
    uint8_t key, velocity;
} fenby_note;

typedef struct {
    int64_t frame, onset_frame;  // its own, and that of its note
    float bend;                  // semitones
    uint8_t key;
} fenby_note_bend;

typedef struct {
    fenby_note *note;
    size_t count, capacity;
    fenby_note_bend *bend;  // as they came
    size_t n_bends, bend_capacity;
    size_t sounding[128];  // 1 + index of the note that sounds on each key, 0: none
} fenby_notes;

// Takes the next event of the engine. A list of zeros is an empty one.
bool fenby_notes_add(fenby_notes *notes, const fenby_event *event);

// After the last event: sorts by onset, then key, drops what begins after the end, in the silence that the engine hears
// there, and sees to it that a key's notes do not overlap.
void fenby_notes_finish(fenby_notes *notes, int64_t end_frame);

void fenby_notes_free(fenby_notes *notes);

// The table "onset_s,offset_s,midi,velocity,emitted_s".
void fenby_notes_write_csv(const fenby_notes *notes, double rate_hz, FILE *file);

// Appends all notes to a MIDI file that has begun, with their bends as midi_out.h says. A note lasts a tick at least.
bool fenby_notes_write_midi(const fenby_notes *notes, double rate_hz, int channel, int bends,
                            fenby_midi_file *midi);

#endif
