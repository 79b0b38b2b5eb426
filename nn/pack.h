// SPDX-License-Identifier: ISC
// A layer's weights as the kernels read them: which runs of inputs a layer has, and its matrices in the order of these runs.
// Used by net.c alone.
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

int fenby_bytes_per_input(const fenby_kernel *kernel);

// A run holds all taps in frequency of one frame and one shift where they lie side by side, else one tap. It is filled up to
// whole slots with weights of 0. Rows: the slots of all runs.
int fenby_taps_of_run(const fenby_layer *layer);
int fenby_runs_of(const fenby_layer *layer);
int fenby_slots_of_run(const fenby_layer *layer, const fenby_kernel *kernel);
int fenby_rows_of(const fenby_layer *layer, const fenby_kernel *kernel);

// A GRU's group as it reads its own state.
fenby_layer fenby_hidden_of(const fenby_layer *layer);

// Packs a layer that is no stack: linears[FENBY_N_SUMS], weights, bias and sizes, one group after the other; a convolution
// and the head use the first. of_state: it reads a GRU's state. What was packed, in part or not at all, is to be freed.
bool fenby_pack(fenby_linear *linears, const fenby_kernel *kernel, const fenby_layer *layer, bool of_state);
void fenby_pack_free(fenby_linear *linears);

// One group's share.
fenby_linear fenby_group_of(const fenby_linear *all, int group);

// n zeros and room for a vector's tail, on a cache line.
float *fenby_new_floats(size_t n);

#endif
