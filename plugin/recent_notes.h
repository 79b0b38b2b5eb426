// SPDX-License-Identifier: ISC
// The notes of the last ten minutes, for the question "what did I just play?".
//
// Units: frames of the plugin's clock. Thread: the worker; a copy is whose thread made it. Allocation: in _new and
// _copy; and in _save, for a while. Errors: _new and _copy give NULL when memory is short; _save one line.
#ifndef FENBY_RECENT_NOTES_H
#define FENBY_RECENT_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fenby_recent_notes fenby_recent_notes;

typedef struct {
    int64_t frame;                   // where the sound began or ended
    uint8_t key, velocity, channel;  // velocity 0: the note ends; channel 1 .. 16
} fenby_sent_note;

// Those that began in from .. to, on the keys lowest .. highest.
typedef struct {
    int64_t from, to;
    int lowest, highest;
} fenby_notes_range;

fenby_recent_notes *fenby_recent_notes_new(double rate_hz);
fenby_recent_notes *fenby_recent_notes_copy(const fenby_recent_notes *notes);
void fenby_recent_notes_free(fenby_recent_notes *notes);

void fenby_recent_notes_add(fenby_recent_notes *notes, const fenby_sent_note *note);

// Writes the notes in the range as a MIDI file that begins with the first of them, on the channel of the last. Those
// which sound on end at now. Returns how many there were, or -1 with one line in error. It waits for the disk:
// notes_saver.h does not.
int fenby_recent_notes_save(const fenby_recent_notes *notes, const char *path, const fenby_notes_range *range,
                            int64_t now, const char *text, char *error, size_t error_size);

#endif
