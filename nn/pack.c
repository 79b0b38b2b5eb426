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

// --- parts -------------------------------------------------------------------------------------------------------

fenby_part_layer fenby_layer_of_part(const fenby_weights *weights, int i, int part)
{
    fenby_layer layer = weights->layers[i];
    const bool is_head = layer.kind == FENBY_HEAD;
    fenby_part_layer result = {
        .gate_channels = layer.channels,
        .row = layer.n_shifts * layer.inputs / layer.groups * layer.kt * layer.kf,
    };
    if (layer.source > 0) layer.inputs /= weights->parts;
    if (is_head) {
        layer.weight += part * layer.inputs;
        if (part > 0) layer.bias = NULL;  // that of the sum is added once
    } else {
        layer.channels /= weights->parts;
        const ptrdiff_t first = part * layer.channels;
        layer.weight += first * result.row;
        layer.bias += first;
        if (layer.kind == FENBY_GRU) layer.hidden_weight += first * layer.channels;
        if (layer.kind == FENBY_GRU) layer.hidden_bias += first;
    }
    result.layer = layer;
    return result;
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
    return layer->df == 1 ? layer->kf : 1;
}

int fenby_runs_of(const fenby_layer *layer)
{
    return layer->kt * layer->n_shifts * layer->kf / fenby_taps_of_run(layer);
}

int fenby_slots_of_run(const fenby_layer *layer, const fenby_kernel *kernel)
{
    const int inputs = fenby_taps_of_run(layer) * layer->inputs, per_slot = inputs_per_slot(kernel);
    return (inputs + per_slot - 1) / per_slot;
}

int fenby_rows_of(const fenby_layer *layer, const fenby_kernel *kernel)
{
    return fenby_runs_of(layer) * fenby_slots_of_run(layer, kernel);
}

// --- weights -----------------------------------------------------------------------------------------------------

// What the channels take up, filled up to whole vectors.
static size_t padded(const fenby_linear *linear)
{
    return (size_t)linear->channels + FENBY_MAX_LANES;
}

// A matrix on its way to the kernel: value[channel][input], in the order in which the runs meet the inputs, and bias.
// Those from first_state on are a GRU's state.
typedef struct {
    int inputs, channels, first_state;
    float *values, *bias;
} matrix;

static bool new_matrix(matrix *m, int inputs, int channels, int first_state)
{
    *m = (matrix){ inputs, channels, first_state, fenby_new_floats((size_t)inputs * (size_t)channels),
                   fenby_new_floats((size_t)channels) };
    return m->values && m->bias;
}

static void free_matrix(matrix *m)
{
    free(m->values);
    free(m->bias);
}

// Lays out weight[channels][n_shifts * inputs][kt][kf] as [kt][n_shifts][runs][taps of a run][inputs], each run filled up
// with zeros, from input `first` on, and adds the bias. row_floats: from a channel's weights to the next one's.
static void fill(matrix *m, int first, const fenby_layer *shape, const fenby_kernel *kernel, const float *weight, int row_floats,
                 const float *bias)
{
    const int inputs = shape->inputs, taps = fenby_taps_of_run(shape), runs = shape->kf / taps;
    const int length = fenby_slots_of_run(shape, kernel) * inputs_per_slot(kernel);
    for (int channel = 0; channel < m->channels; channel++) {
        float *row = m->values + (size_t)channel * (size_t)m->inputs + first;
        const float *from = weight + (ptrdiff_t)channel * row_floats;
        if (bias) m->bias[channel] += bias[channel];
        for (int j = 0; j < shape->n_shifts; j++)
            for (int c = 0; c < inputs; c++)
                for (int t = 0; t < shape->kt; t++)
                    for (int k = 0; k < shape->kf; k++) {
                        const int run = (t * shape->n_shifts + j) * runs + k / taps;
                        row[run * length + k % taps * inputs + c] = *from++;
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
static bool pack(fenby_linear *linear, const fenby_kernel *kernel, matrix *m)
{
    linear->rows = m->inputs / inputs_per_slot(kernel);
    linear->channels = linear->stride = m->channels;
    float *weights = fenby_new_floats((size_t)linear->rows * padded(linear));
    float *bias = fenby_new_floats(padded(linear)), *steps = fenby_new_floats(padded(linear));
    linear->weights = weights;
    linear->bias = bias;
    linear->steps = steps;
    const bool ok = m->values && m->bias && weights && bias && steps;
    for (int i = 0; ok && i < m->channels; i++) {
        const fenby_column column = fenby_kernel_column(kernel, linear->rows, m->channels, i);
        const float *row = m->values + (size_t)i * (size_t)m->inputs;
        bias[i] = m->bias[i];
        if (kernel->narrow)
            pack_narrow(kernel, m, row, column, weights, &bias[i], &steps[i]);
        else
            for (int k = 0; k < m->inputs; k++) weights[column.first + (size_t)k * column.step] = row[k];
    }
    free_matrix(m);
    return ok;
}

fenby_layer fenby_hidden_of(const fenby_layer *layer)
{
    return (fenby_layer){ .n_shifts = 1, .kt = 1, .kf = 1, .df = 1, .inputs = layer->channels };
}

static bool pack_gru(fenby_linear *linears, const fenby_kernel *kernel, const fenby_part_layer *part, bool of_state)
{
    const fenby_layer *layer = &part->layer, hidden = fenby_hidden_of(layer);
    const int channels = layer->channels, per_slot = inputs_per_slot(kernel);
    const int rows = fenby_rows_of(layer, kernel) * per_slot, hidden_rows = fenby_rows_of(&hidden, kernel) * per_slot;
    const int first_state = of_state ? 0 : rows;
    matrix m[FENBY_N_SUMS];
    bool ok = new_matrix(&m[FENBY_RESET], rows + hidden_rows, channels, first_state);
    ok &= new_matrix(&m[FENBY_UPDATE], rows + hidden_rows, channels, first_state);
    ok &= new_matrix(&m[FENBY_CANDIDATE], rows, channels, first_state);
    ok &= new_matrix(&m[FENBY_HIDDEN], hidden_rows, channels, 0);
    for (int gate = FENBY_RESET; ok && gate <= FENBY_CANDIDATE; gate++) {
        matrix *with_hidden = gate == FENBY_CANDIDATE ? &m[FENBY_HIDDEN] : &m[gate];
        const ptrdiff_t first = (ptrdiff_t)gate * part->gate_channels;
        fill(&m[gate], 0, layer, kernel, layer->weight + first * part->row, part->row, layer->bias + first);
        fill(with_hidden, gate == FENBY_CANDIDATE ? 0 : rows, &hidden, kernel, layer->hidden_weight + first * channels, channels,
             layer->hidden_bias + first);
    }
    for (int i = 0; i < FENBY_N_SUMS; i++) ok &= pack(&linears[i], kernel, &m[i]);
    return ok;
}

bool fenby_pack(fenby_linear *linears, const fenby_kernel *kernel, const fenby_part_layer *part, bool of_state)
{
    const fenby_layer *layer = &part->layer;
    if (layer->kind == FENBY_GRU) return pack_gru(linears, kernel, part, of_state);
    const int rows = fenby_rows_of(layer, kernel) * inputs_per_slot(kernel);
    matrix m;
    if (new_matrix(&m, rows, layer->channels, of_state ? 0 : rows))
        fill(&m, 0, layer, kernel, layer->weight, part->row, layer->bias);
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
