// SPDX-License-Identifier: ISC
// A gated recurrent unit for training on a CPU: PyTorch 1.13's takes five times as long as the convolutions beside it.
//
// Equations: PyTorch's (r: reset, z: update, n: new; h' = (1 - z) n + z h), after Cho et al., "Learning phrase
// representations using RNN encoder-decoder", EMNLP 2014, section 2.3. Shapes: gates [clips][frames][keys][3][units],
// states [clips][frames][keys][units], every key of every clip a sequence of its own, from a state of zeros.
// Thread: any. Allocation: none. Errors: -1 when there are not 32 or 64 units, or more than 128 keys.
#ifndef FENBY_TRAIN_GRU_H
#define FENBY_TRAIN_GRU_H

// gates: in, the inputs' share of r, z and n with its bias; out, their values. hidden: what the state adds to n before
// r weighs it. weight [3][units out][units in], bias [3][units]: the state's.
int fenby_gru_forward(float *gates, const float *weight, const float *bias, float *states, float *hidden, int clips,
                      int frames, int keys, int units);

// gates: in, as forward left them; out, their gradients. hidden: likewise, that of what the state adds to n.
// gradients: of the states.
int fenby_gru_backward(float *gates, const float *weight, const float *states, float *hidden, const float *gradients,
                       int clips, int frames, int keys, int units);

#endif
