// SPDX-License-Identifier: ISC
// A MIDI file that is whole at every moment while it grows: after a crash, kill -9 or a power cut it holds all
// but the last half second.
//
// A track is allotted 512 KiB at once: its events, then one sequencer-specific event whose bytes mean nothing
// and fill up the rest, then the end of the track. New events are written inside the filling, with what is left
// of it behind them, and synced; then the filling's head is changed into an event of 2 bytes, which uncovers
// them. The 3 bytes that change lie within one disk sector, so there is no moment at which the file is half of
// this and half of that. A full track is followed by a new one, which counts once the 2 bytes of the header's
// number of tracks are written. When the recording ends the filling is taken off.
//
// Time: seconds of the notes' clock; the file begins at begin_s. Notes are placed where their sound
// began.
// Threads: _put and the others belong to the control thread; a thread of its own writes to the disk, so that
// nothing waits for it. Allocation: in _new. Errors: one line that begins with the file's name.
#ifndef FENBY_JACK_RECORDER_H
#define FENBY_JACK_RECORDER_H

#include <stdbool.h>
#include <stddef.h>

#include "fenby_jack_queue.h"

typedef struct fenby_jack_recorder fenby_jack_recorder;

// text: into the file, as a text event. may_replace: a file of that name makes room and is kept under another one, else
// it is refused.
fenby_jack_recorder *fenby_jack_recorder_new(const char *path, bool may_replace, double begin_s,
                                             const char *text, char *error, size_t error_size);

// Ends notes that sound at end_s, completes the file. False with one line in error when not all could be
// written; what was before is there nevertheless.
bool fenby_jack_recorder_free(fenby_jack_recorder *recorder, double end_s, char *error, size_t error_size);

void fenby_jack_recorder_put(fenby_jack_recorder *recorder, const fenby_jack_note *note);

// Notes that are not in the file, as too many waited for the disk.
uint64_t fenby_jack_recorder_lost_notes(const fenby_jack_recorder *recorder);

const char *fenby_jack_recorder_path(const fenby_jack_recorder *recorder);

// Where the file of that name is now; "" when there was none, or one without a note.
const char *fenby_jack_recorder_kept(const fenby_jack_recorder *recorder);

// True when it had to stop (the disk is full): one line in error. What was written until then is whole.
bool fenby_jack_recorder_failed(const fenby_jack_recorder *recorder, char *error, size_t error_size);

#endif
