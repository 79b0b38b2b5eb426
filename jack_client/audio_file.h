// SPDX-License-Identifier: ISC
// Sound files as a stream of mono samples: WAV, FLAC, Ogg, MP3, AIFF and what else libsndfile reads.
//
// In:  a path, or "-" for standard input; pipes are spooled into an unnamed temporary file, since most formats
//      need to seek.
// Out: float samples at the file's own rate, full scale 1.0, either one channel or the mean of all.
// Thread: any one. Allocation: in _open, as much as one block of all channels, whatever the file's length.
// Errors: one line that begins with the file's name.
#ifndef FENBY_AUDIO_FILE_H
#define FENBY_AUDIO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fenby_audio_file fenby_audio_file;

enum { FENBY_MAXIMUM_CHANNELS = 256 };

// channel: 1 .. for one of the file's channels, 0 for the mean of all. NULL with one line in error when this is
// no sound file or has no such channel.
fenby_audio_file *fenby_audio_file_open(const char *path, int channel, char *error, size_t error_size);
void fenby_audio_file_close(fenby_audio_file *file);

// What a message calls it: the path, or "standard input".
const char *fenby_audio_file_name(const char *path);

double fenby_audio_file_rate(const fenby_audio_file *file);

// The length that the file's header promises, in frames; 0 when it does not say.
int64_t fenby_audio_file_frames(const fenby_audio_file *file);

// The next n samples, fewer at the end.
size_t fenby_audio_file_read(fenby_audio_file *file, float *samples, size_t n);

// After the last read: whether the channels are nearly each other's opposites, so that their mean lacks what all hold
// (a cable with crossed wires does that).
bool fenby_audio_file_cancels(const fenby_audio_file *file);

// After the last read: NULL when the file was whole, else what is wrong with it ("ends after 3.2 of 10.0 s").
const char *fenby_audio_file_damage(fenby_audio_file *file);

#endif
