// SPDX-License-Identifier: ISC
// Runs a layer list. Every layer comes down to the kernel's one operation: an output position is a weighted sum
// over runs of inputs that lie side by side in some past frame of the source. A convolution has a run for each
// of its frames (and each tap in frequency, if those are dilated), a stack adds one for each shift, so that
// nothing is copied; a GRU's gates are sums over the input and its own last frame.
#include "net.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "layers.h"

// A GRU's sums, before any activation: reset, update, candidate, and the old state's share in the candidate.
enum { RESET, UPDATE, CANDIDATE, HIDDEN, N_SUMS };

struct fenby_net {
    const fenby_weights *weights;
    const fenby_kernel *kernel, *kernels[FENBY_MAX_LAYERS];  // the best there is; what each layer can use
    int streams;
    uint64_t calls;

    // Packed once: weights, bias and sizes for each layer, one group after the other; convolutions and the head use
    // the first.
    fenby_linear linears[FENBY_MAX_LAYERS][N_SUMS];

    // State: rings of frames, as weights->frames has them; and the same as bytes, with the step of each frame, where a
    // narrow kernel reads them.
    float *frames[FENBY_MAX_LAYERS + 1], *steps[FENBY_MAX_LAYERS + 1];
    uint8_t *narrow[FENBY_MAX_LAYERS + 1];

    // Used within one call.
    fenby_run *runs;
    char *edge;  // what the runs of an edge position read
    float *sums[N_SUMS];
    float *outputs[FENBY_MAX_OUTPUTS];
};

// n zeros and room for a vector's tail, on a cache line.
static float *new_floats(size_t n)
{
    size_t size = ((n + FENBY_MAX_LANES) * sizeof(float) + 63) / 64 * 64;
    float *floats = aligned_alloc(64, size);
    return floats ? memset(floats, 0, size) : NULL;
}

// The size of the ring that keeps a layer's frames, those of all streams in turn, in positions.
static size_t ring_positions(const fenby_net *net, int index)
{
    const fenby_frames *f = &net->weights->frames[index];
    return (size_t)(net->streams * f->n_frames) * (size_t)(f->zeros_before + f->width + f->zeros_after);
}

static size_t ring_floats(const fenby_net *net, int index)
{
    return ring_positions(net, index) * (size_t)net->weights->frames[index].channels;
}

// Which frame of its ring was written age hops of its stream ago.
static size_t frame_number(const fenby_net *net, int index, int age)
{
    const fenby_frames *f = &net->weights->frames[index];
    size_t n = (size_t)f->n_frames * (size_t)net->streams;
    return ((size_t)(net->calls % n) + n - (size_t)age * (size_t)net->streams) % n;
}

// Where its position 0 lies, in positions.
static size_t position_0(const fenby_net *net, int index, int age)
{
    const fenby_frames *f = &net->weights->frames[index];
    return frame_number(net, index, age) * (size_t)(f->zeros_before + f->width + f->zeros_after) + (size_t)f->zeros_before;
}

static float *frame_at(const fenby_net *net, int index, int age)
{
    return net->frames[index] + position_0(net, index, age) * (size_t)net->weights->frames[index].channels;
}

static uint8_t *narrow_at(const fenby_net *net, int index, int age)
{
    return net->narrow[index] + position_0(net, index, age) * (size_t)net->weights->frames[index].channels;
}

// The same as the kernel reads it.
static const void *inputs_at(const fenby_net *net, const fenby_kernel *kernel, int index, int age)
{
    return kernel->narrow ? (const void *)narrow_at(net, index, age) : frame_at(net, index, age);
}

static int bytes_per_input(const fenby_kernel *kernel)
{
    return kernel->narrow ? 1 : sizeof(float);
}

static int inputs_per_slot(const fenby_kernel *kernel)
{
    return FENBY_SLOT / bytes_per_input(kernel);
}

// A run holds all taps in frequency of one frame and one shift where they lie side by side, else one tap.
static int taps_of_run(const fenby_layer *layer)
{
    return layer->df == 1 && layer->groups == 1 ? layer->kf : 1;
}

static int runs_of(const fenby_layer *layer)
{
    return layer->kt * layer->n_shifts * layer->kf / taps_of_run(layer);
}

// Filled up to whole slots with weights of 0.
static int slots_of_run(const fenby_layer *layer, const fenby_kernel *kernel)
{
    const int inputs = taps_of_run(layer) * layer->inputs / layer->groups, per_slot = inputs_per_slot(kernel);
    return (inputs + per_slot - 1) / per_slot;
}

static int rows_of(const fenby_layer *layer, const fenby_kernel *kernel)
{
    return runs_of(layer) * slots_of_run(layer, kernel);
}

// --- narrow frames -----------------------------------------------------------------------------------------------

static const float state_steps = 127;  // a GRU's state is within -1 .. 1 and has steps of its own

static bool is_state(const fenby_weights *w, int index)
{
    return index > 0 && w->layers[index - 1].kind == FENBY_GRU;
}

static bool is_never_negative(const fenby_weights *w, int index)
{
    return index == 0 || (w->layers[index - 1].kind == FENBY_CONV && w->layers[index - 1].relu);
}

// The best kernel for a layer. A narrow one wants inputs that are never negative or a GRU's state, all of which takes part
// in every sum, groups that fill whole slots, and sums within 31 bits.
static const fenby_kernel *kernel_of(const fenby_net *net, int i)
{
    if (!net->kernel->narrow) return net->kernel;
    const fenby_weights *w = net->weights;
    const fenby_layer *layer = &w->layers[i];
    const bool whole_state = is_state(w, layer->source) && layer->source == i;
    const bool fills = layer->groups == 1 || layer->inputs / layer->groups % FENBY_SLOT == 0;
    const int state = layer->kind == FENBY_GRU ? layer->channels / layer->groups : 0;
    const int64_t inputs = (int64_t)rows_of(layer, net->kernel) * FENBY_SLOT + state;
    const bool fits = (whole_state || is_never_negative(w, layer->source)) && fills && state % FENBY_SLOT == 0 &&
                      inputs <= INT32_MAX / (net->kernel->input_steps * FENBY_WEIGHT_STEPS);
    return fits ? net->kernel : net->kernel->wide();
}

static bool is_read_narrow(const fenby_net *net, int index)
{
    if (is_state(net->weights, index) && net->kernels[index - 1]->narrow) return true;
    for (int i = index; i < net->weights->n_layers && i <= index + 1; i++)  // through a stack or not
        if (net->kernels[i] && net->kernels[i]->narrow && net->weights->layers[i].source == index) return true;
    return false;
}

// After a frame was written, and where narrow kernels read it.
static void narrow_frame(fenby_net *net, int index)
{
    if (!net->narrow[index]) return;
    const fenby_frames *f = &net->weights->frames[index];
    const size_t n = (size_t)(f->width * f->channels);
    const float *frame = frame_at(net, index, 0);
    uint8_t *to = narrow_at(net, index, 0);
    const fenby_kernel *kernel = net->kernel;
    if (is_state(net->weights, index)) {
        kernel->narrow(frame, n, state_steps, kernel->state_zero, to);
    } else {
        const float largest = fminf(kernel->largest(frame, n), FLT_MAX), steps = (float)kernel->input_steps;
        const bool has_steps = largest > FLT_MIN * steps;
        net->steps[index][frame_number(net, index, 0)] = has_steps ? largest / steps : 0;
        kernel->narrow(frame, n, has_steps ? steps / largest : 0, 0, to);
    }
}

// The past as silence has it.
static void clear_narrow(fenby_net *net, int index)
{
    if (!net->narrow[index]) return;
    const bool state = is_state(net->weights, index);
    const size_t frames = (size_t)net->streams * (size_t)net->weights->frames[index].n_frames;
    memset(net->narrow[index], state ? net->kernel->state_zero : 0, ring_floats(net, index));
    for (size_t i = 0; i < frames; i++) net->steps[index][i] = state ? 1 / state_steps : 0;
}

// --- packed weights ----------------------------------------------------------------------------------------------

// What a group's channels take up, filled up to whole vectors.
static size_t padded(const fenby_linear *linear)
{
    return (size_t)linear->channels + FENBY_MAX_LANES;
}

static fenby_linear group_of(const fenby_linear *all, int group)
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
    *m = (matrix){ inputs, channels, groups, first_state, new_floats((size_t)inputs * (size_t)channels),
                   new_floats((size_t)channels) };
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
    const int taps = taps_of_run(shape), runs = shape->kf / taps, length = slots_of_run(shape, kernel) * inputs_per_slot(kernel);
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
    *bias -= (float)(of_state * kernel->state_zero) * *step / state_steps;
}

// Packs a matrix, whose memory is no longer needed then.
static bool pack(fenby_linear *all, const fenby_kernel *kernel, matrix *m)
{
    all->rows = m->inputs / inputs_per_slot(kernel);
    all->channels = m->channels / m->groups;
    all->stride = m->channels;
    const size_t groups = (size_t)m->groups;
    float *weights = new_floats(groups * (size_t)all->rows * padded(all));
    float *bias = new_floats(groups * padded(all)), *steps = new_floats(groups * padded(all));
    all->weights = weights;
    all->bias = bias;
    all->steps = steps;
    const bool ok = m->values && m->bias && weights && bias && steps;
    for (int i = 0; ok && i < m->channels; i++) {
        const fenby_linear group = group_of(all, i / all->channels);
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

// A GRU's group as it reads its own state.
static fenby_layer hidden_of(const fenby_layer *layer)
{
    return (fenby_layer){ .n_shifts = 1, .kt = 1, .kf = 1, .df = 1, .groups = 1, .inputs = layer->channels / layer->groups };
}

static bool pack_gru(const fenby_kernel *kernel, const fenby_layer *layer, fenby_linear *linears, bool of_state)
{
    const int groups = layer->groups, channels = layer->channels, inputs = layer->inputs / groups;
    const int given = layer->n_shifts * inputs, rows = rows_of(layer, kernel) * inputs_per_slot(kernel);
    const int first_state = of_state ? 0 : rows;
    const fenby_layer hidden = hidden_of(layer);
    const int hidden_rows = rows_of(&hidden, kernel) * inputs_per_slot(kernel);
    matrix m[N_SUMS];
    bool ok = new_matrix(&m[RESET], rows + hidden_rows, channels, groups, first_state);
    ok &= new_matrix(&m[UPDATE], rows + hidden_rows, channels, groups, first_state);
    ok &= new_matrix(&m[CANDIDATE], rows, channels, groups, first_state);
    ok &= new_matrix(&m[HIDDEN], hidden_rows, channels, groups, 0);
    for (int gate = RESET; ok && gate <= CANDIDATE; gate++) {
        matrix *with_hidden = gate == CANDIDATE ? &m[HIDDEN] : &m[gate];
        size_t first = (size_t)gate * (size_t)channels;
        fill(&m[gate], 0, layer, kernel, inputs, layer->weight + first * (size_t)given, layer->bias + first);
        fill(with_hidden, gate == CANDIDATE ? 0 : rows, &hidden, kernel, hidden.inputs,
             layer->hidden_weight + first * (size_t)hidden.inputs, layer->hidden_bias + first);
    }
    for (int i = 0; i < N_SUMS; i++) ok &= pack(&linears[i], kernel, &m[i]);
    return ok;
}

static bool pack_layer(fenby_net *net, int i)
{
    const fenby_layer *layer = &net->weights->layers[i];
    fenby_linear *linears = net->linears[i];
    if (layer->kind == FENBY_STACK) return true;
    const bool of_state = is_state(net->weights, i);
    if (layer->kind == FENBY_GRU) return pack_gru(net->kernels[i], layer, linears, of_state);
    const int rows = rows_of(layer, net->kernels[i]) * inputs_per_slot(net->kernels[i]);
    matrix m;
    if (new_matrix(&m, rows, layer->channels, layer->groups, of_state ? 0 : rows))
        fill(&m, 0, layer, net->kernels[i], layer->inputs / layer->groups, layer->weight, layer->bias);
    linears->relu = layer->relu;
    return pack(linears, net->kernels[i], &m);
}

// --- a network ---------------------------------------------------------------------------------------------------

static bool new_state(fenby_net *net)
{
    const fenby_weights *w = net->weights;
    for (int i = 0; i <= w->n_layers; i++) {
        net->frames[i] = new_floats(ring_floats(net, i));
        if (!net->frames[i]) return false;
        if (!is_read_narrow(net, i)) continue;
        net->narrow[i] = (uint8_t *)new_floats(ring_floats(net, i) / sizeof(float) + 1);
        net->steps[i] = new_floats((size_t)net->streams * (size_t)w->frames[i].n_frames);
        if (!net->narrow[i] || !net->steps[i]) return false;
        clear_narrow(net, i);
    }
    for (int i = 0; i < w->n_outputs; i++) {
        fenby_output output = w->outputs[i].output;
        net->outputs[i] = new_floats((size_t)output.width * (size_t)output.channels);
        if (!net->outputs[i]) return false;
    }
    return true;
}

static bool new_scratch(fenby_net *net)
{
    size_t n_runs = 1, n_edge = FENBY_SLOT, n_values = 0;
    for (int i = 0; i < net->weights->n_layers; i++) {
        const fenby_layer *layer = &net->weights->layers[i];
        if (layer->kind == FENBY_STACK) continue;
        size_t runs = (size_t)runs_of(layer) + 1;  // 1: a GRU's own last frame
        size_t edge = (size_t)rows_of(layer, net->kernels[i]) * FENBY_SLOT;
        size_t values = layer->kind == FENBY_GRU ? (size_t)layer->width * (size_t)layer->channels : 0;
        if (n_runs < runs) n_runs = runs;
        if (n_edge < edge) n_edge = edge;
        if (n_values < values) n_values = values;
    }
    net->runs = calloc(n_runs, sizeof *net->runs);
    net->edge = calloc(1, n_edge);
    for (int i = 0; i < N_SUMS; i++) {
        net->sums[i] = new_floats(n_values);
        if (!net->sums[i]) return false;
    }
    return net->runs && net->edge;
}

static const fenby_kernel *find_kernel(fenby_simd simd)
{
    const fenby_kernel *(*const kernels[])(void) = {
        [FENBY_SIMD_SCALAR] = fenby_kernel_scalar, [FENBY_SIMD_AVX2] = fenby_kernel_avx2,
        [FENBY_SIMD_AVX2_VNNI] = fenby_kernel_avx2_vnni, [FENBY_SIMD_AVX512] = fenby_kernel_avx512,
        [FENBY_SIMD_AVX512_VNNI] = fenby_kernel_avx512_vnni, [FENBY_SIMD_NEON] = fenby_kernel_neon,
        [FENBY_SIMD_NEON_DOT] = fenby_kernel_neon_dot,
    };
    // cppcheck-suppress uninitvar ; it does not read the places in the list
    if (simd != FENBY_SIMD_BEST) return kernels[simd]();
    const fenby_simd best_first[] = {
        FENBY_SIMD_AVX512_VNNI, FENBY_SIMD_AVX2_VNNI, FENBY_SIMD_AVX512, FENBY_SIMD_AVX2, FENBY_SIMD_NEON_DOT, FENBY_SIMD_NEON,
    };
    for (size_t i = 0; i < sizeof best_first / sizeof *best_first; i++)
        if (kernels[best_first[i]]()) return kernels[best_first[i]]();
    return fenby_kernel_scalar();
}

fenby_net *fenby_net_new(const fenby_weights *weights, int streams, fenby_simd simd)
{
    const fenby_kernel *kernel = find_kernel(simd);
    fenby_net *net = kernel ? calloc(1, sizeof *net) : NULL;
    if (!net) return NULL;
    net->weights = weights;
    net->kernel = kernel;
    net->streams = streams;
    for (int i = 0; i < weights->n_layers; i++)
        if (weights->layers[i].kind != FENBY_STACK) net->kernels[i] = kernel_of(net, i);
    bool ok = new_state(net) && new_scratch(net);
    for (int i = 0; ok && i < weights->n_layers; i++) ok = pack_layer(net, i);
    if (ok) return net;
    fenby_net_free(net);
    return NULL;
}

void fenby_net_free(fenby_net *net)
{
    if (!net) return;
    for (int i = 0; i < FENBY_MAX_LAYERS; i++)
        for (int j = 0; j < N_SUMS; j++) {
            free((float *)net->linears[i][j].weights);
            free((float *)net->linears[i][j].bias);
            free((float *)net->linears[i][j].steps);
        }
    for (int i = 0; i <= FENBY_MAX_LAYERS; i++) {
        free(net->frames[i]);
        free(net->narrow[i]);
        free(net->steps[i]);
    }
    for (int i = 0; i < FENBY_MAX_OUTPUTS; i++) free(net->outputs[i]);
    for (int i = 0; i < N_SUMS; i++) free(net->sums[i]);
    free(net->runs);
    free(net->edge);
    free(net);
}

void fenby_net_reset(fenby_net *net)
{
    const fenby_weights *w = net->weights;
    for (int i = 0; i <= w->n_layers; i++) {
        memset(net->frames[i], 0, ring_floats(net, i) * sizeof(float));
        clear_narrow(net, i);
    }
    for (int i = 0; i < w->n_outputs; i++) {
        fenby_output output = w->outputs[i].output;
        memset(net->outputs[i], 0, (size_t)output.width * (size_t)output.channels * sizeof(float));
    }
    net->calls = 0;
}

// Takes the input in. NaN and Inf, which would stay in a GRU's state, and denormals, which are slow, become 0; as does what
// is negative, for which narrow kernels have no number.
static void clean_input(fenby_net *net, const float *input)
{
    float *frame = frame_at(net, 0, 0);
    int n = net->weights->input_width * net->weights->input_channels;
    for (int i = 0; i < n; i++) {
        frame[i] = input[i] >= FLT_MIN && input[i] <= FLT_MAX ? input[i] : 0.0f;
    }
    narrow_frame(net, 0);
}

// The taps of a run at the edge of the view, those outside it zeros. frame: position 0 of a group.
static void copy_edge(const fenby_layer *layer, const char *frame, int position_bytes, int tap_bytes, int first, int k,
                      int shift, char *to)
{
    for (int tap = 0; tap < taps_of_run(layer); tap++, to += tap_bytes) {
        const int position = first * layer->sf + (k + tap) * layer->df - layer->pad;
        if (position >= layer->view_first && position < layer->view_end)
            memcpy(to, frame + (position + shift) * position_bytes, (size_t)tap_bytes);
        else
            memset(to, 0, (size_t)tap_bytes);
    }
}

// The runs of a group, for output positions from first on, or for that one alone if it is at the edge. Returns how many.
static int gather_runs(fenby_net *net, int i, int group, int first, bool at_edge)
{
    const fenby_layer *layer = &net->weights->layers[i];
    const fenby_kernel *kernel = net->kernels[i];
    const int tap_bytes = layer->inputs / layer->groups * bytes_per_input(kernel);
    const int position_bytes = tap_bytes * layer->groups, taps = taps_of_run(layer), slots = slots_of_run(layer, kernel);
    int n = 0;
    for (int t = 0; t < layer->kt; t++) {
        const int age = (layer->kt - 1 - t) * layer->dt;
        const char *frame = (const char *)inputs_at(net, kernel, layer->source, age) + group * tap_bytes;
        const float step = kernel->narrow ? net->steps[layer->source][frame_number(net, layer->source, age)] : 1;
        for (int j = 0; j < layer->n_shifts; j++)
            for (int k = 0; k < layer->kf; k += taps, n++) {
                char *copy = net->edge + n * slots * FENBY_SLOT;
                const int position = first * layer->sf + k * layer->df - layer->pad + layer->shifts[j];
                if (at_edge) copy_edge(layer, frame, position_bytes, tap_bytes, first, k, layer->shifts[j], copy);
                net->runs[n] = (fenby_run){
                    .input = at_edge ? copy : frame + position * position_bytes,
                    .stride = layer->sf * position_bytes,
                    .length = slots,
                    .row = n * slots,
                    .step = step,
                };
            }
    }
    return n;
}

// Whether some taps of an output position lie outside the view; and up to where the same holds: the positions at the edge
// of a stack's view go one by one.
static int same_view(const fenby_layer *layer, int first, bool *at_edge)
{
    const int at = first * layer->sf - layer->pad, last = (layer->kf - 1) * layer->df;
    *at_edge = at < layer->view_first || at + last >= layer->view_end;
    if (*at_edge) return first + 1;
    const int end = (layer->view_end - 1 - last + layer->pad) / layer->sf + 1;
    return end < layer->width ? end : layer->width;
}

// A convolution, or the head.
static void convolve(fenby_net *net, int i)
{
    const fenby_layer *layer = &net->weights->layers[i];
    for (int group = 0; group < layer->groups; group++) {
        fenby_linear linear = group_of(&net->linears[i][0], group);
        const int channel = group * linear.channels;
        linear.runs = net->runs;
        linear.output = frame_at(net, i + 1, 0) + channel;
        linear.residual = layer->skip ? frame_at(net, i + 1 - layer->skip, 0) + channel : NULL;
        for (int first = 0, end; first < layer->width; first = end) {
            bool at_edge;
            end = same_view(layer, first, &at_edge);
            linear.n_runs = gather_runs(net, i, group, first, at_edge);
            net->kernels[i]->linear(&linear, first, end);
        }
    }
    narrow_frame(net, i + 1);
}

static void sum(fenby_net *net, int i, int group, int which, const fenby_run *runs, int n_runs)
{
    fenby_linear linear = group_of(&net->linears[i][which], group);
    linear.runs = runs;
    linear.n_runs = n_runs;
    linear.output = net->sums[which] + group * linear.channels;
    net->kernels[i]->linear(&linear, 0, net->weights->layers[i].width);
}

// PyTorch's equations: r, z = sigmoid(W x + b + U h + c), n = tanh(W x + b + r (U h + c)), h = (1 - z) n + z h.
static void recur(fenby_net *net, int i)
{
    const fenby_layer *layer = &net->weights->layers[i];
    size_t n = (size_t)layer->width * (size_t)layer->channels;
    const fenby_kernel *kernel = net->kernels[i];
    const char *old_inputs = inputs_at(net, kernel, i + 1, 1);
    const int bytes = bytes_per_input(kernel);
    const fenby_layer of_state = hidden_of(layer);
    for (int group = 0; group < layer->groups; group++) {
        const int n_runs = gather_runs(net, i, group, 0, false);
        fenby_run *hidden = &net->runs[n_runs];
        *hidden = (fenby_run){
            .input = old_inputs + group * of_state.inputs * bytes,
            .stride = layer->channels * bytes,
            .length = rows_of(&of_state, kernel),
            .row = rows_of(layer, kernel),
            .step = 1 / state_steps,
        };
        sum(net, i, group, RESET, net->runs, n_runs + 1);
        sum(net, i, group, UPDATE, net->runs, n_runs + 1);
        sum(net, i, group, CANDIDATE, net->runs, n_runs);
        hidden->row = 0;
        sum(net, i, group, HIDDEN, hidden, 1);
    }
    net->kernel->gates(net->sums[RESET], net->sums[UPDATE], net->sums[CANDIDATE], net->sums[HIDDEN],
                       frame_at(net, i + 1, 1), frame_at(net, i + 1, 0), n);
    narrow_frame(net, i + 1);
}

// Cuts the head's channels into the named outputs and applies their activations.
static void write_outputs(fenby_net *net)
{
    const fenby_weights *w = net->weights;
    const float *head = frame_at(net, w->n_layers, 0);
    int width = w->frames[w->n_layers].width, channels = w->frames[w->n_layers].channels;
    for (int i = 0; i < w->n_outputs; i++) {
        const fenby_head_output *from = &w->outputs[i];
        int n = from->output.channels;
        for (int p = 0; p < width; p++)
            for (int c = 0; c < n; c++) net->outputs[i][p * n + c] = head[p * channels + from->first + c];
        if (from->sigmoid) net->kernel->sigmoid(net->outputs[i], (size_t)width * (size_t)n);
    }
}

void fenby_net_process(fenby_net *net, const float *input)
{
    clean_input(net, input);
    for (int i = 0; i < net->weights->n_layers; i++) {
        switch (net->weights->layers[i].kind) {
        case FENBY_STACK: break;  // the next layer reads through it
        case FENBY_CONV:
        case FENBY_HEAD: convolve(net, i); break;
        case FENBY_GRU: recur(net, i); break;
        }
    }
    write_outputs(net);
    net->calls++;
}

const float *fenby_net_output(const fenby_net *net, size_t output)
{
    return net->outputs[output];
}

bool fenby_net_is_quick(void)
{
#ifdef __x86_64__
    return fenby_kernel_avx512_vnni() && __builtin_cpu_is("amd");
#else
    return false;
#endif
}

const char *fenby_net_simd_name(const fenby_net *net)
{
    return net->kernel->name;
}
