// SPDX-License-Identifier: ISC
#include "schedule.h"

#include <stdlib.h>
#include <string.h>

enum { N_KEYS = 128 };

struct fenby_schedule {
    // [capacity]: `count` of them from `first` on, by frame; at equal frames ends first, else as they came.
    fenby_event *events;
    size_t capacity, first, count;
    size_t open;               // note-ons added whose note-off was not: room is kept for it
    int64_t skipped_frame;     // of the last event that came out
    int64_t key_frame[N_KEYS]; // of the last event added for each key
    bool sounding[N_KEYS];     // a note-on has come out, its note-off has not
};

fenby_schedule *fenby_schedule_new(size_t capacity)
{
    fenby_schedule *schedule = calloc(1, sizeof *schedule);
    if (!schedule) return NULL;
    schedule->capacity = capacity;
    schedule->events = calloc(capacity, sizeof *schedule->events);
    if (!schedule->events) {
        free(schedule);
        return NULL;
    }
    fenby_schedule_reset(schedule);
    return schedule;
}

void fenby_schedule_free(fenby_schedule *schedule)
{
    if (!schedule) return;
    free(schedule->events);
    free(schedule);
}

void fenby_schedule_reset(fenby_schedule *schedule)
{
    schedule->first = schedule->count = schedule->open = 0;
    schedule->skipped_frame = 0;
    memset(schedule->key_frame, 0, sizeof schedule->key_frame);
    memset(schedule->sounding, 0, sizeof schedule->sounding);
}

bool fenby_schedule_has_room(const fenby_schedule *schedule)
{
    return schedule->count + schedule->open + 2 <= schedule->capacity;
}

static bool comes_before(const fenby_event *event, const fenby_event *other)
{
    if (event->frame != other->frame) return event->frame < other->frame;
    return event->type == FENBY_NOTE_OFF && other->type == FENBY_NOTE_ON && event->key != other->key;
}

static void insert(fenby_schedule *schedule, const fenby_event *event)
{
    if (schedule->first + schedule->count == schedule->capacity) {
        memmove(schedule->events, schedule->events + schedule->first, schedule->count * sizeof *event);
        schedule->first = 0;
    }
    fenby_event *place = schedule->events + schedule->first + schedule->count++;
    for (; place > schedule->events + schedule->first && comes_before(event, place - 1); place--)
        place[0] = place[-1];
    *place = *event;
}

// Bends run ahead of the decision that the note ended: those from `frame` on are not to come out.
static void drop_bends(fenby_schedule *schedule, int key, int64_t frame)
{
    fenby_event *events = schedule->events + schedule->first;
    int64_t last = schedule->skipped_frame;
    size_t kept = 0;
    for (size_t i = 0; i < schedule->count; i++) {
        const bool is_keys = events[i].key == key;
        if (is_keys && events[i].type == FENBY_BEND && events[i].frame >= frame) continue;
        if (is_keys) last = events[i].frame;
        events[kept++] = events[i];
    }
    if (kept < schedule->count && last < schedule->key_frame[key]) schedule->key_frame[key] = last;
    schedule->count = kept;
}

void fenby_schedule_add(fenby_schedule *schedule, fenby_event *event)
{
    if (event->type == FENBY_NOTE_OFF) drop_bends(schedule, event->key, event->frame);
    int64_t *key_frame = &schedule->key_frame[event->key];
    const int64_t after_key = *key_frame + (event->type == FENBY_NOTE_OFF);
    if (event->frame < schedule->skipped_frame) event->frame = schedule->skipped_frame;
    if (event->frame < after_key) event->frame = after_key;
    *key_frame = event->frame;
    if (event->type == FENBY_NOTE_ON) schedule->open++;
    if (event->type == FENBY_NOTE_OFF) schedule->open--;
    insert(schedule, event);
}

// How many of the waiting events there are up to the last one of a key, of the first n. 0: it has none.
static size_t up_to_last(const fenby_schedule *schedule, int key, size_t n)
{
    while (n > 0 && schedule->events[schedule->first + n - 1].key != key) n--;
    return n;
}

int64_t fenby_schedule_hasten(fenby_schedule *schedule, int key, int64_t frame, int64_t sound_frame)
{
    fenby_event *const events = schedule->events + schedule->first;
    const size_t n = up_to_last(schedule, key, schedule->count);
    if (n == 0 || events[n - 1].type != FENBY_NOTE_OFF) return -1;
    fenby_event off = events[n - 1];
    if (frame < off.frame) off.frame = frame;
    if (sound_frame < off.sound_frame) off.sound_frame = sound_frame;

    memmove(events + n - 1, events + n, (schedule->count - n) * sizeof *events);
    schedule->count--;
    const size_t n_before = up_to_last(schedule, key, n - 1);
    schedule->key_frame[key] = n_before > 0 ? events[n_before - 1].frame : schedule->skipped_frame;
    schedule->open++;
    fenby_schedule_add(schedule, &off);
    return off.frame;
}

bool fenby_schedule_peek(const fenby_schedule *schedule, int64_t horizon, fenby_event *event)
{
    if (schedule->count == 0 || schedule->events[schedule->first].frame >= horizon) return false;
    *event = schedule->events[schedule->first];
    return true;
}

void fenby_schedule_skip(fenby_schedule *schedule)
{
    const fenby_event *event = &schedule->events[schedule->first];
    schedule->skipped_frame = event->frame;
    if (event->type == FENBY_NOTE_ON) schedule->sounding[event->key] = true;
    if (event->type == FENBY_NOTE_OFF) schedule->sounding[event->key] = false;
    schedule->first++;
    schedule->count--;
}

void fenby_schedule_end_all(fenby_schedule *schedule, int64_t frame)
{
    schedule->first = schedule->count = schedule->open = 0;
    fenby_event off = {.frame = frame, .sound_frame = frame, .type = FENBY_NOTE_OFF, .late = 1};
    if (off.frame <= schedule->skipped_frame) off.frame = schedule->skipped_frame + 1;
    for (int key = 0; key < N_KEYS; key++) {
        off.key = (uint8_t)key;
        schedule->key_frame[key] = off.frame;
        if (schedule->sounding[key]) insert(schedule, &off);
    }
}
