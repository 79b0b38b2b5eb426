// SPDX-License-Identifier: ISC
// A layer's weights as the kernels read them: which runs of inputs a layer has, and its matrices in the order of these runs.
// Used by net.c alone. Of networks side by side each has its own: what is said of a layer here holds for one part.
//
// Units: bytes, slots (kernel.h), positions (layers.h). Thread: any. Allocation: _new_floats and _pack. Errors: false or
// NULL when memory is short.
#ifndef FENBY_PACK_H
#define FENBY_PACK_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel.h"
#include "layers.h"

// A GRU's sums, before any activation: reset, update, candidate, and the old state's share in the candidate.
enum { FENBY_RESET, FENBY_UPDATE, FENBY_CANDIDATE, FENBY_HIDDEN, FENBY_N_SUMS };

static const float fenby_state_steps = 127;  // as bytes a GRU's state, which is within -1 .. 1, has steps of its own

// Layer i as one part has it: with its own inputs and channels.
typedef struct {
    fenby_layer layer;
    int gate_channels;  // output channels from a gate of a GRU to the next, in the file
    int row;            // floats from an output channel's weights to the next one's
} fenby_part_layer;

fenby_part_layer fenby_layer_of_part(const fenby_weights *weights, int i, int part);

int fenby_bytes_per_input(const fenby_kernel *kernel);

// A run holds all taps in frequency of one frame and one shift where they lie side by side, else one tap. It is filled up to
// whole slots with weights of 0. Rows: the slots of all runs.
int fenby_taps_of_run(const fenby_layer *layer);
int fenby_runs_of(const fenby_layer *layer);
int fenby_slots_of_run(const fenby_layer *layer, const fenby_kernel *kernel);
int fenby_rows_of(const fenby_layer *layer, const fenby_kernel *kernel);

// A GRU as it reads its own state.
fenby_layer fenby_hidden_of(const fenby_layer *layer);

// Packs a layer that is no stack: linears[FENBY_N_SUMS], weights, bias and sizes; a convolution and the head use the first.
// of_state: it reads a GRU's state. What was packed, all of it or not, is to be freed.
bool fenby_pack(fenby_linear *linears, const fenby_kernel *kernel, const fenby_part_layer *part, bool of_state);
void fenby_pack_free(fenby_linear *linears);

// n zeros and room for a vector's tail, on a cache line.
float *fenby_new_floats(size_t n);

#endif
