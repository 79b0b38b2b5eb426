// SPDX-License-Identifier: ISC
// A strict reader of Standard MIDI Files for tests: it refuses whatever the standard does not allow, and all
// that Fenby does not write (running status, system exclusive, messages other than notes, controllers and bends).
#ifndef FENBY_READ_MIDI_H
#define FENBY_READ_MIDI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    int64_t tick;
    int track, status, key, velocity;
} midi_event;

typedef struct {
    int format, n_tracks, division, tempo;
    char title[300], text[300];  // of the first track
    int64_t end_tick;            // of the last track
    size_t count;
    midi_event event[1 << 17];
    char error[100];             // "" when the file is well-formed
} midi_contents;

typedef struct {
    const unsigned char *at, *end;
    midi_contents *contents;
} midi_reader;

static inline int midi_fail(midi_reader *r, const char *error)
{
    if (!*r->contents->error) snprintf(r->contents->error, sizeof r->contents->error, "%s", error);
    r->at = r->end;
    return 0;
}

static inline int midi_byte(midi_reader *r)
{
    return r->at < r->end ? *r->at++ : midi_fail(r, "the file is cut");
}

static inline uint32_t midi_number(midi_reader *r, int n_bytes)
{
    uint32_t value = 0;
    while (n_bytes-- > 0) value = value << 8 | (uint32_t)midi_byte(r);
    return value;
}

static inline uint32_t midi_variable_length(midi_reader *r)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const int byte = midi_byte(r);
        if (i == 0 && byte == 0x80) midi_fail(r, "a number begins with an empty byte");
        value = value << 7 | (uint32_t)(byte & 0x7f);
        if (!(byte & 0x80)) return value;
    }
    return (uint32_t)midi_fail(r, "a number of more than four bytes");
}

static inline bool midi_is(midi_reader *r, const char *magic)
{
    if (r->end - r->at < 4 || memcmp(r->at, magic, 4)) return midi_fail(r, "not the chunk it should be");
    r->at += 4;
    return true;
}

// Returns the meta event's type.
static inline int midi_meta(midi_reader *r, int track)
{
    const int type = midi_byte(r);
    const uint32_t size = midi_variable_length(r);
    midi_contents *c = r->contents;
    if ((int64_t)size > r->end - r->at) return midi_fail(r, "a text beyond the end");
    if (type == 0x2f && size != 0) midi_fail(r, "an end of track of wrong size");
    if (type == 0x51 && size != 3) return midi_fail(r, "a tempo of wrong size");
    if (type == 0x51) c->tempo = r->at[0] << 16 | r->at[1] << 8 | r->at[2];
    char *const text = type == 0x01 ? c->text : type == 0x03 ? c->title : NULL;
    if (text && track == 0 && size > 0) snprintf(text, sizeof c->text, "%.*s", (int)size, (const char *)r->at);
    r->at += size;
    return type;
}

static inline void midi_track(midi_reader *file, int track)
{
    if (!midi_is(file, "MTrk")) return;
    const uint32_t size = midi_number(file, 4);
    if ((int64_t)size > file->end - file->at) {
        midi_fail(file, "a track beyond the end");
        return;
    }
    midi_reader r = {file->at, file->at + size, file->contents};
    midi_contents *c = r.contents;
    int64_t tick = 0;
    bool ended = false;
    while (r.at < r.end && !ended) {
        tick += midi_variable_length(&r);
        const int status = midi_byte(&r);
        if (status == 0xff) {
            ended = midi_meta(&r, track) == 0x2f;
        } else if ((status & 0xe0) != 0x80 && (status & 0xf0) != 0xb0 && (status & 0xf0) != 0xe0) {
            midi_fail(&r, "neither note, controller, bend nor meta event");
        } else {
            const midi_event event = {tick, track, status, midi_byte(&r), midi_byte(&r)};
            if (event.key > 127 || event.velocity > 127) midi_fail(&r, "a data byte above 127");
            if (c->count == sizeof c->event / sizeof *c->event) midi_fail(&r, "too many events for this test");
            else c->event[c->count++] = event;
        }
    }
    if (!ended) midi_fail(&r, "a track without end of track");
    if (r.at != r.end) midi_fail(&r, "bytes after the end of track");
    file->at += size;
    c->end_tick = tick;
}

static inline void midi_read(midi_contents *contents, const void *bytes, size_t size)
{
    memset(contents, 0, sizeof *contents);
    midi_reader r = {bytes, (const unsigned char *)bytes + size, contents};
    if (!midi_is(&r, "MThd")) return;
    if (midi_number(&r, 4) != 6) midi_fail(&r, "a header of wrong size");
    contents->format = (int)midi_number(&r, 2);
    contents->n_tracks = (int)midi_number(&r, 2);
    contents->division = (int)midi_number(&r, 2);
    if (contents->format > 1 || (contents->format == 0 && contents->n_tracks != 1))
        midi_fail(&r, "wrong format");
    for (int i = 0; i < contents->n_tracks && !*contents->error; i++) midi_track(&r, i);
    if (r.at != r.end) midi_fail(&r, "bytes after the last track");
}

static inline void midi_read_file(midi_contents *contents, const char *path)
{
    static unsigned char bytes[1 << 20];
    memset(contents, 0, sizeof *contents);
    snprintf(contents->error, sizeof contents->error, "cannot be opened");
    FILE *file = fopen(path, "r");
    if (!file) return;
    midi_read(contents, bytes, fread(bytes, 1, sizeof bytes, file));
    fclose(file);
}

// Every note-on has one note-off after it on its key and channel, and none sounds twice. Returns how many notes
// there are, -1 when that does not hold.
static inline int midi_count_notes(const midi_contents *contents)
{
    bool sounding[16][128] = {{false}};
    int64_t tick = 0;
    int n_on = 0, n_off = 0;
    for (size_t i = 0; i < contents->count; i++) {
        const midi_event *event = &contents->event[i];
        const bool on = (event->status & 0xf0) == 0x90;
        bool *const sounds = &sounding[event->status & 0x0f][event->key];
        if (event->status >= 0xb0) continue;
        if (*sounds == on || event->tick < tick || (on && event->velocity == 0)) return -1;
        *sounds = on;
        tick = event->tick;
        if (on) n_on++;
        else n_off++;
    }
    return n_on == n_off ? n_on : -1;
}

#endif
