// SPDX-License-Identifier: ISC
// What is written is read again by a strict reader, and a small file is compared byte by byte.
#include <errno.h>
#include <unistd.h>

#include "jack_client/midi_file.h"
#include "read_midi.h"
#include "test.h"

static midi_contents contents;

typedef struct {
    FILE *stream;
    fenby_midi_file midi;
} written;

static written begin(int format, const char *title, const char *text)
{
    written w = {.stream = tmpfile()};
    REQUIRE(w.stream, "no temporary file");
    fenby_midi_file_begin(&w.midi, w.stream, format, title, text);
    return w;
}

static size_t end(written *w, int64_t tick, unsigned char *bytes, size_t capacity)
{
    CHECK(fenby_midi_file_end(&w->midi, tick), "cannot end");
    rewind(w->stream);
    const size_t size = fread(bytes, 1, capacity, w->stream);
    fclose(w->stream);
    midi_read(&contents, bytes, size);
    CHECK(!*contents.error, "%s", contents.error);
    return size;
}

static void test_bytes(void)
{
    static const unsigned char expected[] =
        "MThd\0\0\0\6\0\0\0\1\3\xe8"
        "MTrk\0\0\0\x2c"
        "\0\xff\3\4song"
        "\0\xff\1\3by\xc3"
        "\0\xff\x51\3\7\xa1\x20"
        "\x87\x68\x9f\x00\x7f"
        "\x0a\x8f\x00\x40"
        "\x00\x90\x7f\x01"
        "\x81\x48\x80\x7f\x40"
        "\0\xff\x2f";  // and a final 0
    unsigned char bytes[500];
    written w = begin(0, "song", "by\xc3");
    fenby_midi_file_note_on(&w.midi, 1000, 16, 0, 127);
    fenby_midi_file_note_off(&w.midi, 1010, 16, 0);
    fenby_midi_file_note_on(&w.midi, 1010, 1, 127, 1);
    fenby_midi_file_note_off(&w.midi, 1210, 1, 127);
    const size_t size = end(&w, 1210, bytes, sizeof bytes);
    CHECK(size == sizeof expected, "%zu bytes, expected %zu", size, sizeof expected);
    for (size_t i = 0; i < size && i < sizeof expected; i++)
        CHECK(bytes[i] == expected[i], "byte %zu is %02x, expected %02x", i, bytes[i], expected[i]);
}

static void test_header(int format)
{
    unsigned char bytes[500];
    written w = begin(format, "A title", "fenby 1, model x");
    end(&w, 5000, bytes, sizeof bytes);
    CHECK(contents.format == format && contents.n_tracks == format + 1, "%d tracks", contents.n_tracks);
    CHECK(!strcmp(contents.title, "A title"), "'%s'", contents.title);
    CHECK(!strcmp(contents.text, "fenby 1, model x"), "'%s'", contents.text);
    const double ticks_per_s = contents.division * 1e6 / contents.tempo;
    CHECK(ticks_per_s == FENBY_TICKS_PER_SECOND && ticks_per_s >= 1000, "%g ticks a second", ticks_per_s);
    CHECK(contents.end_tick == 5000 && contents.count == 0, "ends at %ld", (long)contents.end_tick);
}

// Every channel and the keys and velocities at the ends.
static void test_notes(int format)
{
    static unsigned char bytes[10000];
    static const int keys[] = {0, 21, 60, 108, 127}, velocities[] = {1, 64, 127};
    written w = begin(format, "", "");
    int64_t tick = 0;
    for (int channel = 1; channel <= 16; channel++)
        for (int k = 0; k < 5; k++)
            for (int v = 0; v < 3; v++) {
                fenby_midi_file_note_on(&w.midi, tick++, channel, keys[k], velocities[v]);
                fenby_midi_file_note_off(&w.midi, tick++, channel, keys[k]);
            }
    end(&w, tick, bytes, sizeof bytes);
    CHECK(midi_count_notes(&contents) == 16 * 5 * 3, "%d notes", midi_count_notes(&contents));
    REQUIRE(contents.count == 2 * 16 * 5 * 3, "%zu events", contents.count);
    for (int i = 0; i < 16 * 5 * 3; i++) {
        const midi_event *on = &contents.event[2 * i], *off = on + 1;
        CHECK(on->track == format && off->track == format, "note %d is in track %d", i, on->track);
        CHECK(on->status == (0x90 | i / 15) && off->status == (0x80 | i / 15), "note %d: %x", i, on->status);
        CHECK(on->key == keys[i / 3 % 5] && off->key == on->key, "note %d: key %d", i, on->key);
        CHECK(on->velocity == velocities[i % 3], "note %d: velocity %d", i, on->velocity);
        CHECK(on->tick == 2 * i && off->tick == 2 * i + 1, "note %d: tick %ld", i, (long)on->tick);
    }
}

// Pauses at the borders of the variable-length form, and beyond what it can hold.
static void test_pauses(void)
{
    static const int64_t pauses[] = {0,        1,         127,        128,         16383,         16384,
                                     2097151,  2097152,   0x0ffffffe, 0x0fffffff,  0x10000000,    0x1fffffff,
                                     0x20000000, 0x40000000, 3, 0x123456789};
    enum { N = sizeof pauses / sizeof *pauses };
    unsigned char bytes[5000];
    written w = begin(1, "", "");
    int64_t tick = 0;
    for (int i = 0; i < N; i++) {
        tick += pauses[i];
        if (i % 2) fenby_midi_file_note_off(&w.midi, tick, 1, 60);
        else fenby_midi_file_note_on(&w.midi, tick, 1, 60, 100);
    }
    end(&w, tick + 0x10000000, bytes, sizeof bytes);
    REQUIRE(contents.count == N, "%zu events", contents.count);
    int64_t expected = 0;
    for (int i = 0; i < N; i++) {
        expected += pauses[i];
        CHECK(contents.event[i].tick == expected, "pause %ld", (long)pauses[i]);
    }
    CHECK(contents.end_tick == expected + 0x10000000, "the end is at %ld", (long)contents.end_tick);
}

static void test_backwards(void)
{
    unsigned char bytes[500];
    written w = begin(0, "", "");
    fenby_midi_file_note_on(&w.midi, 100, 1, 60, 100);
    fenby_midi_file_note_off(&w.midi, 90, 1, 60);
    end(&w, -5, bytes, sizeof bytes);
    REQUIRE(contents.count == 2, "%zu events", contents.count);
    CHECK(contents.event[1].tick == 100 && contents.end_tick == 100, "tick %ld", (long)contents.event[1].tick);
}

static void test_long_text(void)
{
    static unsigned char bytes[80000];
    static char title[20000];
    memset(title, 'x', sizeof title - 1);
    written w = begin(1, title, title);
    const size_t size = end(&w, 0, bytes, sizeof bytes);
    CHECK(size > 2 * sizeof title, "%zu bytes", size);
    CHECK(strlen(contents.title) == sizeof contents.title - 1, "%zu letters", strlen(contents.title));
}

// Errors come through: a pipe cannot seek, a full disk takes nothing.
static void test_errors(void)
{
    int ends[2];
    fenby_midi_file midi;
    REQUIRE(pipe(ends) == 0, "no pipe");
    FILE *streams[] = {fdopen(ends[1], "w"), fopen("/dev/full", "w")};
    for (int i = 0; i < 2; i++) {
        REQUIRE(streams[i], "no stream %d", i);
        fenby_midi_file_begin(&midi, streams[i], 1, "title", "text");
        CHECK(!fenby_midi_file_end(&midi, 0), "stream %d took a file", i);
        CHECK(errno == (i == 0 ? ESPIPE : ENOSPC), "stream %d: errno %d", i, errno);
        fclose(streams[i]);
    }
    close(ends[0]);
}

int main(void)
{
    test_bytes();
    for (int format = 0; format <= 1; format++) {
        test_header(format);
        test_notes(format);
    }
    test_pauses();
    test_backwards();
    test_long_text();
    test_errors();
    return test_report();
}
