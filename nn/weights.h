// SPDX-License-Identifier: ISC
// The weights file, .fnw: a network's layers, weights, names of outputs and model card in one checked file.
//
// Little-endian. Magic, version, hash of the features it was trained on, layer list, named arrays with sizes,
// named outputs, model card text, checksum: nn/weights.c describes the layout and checks every field, so that
// a cut or corrupted file is refused with one line that says what was expected and what was found.
// Thread: any, the result is constant. Allocation: in _load and _parse.
#ifndef FENBY_WEIGHTS_H
#define FENBY_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

typedef struct fenby_weights fenby_weights;

// A slice of the last layer: `channels` values at each of `width` positions, after its activation.
typedef struct {
    const char *name;
    int width, channels;
} fenby_output;

// Reads a file; parses a file already in memory (copied). features_hash: what the caller's features are, a file
// made for others is refused. NULL with one line in error.
fenby_weights *fenby_weights_load(const char *path, uint64_t features_hash, char *error, size_t error_size);
fenby_weights *fenby_weights_parse(const void *bytes, size_t size, const char *name, uint64_t features_hash,
                                   char *error, size_t error_size);
void fenby_weights_free(fenby_weights *weights);

// The model compiled into the library.
fenby_weights *fenby_weights_default(uint64_t features_hash, char *error, size_t error_size);

const char *fenby_weights_name(const fenby_weights *weights);  // "fenby-1", for text events and --version
const char *fenby_weights_card(const fenby_weights *weights);  // the model card, UTF-8

int fenby_weights_input_width(const fenby_weights *weights);
int fenby_weights_input_channels(const fenby_weights *weights);
size_t fenby_weights_n_outputs(const fenby_weights *weights);
fenby_output fenby_weights_output(const fenby_weights *weights, size_t output);
int fenby_weights_find_output(const fenby_weights *weights, const char *name);  // -1: none

// A named array of the file ("onset.lookahead", ...): its values and count, or NULL.
const float *fenby_weights_array(const fenby_weights *weights, const char *name, size_t *count);

// Multiply-adds a hop, for the bench.
size_t fenby_weights_macs(const fenby_weights *weights);

#endif
