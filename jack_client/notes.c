// SPDX-License-Identifier: ISC
#include "notes.h"

#include <math.h>
#include <stdlib.h>

static int64_t at_least(int64_t frame, int64_t minimum)
{
    return frame < minimum ? minimum : frame;
}

// NULL: none.
static fenby_note *sounding_note(fenby_notes *notes, uint8_t key)
{
    return notes->sounding[key] ? &notes->note[notes->sounding[key] - 1] : NULL;
}

static void end_note(fenby_notes *notes, uint8_t key, int64_t frame)
{
    fenby_note *const note = sounding_note(notes, key);
    if (!note) return;
    note->offset_frame = at_least(frame, note->onset_frame);
    notes->sounding[key] = 0;
}

// Room for one more; false when memory is short.
static bool grow(void **items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) return true;
    const size_t wanted = *capacity ? *capacity * 2 : 256;
    void *const grown = reallocarray(*items, wanted, size);
    if (!grown) return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

static bool add_bend(fenby_notes *notes, uint8_t key, float bend, int64_t frame)
{
    fenby_note *const note = sounding_note(notes, key);
    if (!note) return true;
    if (frame <= note->onset_frame) {
        note->bend = bend;
        return true;
    }
    if (!grow((void **)&notes->bend, notes->n_bends, &notes->bend_capacity, sizeof *notes->bend)) return false;
    notes->bend[notes->n_bends++] = (fenby_note_bend){frame, note->onset_frame, bend, key};
    return true;
}

bool fenby_notes_add(fenby_notes *notes, const fenby_event *event)
{
    const uint8_t key = event->key & 0x7f;
    const int64_t frame = at_least(event->sound_frame, 0);
    if (event->type == FENBY_BEND) return add_bend(notes, key, event->bend, frame);
    end_note(notes, key, frame);
    if (event->type == FENBY_NOTE_OFF) return true;
    if (!grow((void **)&notes->note, notes->count, &notes->capacity, sizeof *notes->note)) return false;
    notes->note[notes->count++] = (fenby_note){frame, frame, event->frame, event->bend, key, event->velocity};
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
    while (notes->count && notes->note[notes->count - 1].onset_frame >= end_frame) notes->count--;
    cut_overlaps(notes);
}

void fenby_notes_free(fenby_notes *notes)
{
    free(notes->note);
    free(notes->bend);
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
    fenby_event event;
} change;

// Ends first, then beginnings, then what bends them.
static int by_tick(const void *a, const void *b)
{
    static const int order[] = {[FENBY_NOTE_OFF] = 0, [FENBY_NOTE_ON] = 1, [FENBY_BEND] = 2};
    const change *x = a, *y = b;
    if (x->tick != y->tick) return x->tick < y->tick ? -1 : 1;
    if (x->event.type != y->event.type) return order[x->event.type] - order[y->event.type];
    return x->event.key - y->event.key;
}

// Starts and ends in ticks, and the bends, each with the onset of its note in sound_frame. What rounds to nothing is made
// one tick long, and the next note of the key waits.
static void list_changes(const fenby_notes *notes, double rate_hz, change *changes)
{
    const double ticks_per_frame = FENBY_TICKS_PER_SECOND / rate_hz;
    int64_t free_from[128] = {0};
    for (size_t i = 0; i < notes->count; i++) {
        const fenby_note *note = &notes->note[i];
        const int64_t on = at_least(llround((double)note->onset_frame * ticks_per_frame), free_from[note->key]);
        const int64_t off = at_least(llround((double)note->offset_frame * ticks_per_frame), on + 1);
        free_from[note->key] = off;
        *changes++ = (change){on, {.type = FENBY_NOTE_ON, .sound_frame = note->onset_frame, .key = note->key,
                                   .bend = note->bend, .velocity = note->velocity ? note->velocity : 1}};
        *changes++ = (change){off, {.type = FENBY_NOTE_OFF, .key = note->key}};
    }
    for (size_t i = 0; i < notes->n_bends; i++) {
        const fenby_note_bend *b = &notes->bend[i];
        *changes++ = (change){llround((double)b->frame * ticks_per_frame),
                              {.type = FENBY_BEND, .sound_frame = b->onset_frame, .key = b->key, .bend = b->bend}};
    }
}

bool fenby_notes_write_midi(const fenby_notes *notes, double rate_hz, int channel, int bends,
                            fenby_midi_file *midi)
{
    const size_t n_changes = 2 * notes->count + notes->n_bends;
    change *changes = calloc(n_changes + 1, sizeof *changes);
    if (!changes) return false;
    list_changes(notes, rate_hz, changes);
    qsort(changes, n_changes, sizeof *changes, by_tick);
    fenby_midi_out out = {0};
    int64_t onset_frame[128] = {0};  // of the last note of each key
    for (size_t i = 0; i < n_changes; i++) {
        const fenby_event *event = &changes[i].event;
        if (event->type == FENBY_NOTE_ON) onset_frame[event->key] = event->sound_frame;
        // A note that was struck again begins before the last bends of the one before it were decided.
        if (event->type == FENBY_BEND && event->sound_frame != onset_frame[event->key]) continue;
        fenby_midi_message messages[FENBY_MIDI_MOST];
        const int n = fenby_midi_out_event(&out, event, channel, bends, messages);
        for (int k = 0; k < n; k++) fenby_midi_file_message(midi, changes[i].tick, &messages[k]);
    }
    free(changes);
    return true;
}
