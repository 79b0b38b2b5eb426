// SPDX-License-Identifier: ISC
// Writes MIDI files from any notes and reads them with the tests' own strict reader: the same events must come
// back from the writer, and from the list of notes as many notes, none overlapping, none negative.
#include "jack_client/midi_file.h"
#include "jack_client/notes.h"
#include "tests/fuzz/fuzz.h"
#include "tests/read_midi.h"

enum { MOST_EVENTS = 2000 };

static midi_contents contents;

static void read_back(FILE *stream, char **bytes, const size_t *size)
{
    PROMISE(!fclose(stream));
    midi_read(&contents, *bytes, *size);
    free(*bytes);
    if (*contents.error) fprintf(stderr, "%s\n", contents.error);
    PROMISE(!*contents.error);
}

// Any events in order of their ticks, with pauses of any length up to weeks.
static void write_events(fuzz_bytes input, int format)
{
    static midi_event wrote[MOST_EVENTS];
    size_t count = 0, size;
    char *bytes;
    FILE *stream = open_memstream(&bytes, &size);
    fenby_midi_file midi;
    PROMISE(stream);
    fenby_midi_file_begin(&midi, stream, format, "a title", "a text");
    int64_t tick = 0;
    while (input.at < input.end && count < MOST_EVENTS) {
        const int kind = fuzz_byte(&input), key = fuzz_byte(&input) & 0x7f;
        const int channel = 1 + (kind >> 1 & 15), velocity = fuzz_byte(&input) & 0x7f;
        tick += kind & 0x80 ? fuzz_word(&input) : fuzz_byte(&input);
        const bool on = kind & 1;
        if (on)
            fenby_midi_file_note_on(&midi, tick, channel, key, velocity);
        else
            fenby_midi_file_note_off(&midi, tick, channel, key);
        const int status = (on ? 0x90 : 0x80) | (channel - 1);
        wrote[count++] = (midi_event){tick, format, status, key, on ? velocity : 64};
    }
    PROMISE(fenby_midi_file_end(&midi, tick));
    read_back(stream, &bytes, &size);
    PROMISE(contents.format == format && contents.n_tracks == format + 1 && contents.count == count);
    PROMISE(contents.tempo == 500000 && contents.end_tick == tick && !strcmp(contents.text, "a text"));
    for (size_t i = 0; i < count; i++) {
        const midi_event *a = &wrote[i], *b = &contents.event[i];
        PROMISE(a->tick == b->tick && a->track == b->track && a->status == b->status && a->key == b->key &&
                a->velocity == b->velocity);
    }
}

// Any events of the engine: pairs or not, back-dated across each other.
static void write_notes(fuzz_bytes input)
{
    static const double rates_hz[] = {8000, 44100, 48000, 384000};
    const double rate_hz = rates_hz[fuzz_byte(&input) % 4];
    const int bends = fuzz_byte(&input) % 3;
    fenby_notes notes = {0};
    int64_t frame = 0;
    int n_on = 0;
    while (input.at < input.end && n_on < MOST_EVENTS) {
        const uint8_t kind = fuzz_byte(&input), key = fuzz_byte(&input), velocity = fuzz_byte(&input);
        frame += fuzz_byte(&input) * (kind & 0x40 ? 997 : 1);
        const fenby_event event = {
            .frame = frame,
            .sound_frame = frame - (int8_t)fuzz_byte(&input) * 16,
            .bend = (float)velocity / 32 - 2,
            .type = kind % 3,
            .key = key,
            .velocity = velocity & 0x7f,
        };
        n_on += event.type == FENBY_NOTE_ON;
        PROMISE(fenby_notes_add(&notes, &event));
    }
    fenby_notes_finish(&notes, frame + 1 + 128 * 16);  // none begins behind that
    PROMISE(notes.count == (size_t)n_on);
    size_t size;
    char *bytes;
    FILE *stream = open_memstream(&bytes, &size);
    fenby_midi_file midi;
    PROMISE(stream);
    fenby_midi_file_begin(&midi, stream, 0, "", "");
    PROMISE(fenby_notes_write_midi(&notes, rate_hz, 16, bends, &midi));
    PROMISE(fenby_midi_file_end(&midi, midi.last_tick));
    for (size_t i = 0; i < notes.count; i++) {
        const fenby_note *note = &notes.note[i];
        PROMISE(note->onset_frame >= 0 && note->offset_frame >= note->onset_frame && note->key < 128);
        PROMISE(i == 0 || notes.note[i - 1].onset_frame <= note->onset_frame);
    }
    read_back(stream, &bytes, &size);
    PROMISE(midi_count_notes(&contents) == n_on);
    fenby_notes_free(&notes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    const fuzz_bytes input = {data + 1, data + size};
    if (data[0] & 1)
        write_notes(input);
    else
        write_events(input, data[0] >> 1 & 1);
    return 0;
}
