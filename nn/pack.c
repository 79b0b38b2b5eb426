// SPDX-License-Identifier: ISC
#include "pack.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

float *fenby_new_floats(size_t n)
{
    size_t size = ((n + FENBY_MAX_LANES) * sizeof(float) + 63) / 64 * 64;
    float *floats = aligned_alloc(64, size);
    return floats ? memset(floats, 0, size) : NULL;
}

// --- runs --------------------------------------------------------------------------------------------------------

int fenby_bytes_per_input(const fenby_kernel *kernel)
{
    return kernel->narrow ? 1 : sizeof(float);
}

static int inputs_per_slot(const fenby_kernel *kernel)
{
    return FENBY_SLOT / fenby_bytes_per_input(kernel);
}

int fenby_taps_of_run(const fenby_layer *layer)
{
    return layer->df == 1 && layer->groups == 1 ? layer->kf : 1;
}

int fenby_runs_of(const fenby_layer *layer)
{
    return layer->kt * layer->n_shifts * layer->kf / fenby_taps_of_run(layer);
}

int fenby_slots_of_run(const fenby_layer *layer, const fenby_kernel *kernel)
{
    const int inputs = fenby_taps_of_run(layer) * layer->inputs / layer->groups, per_slot = inputs_per_slot(kernel);
    return (inputs + per_slot - 1) / per_slot;
}

int fenby_rows_of(const fenby_layer *layer, const fenby_kernel *kernel)
{
    return fenby_runs_of(layer) * fenby_slots_of_run(layer, kernel);
}

// --- weights -----------------------------------------------------------------------------------------------------

// What a group's channels take up, filled up to whole vectors.
static size_t padded(const fenby_linear *linear)
{
    return (size_t)linear->channels + FENBY_MAX_LANES;
}

fenby_linear fenby_group_of(const fenby_linear *all, int group)
{
    fenby_linear linear = *all;
    linear.weights += (size_t)group * (size_t)all->rows * padded(all);
    linear.bias += (size_t)group * padded(all);
    linear.steps += (size_t)group * padded(all);
    return linear;
}

// A matrix on its way to the kernel: value[channel][input], in the order in which the runs meet the inputs, and bias.
// Those from first_state on are a GRU's state.
typedef struct {
    int inputs, channels, groups, first_state;
    float *values, *bias;
} matrix;

static bool new_matrix(matrix *m, int inputs, int channels, int groups, int first_state)
{
    *m = (matrix){ inputs, channels, groups, first_state, fenby_new_floats((size_t)inputs * (size_t)channels),
                   fenby_new_floats((size_t)channels) };
    return m->values && m->bias;
}

static void free_matrix(matrix *m)
{
    free(m->values);
    free(m->bias);
}

// Lays out weight[channels][n_shifts * inputs][kt][kf] as [kt][n_shifts][runs][taps of a run][inputs], each run filled up
// with zeros, from input `first` on, and adds the bias. Inputs: of one group.
static void fill(matrix *m, int first, const fenby_layer *shape, const fenby_kernel *kernel, int inputs, const float *weight,
                 const float *bias)
{
    const int taps = fenby_taps_of_run(shape), runs = shape->kf / taps, length = fenby_slots_of_run(shape, kernel) * inputs_per_slot(kernel);
    for (int channel = 0; channel < m->channels; channel++) {
        float *row = m->values + (size_t)channel * (size_t)m->inputs + first;
        m->bias[channel] += bias[channel];
        for (int j = 0; j < shape->n_shifts; j++)
            for (int c = 0; c < inputs; c++)
                for (int t = 0; t < shape->kt; t++)
                    for (int k = 0; k < shape->kf; k++) {
                        const int run = (t * shape->n_shifts + j) * runs + k / taps;
                        row[run * length + k % taps * inputs + c] = *weight++;
                    }
    }
}

static float step_of(const float *row, int inputs)
{
    float largest = 0;
    for (int i = 0; i < inputs; i++) largest = fmaxf(largest, fabsf(row[i]));
    return largest > FLT_MIN * FENBY_WEIGHT_STEPS ? largest / FENBY_WEIGHT_STEPS : 0;
}

// One channel's weights in steps, four to a slot. What one loses in rounding the next one makes up for: neighbours meet much
// the same inputs, none of which are negative, so that errors of one sign would add up. What the state's zero adds to every
// sum is taken off the bias.
static void pack_narrow(const fenby_kernel *kernel, const matrix *m, const float *row, fenby_column column, float *weights,
                        float *bias, float *step)
{
    *step = step_of(row, m->inputs);
    int of_state = 0;
    float lost = 0;
    for (int i = 0; i < m->inputs && *step > 0; i++) {
        if (row[i] == 0) continue;  // it may meet whatever fills up a run
        const float exact = row[i] / *step + lost;
        const float whole = fminf(fmaxf(rintf(exact), -FENBY_WEIGHT_STEPS), FENBY_WEIGHT_STEPS);
        lost = exact - whole;
        float *slot = weights + column.first + (size_t)(i / FENBY_SLOT) * column.step;
        ((int8_t *)slot)[i % FENBY_SLOT] = (int8_t)whole;
        if (i >= m->first_state) of_state += (int)whole;
    }
    *bias -= (float)(of_state * kernel->state_zero) * *step / fenby_state_steps;
}

// Packs a matrix, whose memory is no longer needed then.
static bool pack(fenby_linear *all, const fenby_kernel *kernel, matrix *m)
{
    all->rows = m->inputs / inputs_per_slot(kernel);
    all->channels = m->channels / m->groups;
    all->stride = m->channels;
    const size_t groups = (size_t)m->groups;
    float *weights = fenby_new_floats(groups * (size_t)all->rows * padded(all));
    float *bias = fenby_new_floats(groups * padded(all)), *steps = fenby_new_floats(groups * padded(all));
    all->weights = weights;
    all->bias = bias;
    all->steps = steps;
    const bool ok = m->values && m->bias && weights && bias && steps;
    for (int i = 0; ok && i < m->channels; i++) {
        const fenby_linear group = fenby_group_of(all, i / all->channels);
        const int channel = i % all->channels;
        const fenby_column column = fenby_kernel_column(kernel, all->rows, all->channels, channel);
        const float *row = m->values + (size_t)i * (size_t)m->inputs;
        float *to = (float *)group.weights, *to_bias = (float *)group.bias + channel;
        *to_bias = m->bias[i];
        if (kernel->narrow)
            pack_narrow(kernel, m, row, column, to, to_bias, (float *)group.steps + channel);
        else
            for (int k = 0; k < m->inputs; k++) to[column.first + (size_t)k * column.step] = row[k];
    }
    free_matrix(m);
    return ok;
}

fenby_layer fenby_hidden_of(const fenby_layer *layer)
{
    return (fenby_layer){ .n_shifts = 1, .kt = 1, .kf = 1, .df = 1, .groups = 1, .inputs = layer->channels / layer->groups };
}

static bool pack_gru(const fenby_kernel *kernel, const fenby_layer *layer, fenby_linear *linears, bool of_state)
{
    const int groups = layer->groups, channels = layer->channels, inputs = layer->inputs / groups;
    const int given = layer->n_shifts * inputs, rows = fenby_rows_of(layer, kernel) * inputs_per_slot(kernel);
    const int first_state = of_state ? 0 : rows;
    const fenby_layer hidden = fenby_hidden_of(layer);
    const int hidden_rows = fenby_rows_of(&hidden, kernel) * inputs_per_slot(kernel);
    matrix m[FENBY_N_SUMS];
    bool ok = new_matrix(&m[FENBY_RESET], rows + hidden_rows, channels, groups, first_state);
    ok &= new_matrix(&m[FENBY_UPDATE], rows + hidden_rows, channels, groups, first_state);
    ok &= new_matrix(&m[FENBY_CANDIDATE], rows, channels, groups, first_state);
    ok &= new_matrix(&m[FENBY_HIDDEN], hidden_rows, channels, groups, 0);
    for (int gate = FENBY_RESET; ok && gate <= FENBY_CANDIDATE; gate++) {
        matrix *with_hidden = gate == FENBY_CANDIDATE ? &m[FENBY_HIDDEN] : &m[gate];
        size_t first = (size_t)gate * (size_t)channels;
        fill(&m[gate], 0, layer, kernel, inputs, layer->weight + first * (size_t)given, layer->bias + first);
        fill(with_hidden, gate == FENBY_CANDIDATE ? 0 : rows, &hidden, kernel, hidden.inputs,
             layer->hidden_weight + first * (size_t)hidden.inputs, layer->hidden_bias + first);
    }
    for (int i = 0; i < FENBY_N_SUMS; i++) ok &= pack(&linears[i], kernel, &m[i]);
    return ok;
}

bool fenby_pack(fenby_linear *linears, const fenby_kernel *kernel, const fenby_layer *layer, bool of_state)
{
    if (layer->kind == FENBY_GRU) return pack_gru(kernel, layer, linears, of_state);
    const int rows = fenby_rows_of(layer, kernel) * inputs_per_slot(kernel);
    matrix m;
    if (new_matrix(&m, rows, layer->channels, layer->groups, of_state ? 0 : rows))
        fill(&m, 0, layer, kernel, layer->inputs / layer->groups, layer->weight, layer->bias);
    linears->relu = layer->relu;
    return pack(linears, kernel, &m);
}

void fenby_pack_free(fenby_linear *linears)
{
    for (int i = 0; i < FENBY_N_SUMS; i++) {
        free((float *)linears[i].weights);
        free((float *)linears[i].bias);
        free((float *)linears[i].steps);
    }
}
