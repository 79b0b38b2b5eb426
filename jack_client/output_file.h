// SPDX-License-Identifier: ISC
// Files that are either there whole or not at all: written under a temporary name in the same folder, synced,
// then renamed. Standard output and the other descriptors that have names, whatever they are, and what is no regular
// file (a pipe) get all of it at the close.
//
// Thread: one for each file. Allocation: stdio's; for a pipe as much as is written to it. Errors: one line
// that begins with the file's name.
#ifndef FENBY_OUTPUT_FILE_H
#define FENBY_OUTPUT_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define FENBY_STANDARD_OUTPUT "/dev/stdout"

typedef struct {
    FILE *file;  // to write to; one can seek in it
    FILE *pipe;  // a descriptor or what is no regular file, or NULL
    char path[PATH_MAX];
    char temporary[PATH_MAX];  // "" when there is a pipe
} fenby_output_file;

// Which of our descriptors a path names (/dev/stdout, /dev/stderr, /dev/fd/N, /proc/self/fd/N), -1 where it is none.
int fenby_output_file_descriptor(const char *path);

// Copies the folder of a path, with its slash, or "."; returns the rest, the name in it.
const char *fenby_split_path(const char *path, char folder[PATH_MAX]);

// Found before the work, not after it: what cannot be written there, with errno.
bool fenby_output_file_is_writable(const char *path);

bool fenby_output_file_open(fenby_output_file *output, const char *path, char *error, size_t error_size);

// Closes: when all was written the file is there under its name and the result is true, else nothing is left of
// it and one line in error says why.
bool fenby_output_file_close(fenby_output_file *output, char *error, size_t error_size);

// Closes and leaves nothing.
void fenby_output_file_discard(fenby_output_file *output);

#endif
