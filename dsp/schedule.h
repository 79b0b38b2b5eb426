// SPDX-License-Identifier: ISC
// Events that wait for their frame, in order, between the note tracker's decisions and the event ring.
//
// It keeps three promises, whatever it is given: events come out with frames that never fall; every note-on
// that came out is followed by exactly one note-off of its key before that key's next note-on; and a note-off
// always has room, because each note-on reserves it.
// Units: host frames. Thread: the worker. Allocation: in _new only.
#ifndef FENBY_SCHEDULE_H
#define FENBY_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

typedef struct fenby_schedule fenby_schedule;

// NULL when memory is short.
fenby_schedule *fenby_schedule_new(size_t capacity);
void fenby_schedule_free(fenby_schedule *schedule);

// Empty, nothing sounding, as after _new.
void fenby_schedule_reset(fenby_schedule *schedule);

// True when a note-on (with its note-off to come) fits, so also a bend.
bool fenby_schedule_has_room(const fenby_schedule *schedule);

// Takes an event and sets the frame at which it will leave: its own, or later where order demands it (not
// before what has come out already, nor before the last event of its key; a note-off at least one frame after
// it). A note-off drops the bends of its key that it overtakes. A note-off must belong to a note-on that was added, a
// note-on to a key that is not sounding; a note-on and a bend need _has_room.
void fenby_schedule_add(fenby_schedule *schedule, fenby_event *event);

// Lets the last event of a key, if that is a note-off which has not come out, leave by `frame`, its sound ended by
// `sound_frame`, but not before the event before it. Returns when it leaves, -1 if there is none.
int64_t fenby_schedule_hasten(fenby_schedule *schedule, int key, int64_t frame, int64_t sound_frame);

// The next event whose frame lies before `horizon`: the caller promises to add nothing earlier than that later.
// It stays until _skip.
bool fenby_schedule_peek(const fenby_schedule *schedule, int64_t horizon, fenby_event *event);
void fenby_schedule_skip(fenby_schedule *schedule);

// Drops what has not come out, and ends what has: note-offs at `frame`, or just after what has come out, whose
// sound ends at `frame`; they are marked late.
void fenby_schedule_end_all(fenby_schedule *schedule, int64_t frame);

#endif
