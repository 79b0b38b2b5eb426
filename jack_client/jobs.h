// SPDX-License-Identifier: ISC
// Which sound file becomes which MIDI file, table and picture.
//
// Folders stand for the sound files directly in them, without hidden ones, folders and pipes. An output that is not
// named lies beside its input, with the input's name; one that is a folder gets such a file in it; "-" is standard
// output. No output may be an input or another's output, by whatever name, nor a recording that is there.
// Thread: one. Allocation: _make. Errors: one line that begins with a file's name.
#ifndef FENBY_JOBS_H
#define FENBY_JOBS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

enum { FENBY_MIDI_OUTPUT, FENBY_CSV_OUTPUT, FENBY_PLOT_OUTPUT, FENBY_N_OUTPUTS };

typedef struct {
    char *input;
    char *outputs[FENBY_N_OUTPUTS];  // NULL: not wanted
    char *error;                     // NULL: it can be done; else why not
} fenby_job;

typedef struct {
    fenby_job *job;
    size_t count, capacity;
} fenby_jobs;

// Makes the list from inputs and what was asked for as outputs, NULL where nothing was. A file that cannot be
// done is listed with its error. When *stop is set the rest is left without outputs. False with one line in error
// when the request as a whole makes no sense. To be freed in either case.
bool fenby_jobs_make(fenby_jobs *jobs, char *const *inputs, size_t n_inputs,
                     const char *const wanted[FENBY_N_OUTPUTS], const volatile sig_atomic_t *stop, char *error,
                     size_t error_size);
void fenby_jobs_free(fenby_jobs *jobs);

// All its outputs are files that are there, none older than the input. They get their names when they are whole.
bool fenby_job_is_done(const fenby_job *job);

#endif
