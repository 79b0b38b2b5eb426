// SPDX-License-Identifier: ISC
// What a checked weights file comes down to: the layers with their shapes, and what must be kept of each one's
// output. Written by weights.c, read by net.c; nobody else includes this.
//
// Units: positions along frequency, frames along time (one a hop). Arrays are row-major, PyTorch's order.
#ifndef FENBY_LAYERS_H
#define FENBY_LAYERS_H

#include <stddef.h>
#include <stdint.h>

#include "weights.h"

// Limits of the format. They bound memory and time for any file, and keep every product below within 64 bits.
enum {
    FENBY_MAX_LAYERS = 64,
    FENBY_MAX_OUTPUTS = 32,
    FENBY_MAX_ARRAYS = 512,
    FENBY_MAX_WIDTH = 4096,
    FENBY_MAX_CHANNELS = 1024,
    FENBY_MAX_SHIFTS = 64,
    FENBY_MAX_TAPS = 64,
    FENBY_MAX_DILATION = 256,
    FENBY_MAX_STRIDE = 64,
    FENBY_MAX_NAME = 64,             // bytes with the closing zero
    FENBY_MAX_CARD = 1 << 16,
    FENBY_MAX_FILE = 1 << 26,
    FENBY_MAX_STATE_FLOATS = 1 << 24,
    FENBY_MAX_MACS = 1 << 30,
};

typedef enum { FENBY_STACK, FENBY_CONV, FENBY_GRU, FENBY_HEAD } fenby_layer_kind;

typedef struct {
    fenby_layer_kind kind;
    int width, channels;  // of the output

    // Stack: shifts[n_shifts]. The layer after a stack takes its shifts over and reads the stack's own source;
    // any other layer has the one shift 0.
    int n_shifts;
    const int32_t *shifts;

    // What it reads: frames[source], `inputs` channels for each shift. Positions are counted before the shift;
    // those outside view_first .. view_end - 1 read as zero.
    int source, inputs, view_first, view_end;

    // Conv, and the others as one of 1 x 1: frames, positions, dilations, stride in frequency, zeros before the
    // first position, residual (from how many layers back, 0: none), whether a ReLU follows.
    int kt, kf, dt, df, sf, pad, skip, relu;

    // In the file: 1 where it reads the input and in the head, in all others as many as there are parts.
    int groups;

    // Conv and head: weight[channels][n_shifts * inputs / groups][kt][kf] and bias[channels].
    // GRU, gates in the order r, z, n: weight[3][channels][n_shifts * inputs / groups], bias[3][channels],
    // hidden_weight[3][channels][channels / groups], hidden_bias[3][channels].
    const float *weight, *bias, *hidden_weight, *hidden_bias;
} fenby_layer;

// What is kept of the input (index 0) or of layer i - 1's output (index i): the last n_frames frames, each with
// zeros before its first and after its last position so that a convolution need not test for edges.
typedef struct {
    int width, channels, n_frames, zeros_before, zeros_after;
} fenby_frames;

typedef struct {
    const char *name;
    const float *values;
    size_t count;
} fenby_array;

typedef struct {
    fenby_output output;
    int first;    // channel of the head
    int sigmoid;  // else linear
} fenby_head_output;

struct fenby_weights {
    unsigned char *bytes;  // the file; names, shifts and arrays point into it
    const char *name, *card;
    int input_width, input_channels;
    int n_layers, n_outputs, n_arrays;

    // Networks side by side, 1 or more: each has its share of every layer's channels and reads its share of the layer before, or
    // all of the input. Their heads' channels are added up.
    int parts;
    size_t macs;
    fenby_layer layers[FENBY_MAX_LAYERS];
    fenby_frames frames[FENBY_MAX_LAYERS + 1];
    fenby_head_output outputs[FENBY_MAX_OUTPUTS];
    fenby_array arrays[FENBY_MAX_ARRAYS];
};

#endif
