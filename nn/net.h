// SPDX-License-Identifier: ISC
// A streaming runtime for causal networks: one call for each hop, state kept between calls.
//
// A network is a list of layers in a weights file (weights.h). Data are float32, position-major: a layer's
// output is float[width][channels]. The runtime knows no music: the file says what the layers are and what the
// outputs are called.
//
// Split into config + const weights (fenby_weights, shared between any number of nets) and state (fenby_net).
// Thread: one net belongs to one thread, the worker. Allocation: fenby_net_new only. _process cannot fail.
#ifndef FENBY_NET_H
#define FENBY_NET_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "weights.h"

typedef struct fenby_net fenby_net;

// Which arithmetic: the best the machine has, or a named one for tests and benchmarks.
typedef enum {
    FENBY_SIMD_BEST,
    FENBY_SIMD_SCALAR,
    FENBY_SIMD_AVX2,
    FENBY_SIMD_AVX2_VNNI,    // narrow: see kernel.h
    FENBY_SIMD_AVX512,
    FENBY_SIMD_AVX512_VNNI,  // narrow
    FENBY_SIMD_NEON,
    FENBY_SIMD_NEON_DOT,     // narrow
} fenby_simd;

// State for these weights, which must outlive it. Streams, 1 and more, are sequences of hops that take turns: each call
// goes on from the one that many calls ago. NULL when memory is short or this machine lacks that simd.
fenby_net *fenby_net_new(const fenby_weights *weights, int streams, fenby_simd simd);
void fenby_net_free(fenby_net *net);

// Forgets the past: all zero, as after _new.
void fenby_net_reset(fenby_net *net);

// One hop of one stream: input is float[input_width][input_channels] of the weights file. Levels: NaN, Inf, denormals and what
// is negative count as 0.
void fenby_net_process(fenby_net *net, const float *input);

// The same, of networks side by side for the first ones alone: in the mean of their answers the others say what they said last.
enum { FENBY_ALL_PARTS = INT_MAX };
void fenby_net_process_parts(fenby_net *net, const float *input, int parts);

// After _process: the named output i (as fenby_weights_output numbers them), float[width][channels].
const float *fenby_net_output(const fenby_net *net, size_t output);

// Whether this machine's best arithmetic leaves time to listen between hops, too: dot products of bytes (VNNI) in
// AVX-512's vectors or AVX2's.
bool fenby_net_is_quick(void);

// "avx512_vnni", "avx512", "avx2_vnni", "avx2", "neon_dot", "neon" or "scalar".
const char *fenby_net_simd_name(const fenby_net *net);

#endif
