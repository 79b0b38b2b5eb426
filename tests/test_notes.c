// SPDX-License-Identifier: ISC
// Events become notes, notes become a table and a MIDI file; nothing overlaps, nothing is lost, nothing hangs.
#include <string.h>

#include "dsp/parameters.h"
#include "jack_client/notes.h"
#include "read_midi.h"
#include "test.h"

static midi_contents contents;

static fenby_event event(fenby_event_type type, int key, int64_t sound_frame, int64_t frame, int velocity)
{
    return (fenby_event){.type = (uint8_t)type, .key = (uint8_t)key, .sound_frame = sound_frame, .frame = frame,
                         .velocity = (uint8_t)velocity};
}

static void add(fenby_notes *notes, fenby_event e)
{
    if (!fenby_notes_add(notes, &e)) CHECK(false, "not enough memory");
}

static void check_note(const fenby_notes *notes, size_t i, int key, int64_t onset, int64_t offset,
                       int64_t emitted, int velocity)
{
    REQUIRE(i < notes->count, "there are %zu notes", notes->count);
    const fenby_note *note = &notes->note[i];
    CHECK(note->key == key, "%zu: key %d", i, note->key);
    CHECK(note->velocity == velocity, "%zu: velocity %d", i, note->velocity);
    CHECK(note->onset_frame == onset, "%zu: onset %ld", i, (long)note->onset_frame);
    CHECK(note->offset_frame == offset, "%zu: offset %ld", i, (long)note->offset_frame);
    CHECK(note->emitted_frame == emitted, "%zu: emitted %ld", i, (long)note->emitted_frame);
}

static fenby_notes example(void)
{
    fenby_notes notes = {0};
    add(&notes, event(FENBY_NOTE_ON, 60, -100, 1000, 80));   // back-dated to before the file
    add(&notes, event(FENBY_NOTE_ON, 127, 2000, 3000, 127));
    add(&notes, event(FENBY_BEND, 60, 2100, 3100, 0));
    add(&notes, event(FENBY_NOTE_ON, 0, 1990, 3200, 1));     // decided later, but sounded before
    add(&notes, event(FENBY_NOTE_OFF, 60, 5000, 6000, 0));
    add(&notes, event(FENBY_NOTE_ON, 60, 4900, 6000, 90));   // struck again before the end as it was placed
    add(&notes, event(FENBY_NOTE_OFF, 127, 1500, 6500, 0));  // an end before its start
    add(&notes, event(FENBY_NOTE_OFF, 61, 6000, 7000, 0));   // nothing sounds there
    add(&notes, event(FENBY_NOTE_ON, 70, 8000, 8100, 9));    // in the silence behind the recording
    fenby_notes_finish(&notes, 8000);                        // 0 and 60 sound to the end
    return notes;
}

static void test_pairing(void)
{
    fenby_notes notes = example();
    CHECK(notes.count == 4, "%zu notes", notes.count);
    check_note(&notes, 0, 60, 0, 4900, 1000, 80);
    check_note(&notes, 1, 0, 1990, 8000, 3200, 1);
    check_note(&notes, 2, 127, 2000, 2000, 3000, 127);
    check_note(&notes, 3, 60, 4900, 8000, 6000, 90);
    fenby_notes_free(&notes);
}

static void test_csv(void)
{
    static const char expected[] = "onset_s,offset_s,midi,velocity,emitted_s\n"
                                   "0.000000,4.900000,60,80,1.000000\n"
                                   "1.990000,8.000000,0,1,3.200000\n"
                                   "2.000000,2.000000,127,127,3.000000\n"
                                   "4.900000,8.000000,60,90,6.000000\n";
    char text[500] = "";
    fenby_notes notes = example(), none = {0};
    FILE *file = fmemopen(text, sizeof text, "w");
    fenby_notes_write_csv(&notes, 1000, file);
    fclose(file);
    CHECK(!strcmp(text, expected), "%s", text);
    file = fmemopen(text, sizeof text, "w");
    fenby_notes_write_csv(&none, 1000, file);
    fclose(file);
    CHECK(!strcmp(text, "onset_s,offset_s,midi,velocity,emitted_s\n"), "%s", text);
    fenby_notes_free(&notes);
}

static void write_and_read(const fenby_notes *notes, double rate_hz, int channel, int bends)
{
    static unsigned char bytes[1 << 18];
    fenby_midi_file midi;
    FILE *file = tmpfile();
    REQUIRE(file, "no temporary file");
    fenby_midi_file_begin(&midi, file, 0, "", "");
    CHECK(fenby_notes_write_midi(notes, rate_hz, channel, bends, &midi), "not enough memory");
    CHECK(fenby_midi_file_end(&midi, 0), "cannot end");
    rewind(file);
    midi_read(&contents, bytes, fread(bytes, 1, sizeof bytes, file));
    fclose(file);
    CHECK(!*contents.error, "%s", contents.error);
}

static void test_midi(void)
{
    static const midi_event expected[] = {
        {0, 0, 0x99, 60, 80},    {3980, 0, 0x99, 0, 1},   {4000, 0, 0x99, 127, 127}, {4001, 0, 0x89, 127, 64},
        {9800, 0, 0x89, 60, 64}, {9800, 0, 0x99, 60, 90}, {16000, 0, 0x89, 0, 64},   {16000, 0, 0x89, 60, 64},
    };
    fenby_notes notes = example(), none = {0};
    write_and_read(&notes, 1000, 10, FENBY_BENDS_OFF);
    REQUIRE(contents.count == 8, "%zu events", contents.count);
    for (int i = 0; i < 8; i++) {
        const midi_event *e = &contents.event[i];
        CHECK(!memcmp(e, &expected[i], sizeof *e), "%d: tick %ld, status %x, key %d, velocity %d", i,
              (long)e->tick, e->status, e->key, e->velocity);
    }
    fenby_notes_free(&notes);
    write_and_read(&none, 1000, 10, FENBY_BENDS_OFF);
    CHECK(contents.count == 0, "%zu events", contents.count);
}

// Each note has its bends while it sounds, in MIDI on a channel of its own.
static void test_bends(void)
{
    static const midi_event expected[] = {
        {2000, 0, 0xb0, 101, 0}, {2000, 0, 0xb0, 100, 6}, {2000, 0, 0xb0, 6, 15},    {2000, 0, 0xb1, 101, 0},
        {2000, 0, 0xb1, 100, 0}, {2000, 0, 0xb1, 6, 48},  {2000, 0, 0xe1, 43, 65},   {2000, 0, 0x91, 60, 80},
        {3000, 0, 0xb2, 101, 0}, {3000, 0, 0xb2, 100, 0}, {3000, 0, 0xb2, 6, 48},    {3000, 0, 0x92, 64, 70},
        {4000, 0, 0xe2, 85, 63}, {4200, 0, 0xe1, 85, 64}, {5400, 0, 0x81, 60, 64},   {5400, 0, 0xb3, 101, 0},
        {5400, 0, 0xb3, 100, 0}, {5400, 0, 0xb3, 6, 48},  {5400, 0, 0xe3, 43, 65},   {5400, 0, 0x93, 60, 60},
        {5600, 0, 0xe3, 0, 64},  {6000, 0, 0x83, 60, 64}, {8000, 0, 0x82, 64, 64},
    };
    fenby_notes notes = {0};
    fenby_event e = event(FENBY_NOTE_ON, 60, 1000, 1100, 80);
    e.bend = 0.25f;
    add(&notes, e);
    e = event(FENBY_BEND, 60, 1000, 1150, 0), e.bend = 1;  // as it begins: 171 of 8192
    add(&notes, e);
    add(&notes, event(FENBY_NOTE_ON, 64, 1500, 1600, 70));
    e = event(FENBY_BEND, 60, 2100, 2200, 0), e.bend = 0.5f;
    add(&notes, e);
    e = event(FENBY_BEND, 64, 2000, 2300, 0), e.bend = -0.25f;
    add(&notes, e);
    e = event(FENBY_BEND, 60, 2750, 2760, 0), e.bend = -1;  // of a note that was struck again before
    add(&notes, e);
    e = event(FENBY_NOTE_ON, 60, 2700, 2800, 60), e.bend = 1;
    add(&notes, e);
    e = event(FENBY_BEND, 60, 2800, 2900, 0);
    add(&notes, e);
    add(&notes, event(FENBY_NOTE_OFF, 60, 3000, 3100, 0));
    e = event(FENBY_BEND, 60, 3050, 3200, 0), e.bend = -1;  // of no note
    add(&notes, e);
    fenby_notes_finish(&notes, 4000);
    CHECK(notes.n_bends == 4 && notes.count == 3, "%zu bends, %zu notes", notes.n_bends, notes.count);
    write_and_read(&notes, 1000, 10, FENBY_BENDS_MPE);
    REQUIRE(contents.count == 23, "%zu events", contents.count);
    for (int i = 0; i < 23; i++) {
        const midi_event *m = &contents.event[i];
        CHECK(!memcmp(m, &expected[i], sizeof *m), "%d: tick %ld, status %x, %d, %d", i, (long)m->tick, m->status,
              m->key, m->velocity);
    }
    fenby_notes_free(&notes);
}

// Whatever comes, every note starts once, ends once and is alone on its key.
static void test_anything(void)
{
    unsigned long long random = 5;
    for (int run = 0; run < 20; run++) {
        fenby_notes notes = {0};
        int n_on = 0;
        int64_t frame = 0;
        const int n_keys = run % 2 ? 128 : 2;
        for (int i = 0; i < 5000; i++) {
            frame += (int64_t)(30 * test_random(&random));
            const int key = (int)(n_keys * test_random(&random));
            const int velocity = 1 + (int)(127 * test_random(&random));
            const fenby_event_type type = (fenby_event_type)(3 * test_random(&random));
            add(&notes, event(type, key, frame - (int64_t)(3000 * test_random(&random)), frame, velocity));
            n_on += type == FENBY_NOTE_ON;
        }
        fenby_notes_finish(&notes, frame + 1);
        CHECK(notes.count == (size_t)n_on, "%zu notes of %d", notes.count, n_on);
        size_t n_unsorted = 0;
        for (size_t i = 1; i < notes.count; i++)
            n_unsorted += notes.note[i - 1].onset_frame > notes.note[i].onset_frame;
        CHECK(n_unsorted == 0, "%zu notes are out of order", n_unsorted);
        write_and_read(&notes, run % 3 ? 44100 : 384000, 1, run % 4 < 3 ? run % 4 : FENBY_BENDS_MPE);
        CHECK(midi_count_notes(&contents) == n_on, "%d notes of %d", midi_count_notes(&contents), n_on);
        fenby_notes_free(&notes);
    }
}

int main(void)
{
    test_pairing();
    test_csv();
    test_midi();
    test_bends();
    test_anything();
    return test_report();
}
