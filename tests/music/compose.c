// SPDX-License-Identifier: ISC
// compose TUNE OUT.mid OUT.csv: writes one of the project's own tunes as a MIDI file, to be rendered by a
// synthesiser, and as the list of its notes, to compare a transcription with (onset_s,offset_s,midi,velocity).
//
// Tunes: demo (piano), line (one melody instrument), strum (guitar), scale (every key of the piano).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jack_client/midi_file.h"

typedef struct {
    double onset_s, offset_s;
    int key, velocity;
} note;

static note notes[4096];
static int n_notes;

static void add(double onset_s, double seconds, int key, int velocity)
{
    if (n_notes < 4096) notes[n_notes++] = (note){0.5 + onset_s, 0.5 + onset_s + seconds, key, velocity};
}

// A slow song in D: broken chords under a melody, twice, the second time in octaves.
static void compose_demo(void)
{
    static const int chords[8][4] = {{38, 50, 57, 66}, {45, 52, 57, 61}, {47, 54, 59, 62}, {42, 49, 57, 61},
                                     {43, 50, 55, 59}, {38, 50, 54, 57}, {40, 52, 55, 59}, {45, 52, 55, 61}};
    static const struct {
        int key;
        double beats;
    } melody[] = {{74, 1.5}, {76, 0.5}, {78, 1}, {74, 1}, {73, 1.5}, {71, 0.5}, {69, 2},   {71, 1},
                  {74, 1},   {78, 1},   {76, 1}, {73, 3}, {69, 1},   {67, 1.5}, {71, 0.5}, {74, 1},
                  {79, 1},   {78, 2},   {74, 2}, {76, 1}, {79, 1},   {83, 1},   {79, 1},   {76, 2},
                  {73, 1},   {69, 1}};
    const double beat = 0.5;
    for (int verse = 0; verse < 2; verse++) {
        const double start = verse * 32 * beat;
        for (int bar = 0; bar < 8; bar++) {
            for (int i = 0; i < 8; i++) {
                static const int order[8] = {0, 1, 2, 3, 2, 1, 2, 3};
                if (verse == 0 && i % 2) continue;
                add(start + (bar * 4 + i * 0.5) * beat, beat * (i == 0 ? 1.8 : 0.9), chords[bar][order[i]],
                    i == 0 ? 70 : 52);
            }
        }
        double at = 0;
        for (size_t i = 0; i < sizeof melody / sizeof *melody; i++) {
            add(start + at * beat, melody[i].beats * beat * 0.95, melody[i].key, 88);
            if (verse) add(start + at * beat, melody[i].beats * beat * 0.95, melody[i].key - 12, 70);
            at += melody[i].beats;
        }
    }
    for (int i = 0; i < 4; i++) add(64 * beat, 2.5, (int[]){38, 50, 66, 74}[i], 75);
}

static void compose_line(void)
{
    static const int keys[] = {62, 64, 66, 67, 69, 71, 73, 74, 71, 67, 69, 66, 67, 64, 62, 57, 62, 62, 66, 69};
    for (int i = 0; i < 20; i++) add(i * 0.4, i % 4 == 3 ? 0.39 : 0.34, keys[i], 70 + 10 * (i % 3));
}

static void compose_strum(void)
{
    static const int shapes[4][6] = {
        {40, 47, 52, 56, 59, 64}, {45, 52, 57, 61, 64, 0}, {50, 57, 62, 66, 0, 0}, {43, 47, 50, 55, 59, 67}};
    for (int bar = 0; bar < 8; bar++) {
        for (int beat = 0; beat < 2; beat++) {
            for (int s = 0; s < 6; s++) {
                const int key = shapes[bar % 4][s];
                if (key) add(bar * 1.2 + beat * 0.6 + s * 0.012, 0.55, key, 90 - 4 * s);
            }
        }
    }
}

static void compose_scale(void)
{
    for (int key = 21; key <= 108; key++) add((key - 21) * 0.3, 0.25, key, 90);
}

static int by_onset(const void *a, const void *b)
{
    const double d = ((const note *)a)->onset_s - ((const note *)b)->onset_s;
    return (d > 0) - (d < 0);
}

// Note-ons and note-offs in time order; an off comes before an on of the same moment.
static void write_midi(fenby_midi_file *midi)
{
    double end_s = 0;
    int sounding[4096] = {0};
    for (int i = 0; i <= n_notes; i++) {
        for (;;) {  // every note that ends before note i starts, earliest first
            int next = -1;
            for (int j = 0; j < i; j++) {
                if (sounding[j] && (next < 0 || notes[j].offset_s < notes[next].offset_s)) next = j;
            }
            if (next < 0 || (i < n_notes && notes[next].offset_s > notes[i].onset_s)) break;
            fenby_midi_file_note_off(midi, (int64_t)(notes[next].offset_s * FENBY_TICKS_PER_SECOND), 1,
                                     notes[next].key);
            sounding[next] = 0;
            end_s = notes[next].offset_s;
        }
        if (i == n_notes) break;
        fenby_midi_file_note_on(midi, (int64_t)(notes[i].onset_s * FENBY_TICKS_PER_SECOND), 1, notes[i].key,
                                notes[i].velocity);
        sounding[i] = 1;
    }
    if (!fenby_midi_file_end(midi, (int64_t)((end_s + 0.5) * FENBY_TICKS_PER_SECOND))) n_notes = -1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*compose)(void);
    } tunes[] = {{"demo", compose_demo}, {"line", compose_line}, {"strum", compose_strum}, {"scale", compose_scale}};
    if (argc == 4) {
        for (size_t i = 0; i < sizeof tunes / sizeof *tunes; i++) {
            if (strcmp(argv[1], tunes[i].name) == 0) tunes[i].compose();
        }
    }
    if (n_notes == 0) {
        fprintf(stderr, "usage: compose demo|line|strum|scale OUT.mid OUT.csv\n");
        return 1;
    }
    qsort(notes, (size_t)n_notes, sizeof *notes, by_onset);
    FILE *csv = fopen(argv[3], "w"), *stream = fopen(argv[2], "wb");
    if (!csv || !stream) {
        perror("compose");
        return 1;
    }
    fprintf(csv, "onset_s,offset_s,midi,velocity\n");
    for (int i = 0; i < n_notes; i++) {
        fprintf(csv, "%.4f,%.4f,%d,%d\n", notes[i].onset_s, notes[i].offset_s, notes[i].key, notes[i].velocity);
    }
    fenby_midi_file midi;
    fenby_midi_file_begin(&midi, stream, 0, argv[1], "Fenby's own test music");
    write_midi(&midi);
    return fclose(csv) != 0 || fclose(stream) != 0 || n_notes < 0;
}
