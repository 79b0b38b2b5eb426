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

    // State: rings of frames, as weights->frames has them; and the same in slots, where the kernel's are narrower.
    float *frames[FENBY_MAX_LAYERS + 1], *narrow[FENBY_MAX_LAYERS + 1];

    // Used within one call.
    fenby_run *runs;
    float *sums[N_SUMS], *state;
    float *outputs[FENBY_MAX_OUTPUTS];
};

// n zeros and room for a vector's tail, on a cache line.
static float *new_floats(size_t n)
{
    size_t size = ((n + FENBY_MAX_LANES) * sizeof(float) + 63) / 64 * 64;
    float *floats = aligned_alloc(64, size);
    return floats ? memset(floats, 0, size) : NULL;
}

static size_t frame_floats(const fenby_frames *f)
{
    return (size_t)(f->zeros_before + f->width + f->zeros_after) * (size_t)f->channels;
}

// The size of the ring that keeps a layer's frames, those of all streams in turn.
static size_t ring_floats(const fenby_net *net, int index)
{
    const fenby_frames *f = &net->weights->frames[index];
    return (size_t)net->streams * (size_t)f->n_frames * frame_floats(f);
}

// Where position 0 of a frame lies in its ring, age hops of its stream ago.
static size_t frame_offset(const fenby_net *net, int index, int age)
{
    const fenby_frames *f = &net->weights->frames[index];
    size_t n = (size_t)f->n_frames * (size_t)net->streams;
    size_t place = (size_t)(net->calls % n) + n - (size_t)age * (size_t)net->streams;
    return place % n * frame_floats(f) + (size_t)(f->zeros_before * f->channels);
}

static float *frame_at(const fenby_net *net, int index, int age)
{
    return net->frames[index] + frame_offset(net, index, age);
}

// The same in the slots of a kernel.
static const float *slots_at(const fenby_net *net, const fenby_kernel *kernel, int index, int age)
{
    if (!kernel->narrow) return frame_at(net, index, age);
    return net->narrow[index] + frame_offset(net, index, age) / FENBY_NARROW;
}

static int inputs_per_slot(const fenby_kernel *kernel)
{
    return kernel->narrow ? FENBY_NARROW : 1;
}

// The best kernel for a layer: a narrow one wants what the layer reads to fill whole slots.
static const fenby_kernel *kernel_of(const fenby_net *net, const fenby_layer *layer)
{
    const int inputs = layer->inputs / layer->groups;
    const int state = layer->kind == FENBY_GRU ? layer->channels / layer->groups : 0;
    const bool fills = inputs % FENBY_NARROW == 0 && state % FENBY_NARROW == 0;
    return net->kernel->narrow && !fills ? net->kernel->wide() : net->kernel;
}

// After a frame was written: puts it into slots.
static void narrow_frame(fenby_net *net, int index)
{
    const fenby_frames *f = &net->weights->frames[index];
    if (!net->kernel->narrow || f->channels % FENBY_NARROW) return;
    const size_t at = frame_offset(net, index, 0);
    net->kernel->narrow(net->frames[index] + at, net->narrow[index] + at / FENBY_NARROW,
                        (size_t)(f->width * f->channels));
}

// What a group's channels take up, filled up to whole vectors.
static size_t padded(const fenby_linear *linear)
{
    return (size_t)linear->channels + FENBY_MAX_LANES;
}

static bool new_linear(fenby_linear *linear, const fenby_kernel *kernel, int groups, int inputs, int channels)
{
    const int rows = inputs / inputs_per_slot(kernel);
    linear->rows = rows;
    linear->channels = channels / groups;
    linear->stride = channels;
    linear->weights = new_floats((size_t)groups * (size_t)rows * padded(linear));
    linear->bias = new_floats((size_t)groups * padded(linear));
    return linear->weights && linear->bias;
}

static fenby_linear group_of(const fenby_linear *all, int group)
{
    fenby_linear linear = *all;
    linear.weights += (size_t)group * (size_t)all->rows * padded(all);
    linear.bias += (size_t)group * padded(all);
    return linear;
}

// Writes the weight of an input, with a narrow kernel as one of those in its slot.
static void put_weight(float *packed, const fenby_kernel *kernel, fenby_column column, int input, float weight)
{
    float *slot = packed + column.first + (size_t)(input / inputs_per_slot(kernel)) * column.step;
    if (kernel->narrow)
        ((uint16_t *)slot)[input % FENBY_NARROW] = fenby_bfloat16(weight);
    else
        *slot = weight;
}

// Lays out weight[channels][n_shifts * inputs][kt][kf] as [kt][n_shifts][kf][inputs] from the row's input `first` on:
// the order in which the runs meet them; inputs: of one group. Adds the bias.
static void pack(const fenby_kernel *kernel, const fenby_linear *all, int first, const fenby_layer *shape, int inputs,
                 const float *weight, const float *bias)
{
    for (int group = 0; group < shape->groups; group++) {
        const fenby_linear linear = group_of(all, group);
        float *packed = (float *)linear.weights, *packed_bias = (float *)linear.bias;
        for (int channel = 0; channel < linear.channels; channel++) {
            fenby_column column = fenby_kernel_column(kernel, linear.rows, linear.channels, channel);
            packed_bias[channel] += *bias++;
            for (int j = 0; j < shape->n_shifts; j++)
                for (int c = 0; c < inputs; c++)
                    for (int t = 0; t < shape->kt; t++)
                        for (int k = 0; k < shape->kf; k++) {
                            int input = first + ((t * shape->n_shifts + j) * shape->kf + k) * inputs + c;
                            put_weight(packed, kernel, column, input, *weight++);
                        }
        }
    }
}

static bool pack_gru(const fenby_kernel *kernel, const fenby_layer *layer, fenby_linear *linears)
{
    const int groups = layer->groups, channels = layer->channels, inputs = layer->inputs / groups;
    const int rows = layer->n_shifts * inputs, hidden_rows = channels / groups;
    const fenby_layer hidden = { .n_shifts = 1, .kt = 1, .kf = 1, .groups = groups };
    if (!new_linear(&linears[RESET], kernel, groups, rows + hidden_rows, channels) ||
        !new_linear(&linears[UPDATE], kernel, groups, rows + hidden_rows, channels) ||
        !new_linear(&linears[CANDIDATE], kernel, groups, rows, channels) ||
        !new_linear(&linears[HIDDEN], kernel, groups, hidden_rows, channels))
        return false;
    for (int gate = RESET; gate <= CANDIDATE; gate++) {
        fenby_linear *with_hidden = gate == CANDIDATE ? &linears[HIDDEN] : &linears[gate];
        size_t first = (size_t)gate * (size_t)channels;
        pack(kernel, &linears[gate], 0, layer, inputs, layer->weight + first * (size_t)rows, layer->bias + first);
        pack(kernel, with_hidden, gate == CANDIDATE ? 0 : rows, &hidden, hidden_rows,
             layer->hidden_weight + first * (size_t)hidden_rows, layer->hidden_bias + first);
    }
    return true;
}

static bool pack_layer(fenby_net *net, int i)
{
    const fenby_layer *layer = &net->weights->layers[i];
    fenby_linear *linears = net->linears[i];
    if (layer->kind == FENBY_STACK) return true;
    const fenby_kernel *kernel = net->kernels[i] = kernel_of(net, layer);
    if (layer->kind == FENBY_GRU) return pack_gru(kernel, layer, linears);
    const int inputs = layer->inputs / layer->groups;
    const int rows = layer->kt * layer->n_shifts * layer->kf * inputs;
    if (!new_linear(linears, kernel, layer->groups, rows, layer->channels)) return false;
    linears->relu = layer->relu;
    pack(kernel, linears, 0, layer, inputs, layer->weight, layer->bias);
    return true;
}

static bool new_state(fenby_net *net)
{
    const fenby_weights *w = net->weights;
    for (int i = 0; i <= w->n_layers; i++) {
        net->frames[i] = new_floats(ring_floats(net, i));
        if (!net->frames[i]) return false;
        if (!net->kernel->narrow) continue;
        net->narrow[i] = new_floats(ring_floats(net, i) / FENBY_NARROW);
        if (!net->narrow[i]) return false;
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
    size_t n_runs = 1, n_values = 0;
    for (int i = 0; i < net->weights->n_layers; i++) {
        const fenby_layer *layer = &net->weights->layers[i];
        size_t runs = (size_t)(layer->kt * layer->n_shifts * layer->kf) + 1;  // 1: a GRU's own last frame
        size_t values = layer->kind == FENBY_GRU ? (size_t)layer->width * (size_t)layer->channels : 0;
        if (n_runs < runs) n_runs = runs;
        if (n_values < values) n_values = values;
    }
    net->runs = calloc(n_runs, sizeof *net->runs);
    net->state = new_floats(n_values);
    for (int i = 0; i < N_SUMS; i++) {
        net->sums[i] = new_floats(n_values);
        if (!net->sums[i]) return false;
    }
    return net->runs && net->state;
}

static const fenby_kernel *find_kernel(fenby_simd simd)
{
    const fenby_kernel *(*const kernels[])(void) = {
        [FENBY_SIMD_SCALAR] = fenby_kernel_scalar, [FENBY_SIMD_AVX2] = fenby_kernel_avx2,
        [FENBY_SIMD_AVX512] = fenby_kernel_avx512, [FENBY_SIMD_AVX512_BF16] = fenby_kernel_avx512_bf16,
        [FENBY_SIMD_NEON] = fenby_kernel_neon,
    };
    // cppcheck-suppress uninitvar ; it does not read the places in the list
    if (simd != FENBY_SIMD_BEST) return kernels[simd]();
    const fenby_simd best_first[] = {
        FENBY_SIMD_AVX512_BF16, FENBY_SIMD_AVX512, FENBY_SIMD_AVX2, FENBY_SIMD_NEON,
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
        }
    for (int i = 0; i <= FENBY_MAX_LAYERS; i++) {
        free(net->frames[i]);
        free(net->narrow[i]);
    }
    for (int i = 0; i < FENBY_MAX_OUTPUTS; i++) free(net->outputs[i]);
    for (int i = 0; i < N_SUMS; i++) free(net->sums[i]);
    free(net->state);
    free(net->runs);
    free(net);
}

void fenby_net_reset(fenby_net *net)
{
    const fenby_weights *w = net->weights;
    for (int i = 0; i <= w->n_layers; i++) {
        const size_t size = ring_floats(net, i) * sizeof(float);
        memset(net->frames[i], 0, size);
        if (net->narrow[i]) memset(net->narrow[i], 0, size / FENBY_NARROW);
    }
    for (int i = 0; i < w->n_outputs; i++) {
        fenby_output output = w->outputs[i].output;
        memset(net->outputs[i], 0, (size_t)output.width * (size_t)output.channels * sizeof(float));
    }
    net->calls = 0;
}

// Takes the input in. NaN and Inf, which would stay in a GRU's state, and denormals, which are slow, become 0.
static void clean_input(fenby_net *net, const float *input)
{
    float *frame = frame_at(net, 0, 0);
    int n = net->weights->input_width * net->weights->input_channels;
    for (int i = 0; i < n; i++) {
        float size = fabsf(input[i]);
        frame[i] = size >= FLT_MIN && size <= FLT_MAX ? input[i] : 0.0f;
    }
    narrow_frame(net, 0);
}

// The runs of a group's taps k0 .. k1 - 1 in frequency, for output positions from first on. Returns how many.
static int gather_runs(fenby_net *net, int i, int group, int first, int k0, int k1)
{
    const fenby_layer *layer = &net->weights->layers[i];
    const fenby_kernel *kernel = net->kernels[i];
    const int inputs = layer->inputs / layer->groups, per_slot = inputs_per_slot(kernel);
    int n = 0, side_by_side = layer->df == 1 && layer->groups == 1 ? k1 - k0 : 1;
    for (int t = 0; t < layer->kt; t++) {
        const float *frame = slots_at(net, kernel, layer->source, (layer->kt - 1 - t) * layer->dt);
        for (int j = 0; j < layer->n_shifts; j++)
            for (int k = k0; k < k1; k += side_by_side) {
                int position = first * layer->sf + k * layer->df - layer->pad + layer->shifts[j];
                net->runs[n++] = (fenby_run){
                    .input = frame + (position * layer->inputs + group * inputs) / per_slot,
                    .stride = layer->sf * layer->inputs / per_slot,
                    .length = side_by_side * inputs / per_slot,
                    .row = ((t * layer->n_shifts + j) * layer->kf + k) * inputs / per_slot,
                };
            }
    }
    return n;
}

// Which taps lie in view at an output position, and up to where the same holds: the positions at the edge of a
// stack's view, where some fall outside, go one by one.
static int taps_in_view(const fenby_layer *layer, int first, int *k0, int *k1)
{
    int at = first * layer->sf - layer->pad, last = (layer->kf - 1) * layer->df;
    for (*k0 = 0; *k0 < layer->kf && at + *k0 * layer->df < layer->view_first;) ++*k0;
    for (*k1 = layer->kf; *k1 > *k0 && at + (*k1 - 1) * layer->df >= layer->view_end;) --*k1;
    if (*k0 > 0 || *k1 < layer->kf) return first + 1;
    int end = (layer->view_end - 1 - last + layer->pad) / layer->sf + 1;
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
            int k0, k1;
            end = taps_in_view(layer, first, &k0, &k1);
            linear.n_runs = gather_runs(net, i, group, first, k0, k1);
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
    const float *old = frame_at(net, i + 1, 1), *old_slots = slots_at(net, net->kernels[i], i + 1, 1);
    const int per_slot = inputs_per_slot(net->kernels[i]);
    for (int group = 0; group < layer->groups; group++) {
        const int n_runs = gather_runs(net, i, group, 0, 0, 1), length = layer->channels / layer->groups / per_slot;
        fenby_run *hidden = &net->runs[n_runs];
        *hidden = (fenby_run){ old_slots + group * length, layer->channels / per_slot, length,
                               layer->n_shifts * layer->inputs / layer->groups / per_slot };
        sum(net, i, group, RESET, net->runs, n_runs + 1);
        sum(net, i, group, UPDATE, net->runs, n_runs + 1);
        sum(net, i, group, CANDIDATE, net->runs, n_runs);
        hidden->row = 0;
        sum(net, i, group, HIDDEN, hidden, 1);
    }
    memcpy(net->state, old, n * sizeof *old);
    net->kernel->gates(net->sums[RESET], net->sums[UPDATE], net->sums[CANDIDATE], net->sums[HIDDEN],
                       net->state, n);
    memcpy(frame_at(net, i + 1, 0), net->state, n * sizeof *old);
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
            memcpy(net->outputs[i] + p * n, head + p * channels + from->first, (size_t)n * sizeof *head);
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

int fenby_net_lanes(void)
{
    return find_kernel(FENBY_SIMD_BEST)->lanes;
}

const char *fenby_net_simd_name(const fenby_net *net)
{
    return net->kernel->name;
}
