// SPDX-License-Identifier: ISC
#include "recent_notes.h"

#include <stdio.h>
#include <stdlib.h>

#include "../dsp/parameters.h"
#include "../jack_client/notes.h"
#include "../jack_client/output_file.h"

enum {
    MINUTES = 10,
    ROOM = 1 << 15,  // 27 notes a second throughout
};

struct fenby_recent_notes {
    double rate_hz;
    uint64_t added;
    fenby_sent_note notes[ROOM];
};

fenby_recent_notes *fenby_recent_notes_new(double rate_hz)
{
    fenby_recent_notes *r = calloc(1, sizeof *r);
    if (r) r->rate_hz = rate_hz;
    return r;
}

fenby_recent_notes *fenby_recent_notes_copy(const fenby_recent_notes *r)
{
    fenby_recent_notes *copy = malloc(sizeof *copy);
    if (copy) *copy = *r;
    return copy;
}

void fenby_recent_notes_free(fenby_recent_notes *r)
{
    free(r);
}

void fenby_recent_notes_add(fenby_recent_notes *r, const fenby_sent_note *note)
{
    r->notes[r->added++ % ROOM] = *note;
}

// Ends pass when their note has; where it has not, they find no note to end.
static bool wanted(const fenby_sent_note *note, const fenby_notes_range *range)
{
    if (note->key < range->lowest || note->key > range->highest || note->frame < range->from) return false;
    return !note->velocity || note->frame <= range->to;
}

static uint64_t first_kept(const fenby_recent_notes *r)
{
    return r->added > ROOM ? r->added - ROOM : 0;
}

// Where the first of the wanted notes begins. They are kept in the order in which they were sent, not quite in
// that of their sounds.
static int64_t first_onset(const fenby_recent_notes *r, const fenby_notes_range *range)
{
    int64_t first = INT64_MAX;
    for (uint64_t i = first_kept(r); i < r->added; i++) {
        const fenby_sent_note *note = &r->notes[i % ROOM];
        if (note->velocity && note->frame < first && wanted(note, range)) first = note->frame;
    }
    return first;
}

// Collects the notes; an end whose start was not taken does nothing.
static bool collect(const fenby_recent_notes *r, fenby_notes_range range, int64_t now, fenby_notes *notes,
                    int *channel)
{
    const int64_t oldest = now - (int64_t)(MINUTES * 60 * r->rate_hz);
    if (range.from < oldest) range.from = oldest;
    const int64_t start = first_onset(r, &range);
    if (start == INT64_MAX) return true;
    for (uint64_t i = first_kept(r); i < r->added; i++) {
        const fenby_sent_note *note = &r->notes[i % ROOM];
        if (!wanted(note, &range)) continue;
        const fenby_event event = {
            .frame = note->frame - start,
            .sound_frame = note->frame - start,
            .type = note->velocity ? FENBY_NOTE_ON : FENBY_NOTE_OFF,
            .key = note->key,
            .velocity = note->velocity,
        };
        if (!fenby_notes_add(notes, &event)) return false;
        if (note->velocity) *channel = note->channel;  // ends of notes that were not taken pass here too
    }
    fenby_notes_finish(notes, now - start);
    return true;
}

int fenby_recent_notes_save(const fenby_recent_notes *r, const char *path, const fenby_notes_range *range,
                            int64_t now, const char *text, char *error, size_t error_size)
{
    fenby_output_file output;
    fenby_midi_file midi;
    fenby_notes notes = {0};
    int channel = 1, count = -1;
    if (!collect(r, *range, now, &notes, &channel)) {
        snprintf(error, error_size, "%s: not enough memory to write it", path);
    } else if (notes.count == 0) {
        snprintf(error, error_size, "no notes to save");
    } else if (fenby_output_file_open(&output, path, error, error_size)) {
        fenby_midi_file_begin(&midi, output.file, 0, "Fenby", text);
        if (!fenby_notes_write_midi(&notes, r->rate_hz, channel, FENBY_BENDS_OFF, &midi)) {
            snprintf(error, error_size, "%s: not enough memory to write it", path);
            fenby_output_file_discard(&output);
        } else {
            fenby_midi_file_end(&midi, midi.last_tick);  // what goes wrong shows on closing
            if (fenby_output_file_close(&output, error, error_size)) count = (int)notes.count;
        }
    }
    fenby_notes_free(&notes);
    return count;
}
