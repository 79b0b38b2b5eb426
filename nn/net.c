// SPDX-License-Identifier: ISC
// Runs a layer list. Every layer comes down to the kernel's one operation: an output position is a weighted sum
// over runs of inputs that lie side by side in some past frame of the source. A convolution has a run for each
// of its frames (and each tap in frequency, if those are dilated), a stack adds one for each shift, so that
// nothing is copied; a GRU's gates are sums over the input and its own last frame. Networks side by side run one after the
// other on the same input.
#include "net.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "layers.h"
#include "pack.h"

// One of the networks that stand side by side.
typedef struct {
    fenby_linear linears[FENBY_MAX_LAYERS][FENBY_N_SUMS];  // packed once

    // State: rings of frames, and the same as bytes, with the step of each frame, where a narrow kernel reads them. The first
    // part has the input for all.
    float *frames[FENBY_MAX_LAYERS + 1], *steps[FENBY_MAX_LAYERS + 1];
    uint8_t *narrow[FENBY_MAX_LAYERS + 1];
} net_part;

struct fenby_net {
    const fenby_weights *weights;
    const fenby_kernel *kernel, *kernels[FENBY_MAX_LAYERS];  // the best there is; what each layer can use
    int streams;
    uint64_t calls;

    // Of each part: its layers, and what is kept of their outputs and, first, of the input: channels, and places in the rings
    // of floats and (true) of bytes.
    fenby_layer layers[FENBY_MAX_LAYERS];
    size_t channels[FENBY_MAX_LAYERS + 1], places[2][FENBY_MAX_LAYERS + 1];
    net_part *parts;

    // Used within one call.
    fenby_run *runs;
    char *edge;  // what the runs of an edge position read
    float *sums[FENBY_N_SUMS], *heads;
    float *outputs[FENBY_MAX_OUTPUTS];
};

static bool is_state(const fenby_weights *w, int index)
{
    return index > 0 && w->layers[index - 1].kind == FENBY_GRU;
}

// Whether a layer that reads these frames has a kernel of this kind.
static bool is_read(const fenby_net *net, int index, bool narrow)
{
    if (is_state(net->weights, index) && (net->kernels[index - 1]->narrow != NULL) == narrow) return true;
    for (int i = index; i < net->weights->n_layers && i <= index + 1; i++)  // through a stack or not
        if (net->kernels[i] && (net->kernels[i]->narrow != NULL) == narrow && net->layers[i].source == index) return true;
    return false;
}

// Rings of frames, those of all streams in turn. Each is as long as its layer's readers look back: floats that only this call
// reads have one place, which stays in the cache.
static size_t places_needed(const fenby_net *net, int index, bool narrow)
{
    const int n_frames = net->weights->frames[index].n_frames;
    const bool past = n_frames > 1 && (narrow || is_state(net->weights, index) || is_read(net, index, false));
    return past ? (size_t)(net->streams * n_frames) : 1;
}

static size_t frame_positions(const fenby_net *net, int index)
{
    const fenby_frames *f = &net->weights->frames[index];
    return (size_t)f->zeros_before + (size_t)f->width + (size_t)f->zeros_after;
}

static size_t ring_size(const fenby_net *net, int index, bool narrow)
{
    return net->places[narrow][index] * frame_positions(net, index) * net->channels[index];
}

// Where in its ring the frame lies that was written age hops of its stream ago.
static size_t place_at(const fenby_net *net, size_t n, int age)
{
    const size_t now = (size_t)(net->calls % n), back = (size_t)age * (size_t)net->streams;
    return now >= back ? now - back : now + n - back;
}

// Its position 0, from the start of the ring.
static size_t offset_at(const fenby_net *net, int index, bool narrow, int age)
{
    const size_t place = place_at(net, net->places[narrow][index], age);
    return (place * frame_positions(net, index) + (size_t)net->weights->frames[index].zeros_before) * net->channels[index];
}

static const net_part *holder(const fenby_net *net, const net_part *part, int index)
{
    return index == 0 ? net->parts : part;
}

static float *frame_at(const fenby_net *net, const net_part *part, int index, int age)
{
    return holder(net, part, index)->frames[index] + offset_at(net, index, false, age);
}

static uint8_t *narrow_at(const fenby_net *net, const net_part *part, int index, int age)
{
    return holder(net, part, index)->narrow[index] + offset_at(net, index, true, age);
}

static float *step_at(const fenby_net *net, const net_part *part, int index, int age)
{
    return holder(net, part, index)->steps[index] + place_at(net, net->places[true][index], age);
}

// The same as the kernel reads it.
static const void *inputs_at(const fenby_net *net, const fenby_kernel *kernel, const net_part *part, int index, int age)
{
    return kernel->narrow ? (const void *)narrow_at(net, part, index, age) : frame_at(net, part, index, age);
}

// --- narrow frames -----------------------------------------------------------------------------------------------

static bool is_never_negative(const fenby_weights *w, int index)
{
    return index == 0 || (w->layers[index - 1].kind == FENBY_CONV && w->layers[index - 1].relu);
}

// The best kernel for a layer. A narrow one wants inputs that are never negative or a GRU's state, all of which takes part
// in every sum, states that fill whole slots, and sums within 31 bits.
static const fenby_kernel *kernel_of(const fenby_net *net, int i)
{
    if (!net->kernel->narrow) return net->kernel;
    const fenby_weights *w = net->weights;
    const fenby_layer *layer = &net->layers[i];
    const bool whole_state = is_state(w, layer->source) && layer->source == i;
    const int state = layer->kind == FENBY_GRU ? layer->channels : 0;
    const int64_t inputs = (int64_t)fenby_rows_of(layer, net->kernel) * FENBY_SLOT + state;
    const bool fits = (whole_state || is_never_negative(w, layer->source)) && state % FENBY_SLOT == 0 &&
                      inputs <= INT32_MAX / (net->kernel->input_steps * FENBY_WEIGHT_STEPS);
    return fits ? net->kernel : net->kernel->wide();
}

// After a frame was written, and where narrow kernels read it.
static void narrow_frame(const fenby_net *net, const net_part *part, int index)
{
    if (!holder(net, part, index)->narrow[index]) return;
    const size_t n = (size_t)net->weights->frames[index].width * net->channels[index];
    const float *frame = frame_at(net, part, index, 0);
    uint8_t *to = narrow_at(net, part, index, 0);
    const fenby_kernel *kernel = net->kernel;
    if (is_state(net->weights, index)) {
        kernel->narrow(frame, n, fenby_state_steps, kernel->state_zero, to);
    } else {
        const float largest = fminf(kernel->largest(frame, n), FLT_MAX), steps = (float)kernel->input_steps;
        const bool has_steps = largest > FLT_MIN * steps;
        *step_at(net, part, index, 0) = has_steps ? largest / steps : 0;
        kernel->narrow(frame, n, has_steps ? steps / largest : 0, 0, to);
    }
}

// The past as silence has it.
static void clear(const fenby_net *net, const net_part *part, int index)
{
    if (part->frames[index]) memset(part->frames[index], 0, ring_size(net, index, false) * sizeof(float));
    if (!part->narrow[index]) return;
    const bool state = is_state(net->weights, index);
    memset(part->narrow[index], state ? net->kernel->state_zero : 0, ring_size(net, index, true));
    for (size_t i = 0; i < net->places[true][index]; i++) part->steps[index][i] = state ? 1 / fenby_state_steps : 0;
}

// --- a network ---------------------------------------------------------------------------------------------------

// What all parts have in common.
static void lay_out(fenby_net *net)
{
    const fenby_weights *w = net->weights;
    for (int i = 0; i < w->n_layers; i++) {
        if (w->layers[i].kind == FENBY_STACK) continue;
        net->layers[i] = fenby_layer_of_part(w, i, 0).layer;
        net->kernels[i] = kernel_of(net, i);
        net->channels[i + 1] = (size_t)net->layers[i].channels;
    }
    net->channels[0] = (size_t)w->input_channels;
    for (int i = 0; i <= w->n_layers; i++)
        for (int narrow = 0; narrow <= 1; narrow++) net->places[narrow][i] = places_needed(net, i, narrow);
}

static bool new_part(fenby_net *net, int number)
{
    net_part *part = &net->parts[number];
    const fenby_weights *w = net->weights;
    for (int i = number > 0; i <= w->n_layers; i++) {
        part->frames[i] = fenby_new_floats(ring_size(net, i, false));
        if (!part->frames[i]) return false;
        if (!is_read(net, i, true)) continue;
        part->narrow[i] = (uint8_t *)fenby_new_floats(ring_size(net, i, true) / sizeof(float) + 1);
        part->steps[i] = fenby_new_floats(net->places[true][i]);
        if (!part->narrow[i] || !part->steps[i]) return false;
        clear(net, part, i);
    }
    bool ok = true;
    for (int i = 0; ok && i < w->n_layers; i++) {
        if (!net->kernels[i]) continue;
        const fenby_part_layer layer = fenby_layer_of_part(w, i, number);
        ok = fenby_pack(part->linears[i], net->kernels[i], &layer, is_state(w, i));
    }
    return ok;
}

static bool new_outputs(fenby_net *net)
{
    const fenby_frames *head = &net->weights->frames[net->weights->n_layers];
    net->heads = fenby_new_floats((size_t)head->width * (size_t)head->channels);
    if (!net->heads) return false;
    for (int i = 0; i < net->weights->n_outputs; i++) {
        fenby_output output = net->weights->outputs[i].output;
        net->outputs[i] = fenby_new_floats((size_t)output.width * (size_t)output.channels);
        if (!net->outputs[i]) return false;
    }
    return true;
}

static bool new_scratch(fenby_net *net)
{
    size_t n_runs = 1, n_edge = FENBY_SLOT, n_values = 0;
    for (int i = 0; i < net->weights->n_layers; i++) {
        const fenby_layer *layer = &net->layers[i];
        if (!net->kernels[i]) continue;
        size_t runs = (size_t)fenby_runs_of(layer) + 1;  // 1: a GRU's own last frame
        size_t edge = (size_t)fenby_rows_of(layer, net->kernels[i]) * FENBY_SLOT;
        size_t values = layer->kind == FENBY_GRU ? (size_t)layer->width * (size_t)layer->channels : 0;
        if (n_runs < runs) n_runs = runs;
        if (n_edge < edge) n_edge = edge;
        if (n_values < values) n_values = values;
    }
    net->runs = calloc(n_runs, sizeof *net->runs);
    net->edge = calloc(1, n_edge);
    for (int i = 0; i < FENBY_N_SUMS; i++) {
        net->sums[i] = fenby_new_floats(n_values);
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
    lay_out(net);
    net->parts = calloc((size_t)weights->parts, sizeof *net->parts);
    bool ok = net->parts && new_outputs(net) && new_scratch(net);
    for (int i = 0; ok && i < weights->parts; i++) ok = new_part(net, i);
    if (ok) return net;
    fenby_net_free(net);
    return NULL;
}

void fenby_net_free(fenby_net *net)
{
    if (!net) return;
    for (int p = 0; net->parts && p < net->weights->parts; p++) {
        net_part *part = &net->parts[p];
        for (int i = 0; i < FENBY_MAX_LAYERS; i++) fenby_pack_free(part->linears[i]);
        for (int i = 0; i <= FENBY_MAX_LAYERS; i++) {
            free(part->frames[i]);
            free(part->narrow[i]);
            free(part->steps[i]);
        }
    }
    free(net->parts);
    for (int i = 0; i < FENBY_MAX_OUTPUTS; i++) free(net->outputs[i]);
    for (int i = 0; i < FENBY_N_SUMS; i++) free(net->sums[i]);
    free(net->heads);
    free(net->runs);
    free(net->edge);
    free(net);
}

void fenby_net_reset(fenby_net *net)
{
    const fenby_weights *w = net->weights;
    for (int p = 0; p < w->parts; p++)
        for (int i = 0; i <= w->n_layers; i++) clear(net, &net->parts[p], i);
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
    float *frame = frame_at(net, net->parts, 0, 0);
    int n = net->weights->input_width * net->weights->input_channels;
    for (int i = 0; i < n; i++) {
        frame[i] = input[i] >= FLT_MIN && input[i] <= FLT_MAX ? input[i] : 0.0f;
    }
    narrow_frame(net, net->parts, 0);
}

// The taps of a run at the edge of the view, those outside it zeros. They lie side by side, or are one. frame: position 0.
static void copy_edge(const fenby_layer *layer, const char *frame, int tap_bytes, int first, int k, int shift, char *to)
{
    const int taps = fenby_taps_of_run(layer), at = first * layer->sf + k * layer->df - layer->pad;
    const int from = at > layer->view_first ? at : layer->view_first;
    const int end = at + taps < layer->view_end ? at + taps : layer->view_end;
    memset(to, 0, (size_t)taps * (size_t)tap_bytes);
    if (from < end) memcpy(to + (from - at) * tap_bytes, frame + (from + shift) * tap_bytes, (size_t)(end - from) * (size_t)tap_bytes);
}

// The runs for output positions from first on, or for that one alone if it is at the edge. Returns how many.
static int gather_runs(fenby_net *net, const net_part *part, int i, int first, bool at_edge)
{
    const fenby_layer *layer = &net->layers[i];
    const fenby_kernel *kernel = net->kernels[i];
    const int tap_bytes = layer->inputs * fenby_bytes_per_input(kernel);
    const int taps = fenby_taps_of_run(layer), slots = fenby_slots_of_run(layer, kernel);
    int n = 0;
    for (int t = 0; t < layer->kt; t++) {
        const int age = (layer->kt - 1 - t) * layer->dt;
        const char *frame = inputs_at(net, kernel, part, layer->source, age);
        const float step = kernel->narrow ? *step_at(net, part, layer->source, age) : 1;
        for (int j = 0; j < layer->n_shifts; j++)
            for (int k = 0; k < layer->kf; k += taps, n++) {
                char *copy = net->edge + n * slots * FENBY_SLOT;
                const int position = first * layer->sf + k * layer->df - layer->pad + layer->shifts[j];
                if (at_edge) copy_edge(layer, frame, tap_bytes, first, k, layer->shifts[j], copy);
                net->runs[n] = (fenby_run){
                    .input = at_edge ? copy : frame + position * tap_bytes,
                    .stride = layer->sf * tap_bytes,
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
static void convolve(fenby_net *net, const net_part *part, int i)
{
    const fenby_layer *layer = &net->layers[i];
    fenby_linear linear = part->linears[i][0];
    linear.runs = net->runs;
    linear.output = frame_at(net, part, i + 1, 0);
    linear.residual = layer->skip ? frame_at(net, part, i + 1 - layer->skip, 0) : NULL;
    for (int first = 0, end; first < layer->width; first = end) {
        bool at_edge;
        end = same_view(layer, first, &at_edge);
        linear.n_runs = gather_runs(net, part, i, first, at_edge);
        net->kernels[i]->linear(&linear, first, end);
    }
    narrow_frame(net, part, i + 1);
}

static void sum(fenby_net *net, const net_part *part, int i, int which, const fenby_run *runs, int n_runs)
{
    fenby_linear linear = part->linears[i][which];
    linear.runs = runs;
    linear.n_runs = n_runs;
    linear.output = net->sums[which];
    net->kernels[i]->linear(&linear, 0, net->layers[i].width);
}

// PyTorch's equations: r, z = sigmoid(W x + b + U h + c), n = tanh(W x + b + r (U h + c)), h = (1 - z) n + z h.
static void recur(fenby_net *net, const net_part *part, int i)
{
    const fenby_layer *layer = &net->layers[i], of_state = fenby_hidden_of(layer);
    const fenby_kernel *kernel = net->kernels[i];
    const int n_runs = gather_runs(net, part, i, 0, false);
    fenby_run *hidden = &net->runs[n_runs];
    *hidden = (fenby_run){
        .input = inputs_at(net, kernel, part, i + 1, 1),
        .stride = layer->channels * fenby_bytes_per_input(kernel),
        .length = fenby_rows_of(&of_state, kernel),
        .row = fenby_rows_of(layer, kernel),
        .step = 1 / fenby_state_steps,
    };
    sum(net, part, i, FENBY_RESET, net->runs, n_runs + 1);
    sum(net, part, i, FENBY_UPDATE, net->runs, n_runs + 1);
    sum(net, part, i, FENBY_CANDIDATE, net->runs, n_runs);
    hidden->row = 0;
    sum(net, part, i, FENBY_HIDDEN, hidden, 1);
    net->kernel->gates(net->sums[FENBY_RESET], net->sums[FENBY_UPDATE], net->sums[FENBY_CANDIDATE], net->sums[FENBY_HIDDEN],
                       frame_at(net, part, i + 1, 1), frame_at(net, part, i + 1, 0), (size_t)layer->width * (size_t)layer->channels);
    narrow_frame(net, part, i + 1);
}

// Adds up the parts' heads, cuts them into the named outputs and applies their activations.
static void write_outputs(fenby_net *net)
{
    const fenby_weights *w = net->weights;
    const int width = w->frames[w->n_layers].width, channels = w->frames[w->n_layers].channels, n = width * channels;
    float *heads = net->heads;
    for (int part = 0; part < w->parts; part++) {
        const float *head = frame_at(net, &net->parts[part], w->n_layers, 0);
        for (int i = 0; i < n; i++) heads[i] = part ? heads[i] + head[i] : head[i];
    }
    for (int i = 0; i < w->n_outputs; i++) {
        const fenby_head_output *from = &w->outputs[i];
        const int count = from->output.channels;
        for (int c = 0; c < count; c++)
            for (int p = 0; p < width; p++) net->outputs[i][p * count + c] = heads[p * channels + from->first + c];
        if (from->sigmoid) net->kernel->sigmoid(net->outputs[i], (size_t)width * (size_t)count);
    }
}

static void run(fenby_net *net, const net_part *part)
{
    for (int i = 0; i < net->weights->n_layers; i++) {
        switch (net->weights->layers[i].kind) {
        case FENBY_STACK: break;  // the next layer reads through it
        case FENBY_CONV:
        case FENBY_HEAD: convolve(net, part, i); break;
        case FENBY_GRU: recur(net, part, i); break;
        }
    }
}

void fenby_net_process_parts(fenby_net *net, const float *input, int parts)
{
    clean_input(net, input);
    for (int part = 0; part < parts && part < net->weights->parts; part++) run(net, &net->parts[part]);
    write_outputs(net);
    net->calls++;
}

void fenby_net_process(fenby_net *net, const float *input)
{
    fenby_net_process_parts(net, input, net->weights->parts);
}

const float *fenby_net_output(const fenby_net *net, size_t output)
{
    return net->outputs[output];
}

bool fenby_net_is_quick(void)
{
    return fenby_kernel_avx512_vnni() != NULL || fenby_kernel_avx2_vnni() != NULL;
}

const char *fenby_net_simd_name(const fenby_net *net)
{
    return net->kernel->name;
}
