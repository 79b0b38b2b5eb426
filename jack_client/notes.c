// SPDX-License-Identifier: ISC
#include "notes.h"

#include <math.h>
#include <stdlib.h>

static int64_t at_least(int64_t frame, int64_t minimum)
{
    return frame < minimum ? minimum : frame;
}

static void end_note(fenby_notes *notes, uint8_t key, int64_t frame)
{
    if (!notes->sounding[key]) return;
    fenby_note *note = &notes->note[notes->sounding[key] - 1];
    note->offset_frame = at_least(frame, note->onset_frame);
    notes->sounding[key] = 0;
}

static bool grow(fenby_notes *notes)
{
    if (notes->count < notes->capacity) return true;
    const size_t capacity = notes->capacity ? notes->capacity * 2 : 256;
    fenby_note *grown = reallocarray(notes->note, capacity, sizeof *grown);
    if (!grown) return false;
    notes->note = grown;
    notes->capacity = capacity;
    return true;
}

bool fenby_notes_add(fenby_notes *notes, const fenby_event *event)
{
    const uint8_t key = event->key & 0x7f;
    const int64_t frame = at_least(event->sound_frame, 0);
    if (event->type == FENBY_BEND) return true;
    end_note(notes, key, frame);
    if (event->type == FENBY_NOTE_OFF) return true;
    if (!grow(notes)) return false;
    notes->note[notes->count++] = (fenby_note){frame, frame, event->frame, key, event->velocity};
    notes->sounding[key] = notes->count;
    return true;
}

static int by_onset(const void *a, const void *b)
{
    const fenby_note *x = a, *y = b;
    if (x->onset_frame != y->onset_frame) return x->onset_frame < y->onset_frame ? -1 : 1;
    return x->key - y->key;
}

// Back-dating may put a note's end after the start of the next one on its key.
static void cut_overlaps(fenby_notes *notes)
{
    fenby_note *last[128] = {NULL};
    for (size_t i = 0; i < notes->count; i++) {
        fenby_note *note = &notes->note[i], *previous = last[note->key];
        if (previous && previous->offset_frame > note->onset_frame) previous->offset_frame = note->onset_frame;
        last[note->key] = note;
    }
}

void fenby_notes_finish(fenby_notes *notes, int64_t end_frame)
{
    for (uint8_t key = 0; key < 128; key++) end_note(notes, key, end_frame);
    if (notes->count) qsort(notes->note, notes->count, sizeof *notes->note, by_onset);
    cut_overlaps(notes);
}

void fenby_notes_free(fenby_notes *notes)
{
    free(notes->note);
    *notes = (fenby_notes){0};
}

void fenby_notes_write_csv(const fenby_notes *notes, double rate_hz, FILE *file)
{
    fputs("onset_s,offset_s,midi,velocity,emitted_s\n", file);
    for (size_t i = 0; i < notes->count; i++) {
        const fenby_note *note = &notes->note[i];
        fprintf(file, "%.6f,%.6f,%d,%d,%.6f\n", (double)note->onset_frame / rate_hz,
                (double)note->offset_frame / rate_hz, note->key, note->velocity,
                (double)note->emitted_frame / rate_hz);
    }
}

// --- MIDI ----------------------------------------------------------------------------------------------------

typedef struct {
    int64_t tick;
    uint8_t key, velocity;  // velocity 0: the note ends
} change;

static int by_tick(const void *a, const void *b)
{
    const change *x = a, *y = b;
    if (x->tick != y->tick) return x->tick < y->tick ? -1 : 1;
    if (!x->velocity != !y->velocity) return x->velocity ? 1 : -1;  // ends first
    return x->key - y->key;
}

// Starts and ends in ticks. What rounds to nothing is made one tick long, and the next note of the key waits.
static void list_changes(const fenby_notes *notes, double rate_hz, change *changes)
{
    const double ticks_per_frame = FENBY_TICKS_PER_SECOND / rate_hz;
    int64_t free_from[128] = {0};
    for (size_t i = 0; i < notes->count; i++) {
        const fenby_note *note = &notes->note[i];
        const int64_t on = at_least(llround((double)note->onset_frame * ticks_per_frame), free_from[note->key]);
        const int64_t off = at_least(llround((double)note->offset_frame * ticks_per_frame), on + 1);
        free_from[note->key] = off;
        changes[2 * i] = (change){on, note->key, note->velocity ? note->velocity : 1};
        changes[2 * i + 1] = (change){off, note->key, 0};
    }
}

bool fenby_notes_write_midi(const fenby_notes *notes, double rate_hz, int channel, fenby_midi_file *midi)
{
    change *changes = calloc(2 * notes->count + 1, sizeof *changes);
    if (!changes) return false;
    list_changes(notes, rate_hz, changes);
    qsort(changes, 2 * notes->count, sizeof *changes, by_tick);
    for (size_t i = 0; i < 2 * notes->count; i++) {
        const change *c = &changes[i];
        if (c->velocity)
            fenby_midi_file_note_on(midi, c->tick, channel, c->key, c->velocity);
        else
            fenby_midi_file_note_off(midi, c->tick, channel, c->key);
    }
    free(changes);
    return true;
}
