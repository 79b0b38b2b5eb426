// SPDX-License-Identifier: ISC
// Standard MIDI files (RP-001, "Standard MIDI Files 1.0"), format 0 or 1: notes in time order are appended to a
// stream that can seek.
//
// Time: ticks of half a millisecond (1000 a quarter note at 120 to the minute). Keys and velocities as in MIDI,
// channels 1 .. 16. Every event carries its status byte, so that a damaged file loses one event and not the
// rest. Thread: one for each file. Allocation: none. Errors: _end's result and the stream's own.
#ifndef FENBY_MIDI_FILE_H
#define FENBY_MIDI_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../dsp/midi_out.h"

enum { FENBY_TICKS_PER_SECOND = 2000 };

typedef struct {
    FILE *stream;
    long track_start;  // where the open track's length stands
    int64_t last_tick;
} fenby_midi_file;

// Writes the header. Format 0: all in one track; 1: tempo and text in a first track, notes in a second. title
// becomes the track's name, text a text event.
void fenby_midi_file_begin(fenby_midi_file *midi, FILE *stream, int format, const char *title,
                           const char *text);

// Ticks must not go back: one that does is taken for the last.
void fenby_midi_file_note_on(fenby_midi_file *midi, int64_t tick, int channel, int key, int velocity);
void fenby_midi_file_note_off(fenby_midi_file *midi, int64_t tick, int channel, int key);

// Any other message of three bytes: a bend, a controller.
void fenby_midi_file_message(fenby_midi_file *midi, int64_t tick, const fenby_midi_message *message);

// Ends the last track at this tick and fills in its length. The stream stays open. False with errno when the
// stream cannot seek or is full.
bool fenby_midi_file_end(fenby_midi_file *midi, int64_t tick);

#endif
