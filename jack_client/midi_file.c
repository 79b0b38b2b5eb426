// SPDX-License-Identifier: ISC
#include "midi_file.h"

#include <string.h>

enum {
    TICKS_PER_QUARTER = FENBY_TICKS_PER_SECOND / 2,
    MICROSECONDS_PER_QUARTER = 500000,
    MAXIMUM_DELTA = 0x0fffffff,  // what fits a variable-length quantity
    META_TEXT = 0x01,
    META_TRACK_NAME = 0x03,
    META_END_OF_TRACK = 0x2f,
    META_TEMPO = 0x51,
};

static void write_big_endian(FILE *stream, uint32_t value, int n_bytes)
{
    for (int i = n_bytes - 1; i >= 0; i--) putc((int)(value >> 8 * i & 0xff), stream);
}

// Seven bits a byte, the highest first; all but the last have bit 7 set.
static void write_variable_length(FILE *stream, uint32_t value)
{
    for (int shift = 21; shift > 0; shift -= 7)
        if (value >> shift) putc((int)(0x80 | (value >> shift & 0x7f)), stream);
    putc((int)(value & 0x7f), stream);
}

static void write_meta(FILE *stream, int type, const void *bytes, size_t size)
{
    putc(0xff, stream);
    putc(type, stream);
    write_variable_length(stream, (uint32_t)size);
    fwrite(bytes, 1, size, stream);
}

// Delta time since the last event. A pause too long for one is bridged by empty text events.
static void write_time(fenby_midi_file *midi, int64_t tick)
{
    if (tick < midi->last_tick) tick = midi->last_tick;
    int64_t delta = tick - midi->last_tick;
    for (; delta > MAXIMUM_DELTA; delta -= MAXIMUM_DELTA) {
        write_variable_length(midi->stream, MAXIMUM_DELTA);
        write_meta(midi->stream, META_TEXT, "", 0);
    }
    write_variable_length(midi->stream, (uint32_t)delta);
    midi->last_tick = tick;
}

static void write_text(fenby_midi_file *midi, int type, const char *text)
{
    write_time(midi, midi->last_tick);
    write_meta(midi->stream, type, text, strlen(text));
}

static void begin_track(fenby_midi_file *midi)
{
    fputs("MTrk", midi->stream);
    midi->track_start = ftell(midi->stream);
    midi->last_tick = 0;
    write_big_endian(midi->stream, 0, 4);
}

void fenby_midi_file_begin(fenby_midi_file *midi, FILE *stream, int format, const char *title,
                           const char *text)
{
    static const unsigned char tempo[3] = {MICROSECONDS_PER_QUARTER >> 16, MICROSECONDS_PER_QUARTER >> 8 & 0xff,
                                           MICROSECONDS_PER_QUARTER & 0xff};
    midi->stream = stream;
    fputs("MThd", stream);
    write_big_endian(stream, 6, 4);
    write_big_endian(stream, (uint32_t)format, 2);
    write_big_endian(stream, format == 0 ? 1 : 2, 2);
    write_big_endian(stream, TICKS_PER_QUARTER, 2);
    begin_track(midi);
    write_text(midi, META_TRACK_NAME, title);
    write_text(midi, META_TEXT, text);
    write_time(midi, 0);
    write_meta(stream, META_TEMPO, tempo, sizeof tempo);
    if (format == 0) return;
    fenby_midi_file_end(midi, 0);
    begin_track(midi);
    write_text(midi, META_TRACK_NAME, title);
}

void fenby_midi_file_message(fenby_midi_file *midi, int64_t tick, const fenby_midi_message *message)
{
    write_time(midi, tick);
    fwrite(message->bytes, 1, sizeof message->bytes, midi->stream);
}

void fenby_midi_file_note_on(fenby_midi_file *midi, int64_t tick, int channel, int key, int velocity)
{
    const fenby_midi_message on = fenby_midi_note_on(channel, key, velocity);
    fenby_midi_file_message(midi, tick, &on);
}

void fenby_midi_file_note_off(fenby_midi_file *midi, int64_t tick, int channel, int key)
{
    const fenby_midi_message off = fenby_midi_note_off(channel, key);
    fenby_midi_file_message(midi, tick, &off);
}

bool fenby_midi_file_end(fenby_midi_file *midi, int64_t tick)
{
    write_time(midi, tick);
    write_meta(midi->stream, META_END_OF_TRACK, "", 0);
    const long end = ftell(midi->stream);
    if (fseek(midi->stream, midi->track_start, SEEK_SET)) return false;
    write_big_endian(midi->stream, (uint32_t)(end - midi->track_start - 4), 4);
    return !fseek(midi->stream, end, SEEK_SET);
}
