// SPDX-License-Identifier: ISC
// The network runtime: against PyTorch (golden files by nn/train/golden.py), against a plain computation of
// random networks, each kernel against the others; reset, NaN, overflow, decaying states, failing allocations.
#include "tests/failing_malloc.h"

#include "nn/net.c"
#include "nn/pack.c"

#include "tests/make_fnw.h"
#include "tests/test.h"

static const uint64_t golden_features = 0x676f6c64656e;
enum { N_SIMDS = 7 };
static const fenby_simd all_simds[N_SIMDS] = {
    FENBY_SIMD_SCALAR, FENBY_SIMD_AVX2, FENBY_SIMD_AVX512, FENBY_SIMD_NEON,
    FENBY_SIMD_AVX512_VNNI, FENBY_SIMD_AVX2_VNNI, FENBY_SIMD_NEON_DOT,
};

static bool is_narrow(fenby_simd simd)
{
    return simd == FENBY_SIMD_AVX512_VNNI || simd == FENBY_SIMD_AVX2_VNNI || simd == FENBY_SIMD_NEON_DOT;
}

// Of what narrow kernels read: ARM's dot products are of signed bytes.
#ifdef __aarch64__
static const int input_steps = 127;
#else
static const int input_steps = 255;
#endif

static fnw file;

static fenby_weights *load_golden(const char *name)
{
    char path[256], error[256] = "";
    snprintf(path, sizeof path, "tests/golden/%s.fnw", name);
    fenby_weights *weights = fenby_weights_load(path, golden_features, error, sizeof error);
    REQUIRE(weights, "%s", error);
    return weights;
}

static fenby_weights *parse_file(void)
{
    char error[256] = "";
    fenby_weights *w = fenby_weights_parse(file.bytes, file.size, "test", fnw_features, error, sizeof error);
    REQUIRE(w, "%s", error);
    return w;
}

static size_t input_size(const fenby_weights *w)
{
    return (size_t)fenby_weights_input_width(w) * (size_t)fenby_weights_input_channels(w);
}

static size_t output_size(const fenby_weights *w, size_t i)
{
    fenby_output output = fenby_weights_output(w, i);
    return (size_t)output.width * (size_t)output.channels;
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

// --- golden files --------------------------------------------------------------------------------------------

// The largest difference of output i from PyTorch's, over all frames.
static double golden_difference(const fenby_weights *w, fenby_simd simd, size_t i)
{
    char name[80];
    size_t n_input, n_expected, size = output_size(w, i);
    snprintf(name, sizeof name, "golden.%s", fenby_weights_output(w, i).name);
    const float *input = fenby_weights_array(w, "golden.input", &n_input);
    const float *expected = fenby_weights_array(w, name, &n_expected);
    size_t n_frames = n_input / input_size(w);
    REQUIRE(n_frames > 0 && n_expected == n_frames * size, "%s: %zu values", name, n_expected);
    fenby_net *net = fenby_net_new(w, 1, simd);
    double worst = 0;
    for (size_t t = 0; t < n_frames; t++) {
        fenby_net_process(net, input + t * input_size(w));
        for (size_t k = 0; k < size; k++) {
            double logit = expected[t * size + k];
            double truth = w->outputs[i].sigmoid ? logistic(logit) : logit;
            worst = fmax(worst, fabs(fenby_net_output(net, i)[k] - truth));
        }
    }
    fenby_net_free(net);
    return worst;
}

static void test_golden(const char *name)
{
    fenby_weights *w = load_golden(name);
    for (int s = 0; s < N_SIMDS; s++) {
        fenby_net *net = fenby_net_new(w, 1, all_simds[s]);
        if (!net) continue;  // not on this machine
        for (size_t i = 0; i < fenby_weights_n_outputs(w); i++) {
            double difference = golden_difference(w, all_simds[s], i);
            CHECK(difference < (is_narrow(all_simds[s]) ? 0.03 : 1e-5), "%s, %s, %s: off by %g", name, fenby_net_simd_name(net),
                  fenby_weights_output(w, i).name, difference);
        }
        fenby_net_free(net);
    }
    fenby_weights_free(w);
}

// --- random networks -----------------------------------------------------------------------------------------

enum { FRAMES = 9, MAX_TEST_LAYERS = 6, MAX_SIDE = 33, MAX_CHANNELS = 65, MAX_WEIGHTS = 1 << 18 };

typedef struct {
    int kind, width, channels, n_shifts, shifts[3], kt, kf, dt, df, sf, pad, skip, relu, groups;
    bool narrow;  // what it multiplies is in steps
    float *weight, *bias, *hidden_weight, *hidden_bias;
} spec;

// A layer list and, computed by the definition, every layer's output: values[0] is the input.
static struct {
    int n_layers, width, channels, parts;
    spec layers[MAX_TEST_LAYERS];
    double values[MAX_TEST_LAYERS + 1][FRAMES][MAX_SIDE][3 * MAX_CHANNELS];
    float weights[MAX_WEIGHTS];
    size_t n_weights;
} model;

static unsigned long long seed = 1;

static int random_int(int low, int high)
{
    return low + (int)(test_random_bits(&seed) % (unsigned)(high - low + 1));
}

static float *random_weights(size_t n, double size)
{
    float *weights = model.weights + model.n_weights;
    model.n_weights += n;
    REQUIRE(model.n_weights <= MAX_WEIGHTS, "%zu weights", model.n_weights);
    for (size_t i = 0; i < n; i++) weights[i] = (float)(size * (2 * test_random(&seed) - 1));
    return weights;
}

static int random_channels(void)
{
    static const int channels[] = { 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 64, 65 };
    return channels[random_int(0, sizeof channels / sizeof *channels - 1)];
}

static int channels_in_parts(int channels)
{
    return channels < model.parts ? model.parts : channels - channels % model.parts;
}

static void random_conv(spec *layer, int i, int width)
{
    layer->channels = channels_in_parts(random_channels());
    bool keeps_width = random_int(0, 1);  // so that there is something to skip to
    layer->kt = random_int(1, 3), layer->kf = keeps_width ? 2 * random_int(0, 2) + 1 : random_int(1, 5);
    layer->dt = random_int(1, 3), layer->df = random_int(1, 3), layer->sf = keeps_width ? 1 : random_int(1, 3);
    layer->pad = layer->kf / 2 * layer->df - layer->sf / 2;
    if (layer->pad < 0) layer->pad = 0, layer->sf = 1;
    int room = width + 2 * layer->pad - layer->df * (layer->kf - 1) - 1;
    if (room < 0 || room / layer->sf >= MAX_SIDE) layer->kf = layer->sf = 1, layer->pad = 0, room = width - 1;
    layer->width = room / layer->sf + 1;
    layer->relu = random_int(0, 1);
    layer->skip = random_int(0, i < 3 ? i : 3);
    const spec *from = &model.layers[i - layer->skip];
    if (from->kind == FENBY_STACK || from->width != layer->width) layer->skip = 0;
    if (layer->skip) layer->channels = from->channels;
}

// Networks side by side share their input alone, which a convolution must read.
static int random_kind(int i, bool after_stack)
{
    if (i == model.n_layers - 1) return FENBY_HEAD;
    if (model.parts == 1) return random_int(after_stack ? FENBY_CONV : FENBY_STACK, FENBY_GRU);
    if (i == 0) return random_int(FENBY_STACK, FENBY_CONV);
    return after_stack ? FENBY_CONV : random_int(FENBY_CONV, FENBY_GRU);
}

static void random_layer(int i, int width, int inputs)
{
    spec *layer = &model.layers[i];
    bool after_stack = i > 0 && model.layers[i - 1].kind == FENBY_STACK;
    *layer = (spec){ .kt = 1, .kf = 1, .dt = 1, .df = 1, .sf = 1, .width = width, .groups = 1 };
    layer->kind = random_kind(i, after_stack);
    if (layer->kind == FENBY_STACK) {
        layer->channels = inputs * (layer->n_shifts = random_int(1, 3));
        layer->width = random_int(1, MAX_SIDE);
        for (int j = 0; j < layer->n_shifts; j++) layer->shifts[j] = random_int(-12, 12);
        return;
    }
    layer->channels = layer->kind == FENBY_GRU ? channels_in_parts(random_int(1, 20)) : random_channels();
    if (layer->kind == FENBY_CONV) random_conv(layer, i, width);
    if (i > 0 && layer->kind != FENBY_HEAD && !after_stack) layer->groups = model.parts;
    size_t channels = (size_t)layer->channels, groups = (size_t)layer->groups;
    size_t gates = layer->kind == FENBY_GRU ? 3 : 1, rows = (size_t)(inputs * layer->kt * layer->kf) / groups;
    layer->weight = random_weights(gates * channels * rows, sqrt(4.0 / (double)rows));
    layer->bias = random_weights(gates * channels, 0.5);
    if (layer->kind != FENBY_GRU) return;
    layer->hidden_weight = random_weights(gates * channels * channels / groups, sqrt(4.0 / (double)channels));
    layer->hidden_bias = random_weights(gates * channels, 0.5);
}

static void random_model(void)
{
    model.n_layers = random_int(1, MAX_TEST_LAYERS);
    model.parts = model.n_layers < 4 ? 1 : random_int(1, 4);
    model.n_weights = 0;
    int width = model.width = random_int(1, MAX_SIDE), inputs = model.channels = random_int(1, 4);
    for (int i = 0; i < model.n_layers; i++) {
        random_layer(i, width, inputs);
        width = model.layers[i].width;
        inputs = model.layers[i].channels;
    }
}

static void write_model(void)
{
    fnw_begin(&file, model.width, model.channels, model.n_layers);
    for (int i = 0; i < model.n_layers; i++) {
        const spec *l = &model.layers[i];
        fnw_int(&file, l->kind);
        if (l->kind == FENBY_STACK) fnw_ints(&file, (int32_t[]){ l->width, l->n_shifts }, 2);
        if (l->kind == FENBY_STACK) fnw_ints(&file, l->shifts, (size_t)l->n_shifts);
        if (l->kind == FENBY_GRU) fnw_ints(&file, (int32_t[]){ l->channels, l->groups }, 2);
        if (l->kind == FENBY_CONV)
            fnw_ints(&file,
                     (int32_t[]){ l->channels, l->kt, l->kf, l->dt, l->df, l->sf, l->skip, l->relu, l->groups }, 9);
    }
    fnw_int(&file, 1);
    fnw_text(&file, "all");
    fnw_ints(&file, (int32_t[]){ model.layers[model.n_layers - 1].channels, 0 }, 2);

    size_t arrays_at = file.size, n_arrays = 0;
    fnw_int(&file, 0);
    for (int i = 0, inputs = model.channels; i < model.n_layers; inputs = model.layers[i++].channels) {
        const spec *l = &model.layers[i];
        if (l->kind == FENBY_STACK) continue;
        size_t channels = (size_t)(l->kind == FENBY_GRU ? 3 * l->channels : l->channels);
        const struct {
            const char *suffix;
            const float *values;
            size_t count;
        } arrays[] = {
            { "weight", l->weight, channels * (size_t)(inputs * l->kt * l->kf / l->groups) },
            { "bias", l->bias, channels },
            { "weight_hh", l->hidden_weight, channels * (size_t)(l->channels / l->groups) },
            { "bias_hh", l->hidden_bias, channels },
        };
        for (size_t a = 0; a < (l->kind == FENBY_GRU ? 4 : 2); a++, n_arrays++) {
            char name[32];
            snprintf(name, sizeof name, "%d.%s", i, arrays[a].suffix);
            fnw_array(&file, name, arrays[a].values, arrays[a].count);
        }
    }
    memcpy(file.bytes + arrays_at, &(int32_t){ (int32_t)n_arrays }, 4);
    fnw_end(&file);
}

// What layer i reads, zero outside; in_width and inputs are of what it reads.
static double read_value(int i, int t, int p, int c, int in_width)
{
    return t < 0 || p < 0 || p >= in_width ? 0 : model.values[i][t][p][c];
}

static double naive_stack(const spec *l, int i, int t, int p, int channel, int in_width, int inputs)
{
    int position = p + l->shifts[channel / inputs];
    return read_value(i, t, position, channel % inputs, in_width);
}

// Whose frames layer i reads, through a stack or not: those of the layer before this one; of the input: 0.
static int source_of(int i)
{
    return i > 0 && model.layers[i - 1].kind == FENBY_STACK ? i - 1 : i;
}

// What a narrow kernel reads: whole steps, so many to the largest value of the frame, of a GRU's state 127 to 1.
static double input_in_steps(int i, int t, int p, int c, int in_width)
{
    const double value = read_value(i, t, p, c, in_width);
    const int source = source_of(i);
    const spec *from = source ? &model.layers[source - 1] : NULL;
    if (value == 0 || (from && from->kind == FENBY_GRU)) return rint(value * 127) / 127;
    const int width = from ? from->width : model.width, channels = from ? from->channels / model.parts : model.channels;
    const int first = from ? c / channels * channels : 0;  // each part has steps of its own
    double most = 0;
    for (int q = 0; q < width; q++)
        for (int d = first; d < first + channels; d++) most = fmax(most, model.values[source][t][q][d]);
    return rint(value * input_steps / most) * most / input_steps;
}

enum { MAX_ROW = 3 * MAX_CHANNELS * 3 * 5 };

static float step_of_rows(const float *weights, int n, const float *more, int n_more)
{
    float most = 0;
    for (int i = 0; i < n; i++) most = fmaxf(most, fabsf(weights[i]));
    for (int i = 0; i < n_more; i++) most = fmaxf(most, fabsf(more[i]));
    return most / 127;
}

// And the weights of one sum, weight[shifts * inputs][kt][kf]: whole steps of a 127th of the largest, each making up for what
// the last one lost in rounding, in the order of frames, shifts, positions, inputs.
static void weights_of(const spec *l, const float *weight, int shifts, int inputs, float step, float *lost, double *to)
{
    for (int t = 0; t < l->kt; t++)
        for (int j = 0; j < shifts; j++)
            for (int k = 0; k < l->kf; k++)
                for (int c = 0; c < inputs; c++) {
                    const int at = ((j * inputs + c) * l->kt + t) * l->kf + k;
                    const float exact = weight[at] / step + *lost, whole = fminf(fmaxf(rintf(exact), -127), 127);
                    if (l->narrow) *lost = exact - whole;
                    to[at] = l->narrow ? (double)whole * step : weight[at];
                }
}

static double input_of(const spec *l, int i, int t, int p, int c, int in_width)
{
    return l->narrow ? input_in_steps(i, t, p, c, in_width) : read_value(i, t, p, c, in_width);
}

static double naive_conv(const spec *l, int i, int t, int p, int channel, int in_width, int inputs)
{
    const int sums = l->kind == FENBY_HEAD ? model.parts : 1, length = inputs / l->groups / sums;
    const int shifts = source_of(i) == i ? 1 : model.layers[i - 1].n_shifts, rows = length * l->kt * l->kf;
    double result = l->bias[channel], w[MAX_ROW];
    for (int s = 0; s < sums; s++) {
        const int first = channel / (l->channels / l->groups) * length + s * length;
        const float *weight = l->weight + (channel * sums + s) * rows;
        float lost = 0;
        weights_of(l, weight, shifts, length / shifts, step_of_rows(weight, rows, NULL, 0), &lost, w);
        for (int c = 0, n = 0; c < length; c++)
            for (int a = 0; a < l->kt; a++)
                for (int k = 0; k < l->kf; k++) {
                    int past = t - (l->kt - 1 - a) * l->dt, position = p * l->sf + k * l->df - l->pad;
                    result += w[n++] * input_of(l, i, past, position, first + c, in_width);
                }
    }
    if (l->skip) result += model.values[i + 1 - l->skip][t][p][channel];
    return l->relu && result < 0 ? 0 : result;
}

static double naive_gru(const spec *l, int i, int t, int p, int channel, int inputs)
{
    const int length = inputs / l->groups, hidden = l->channels / l->groups, group = channel / hidden;
    const int shifts = source_of(i) == i ? 1 : model.layers[i - 1].n_shifts;
    double x[3], h[3], old = t ? model.values[i + 1][t - 1][p][channel] : 0;
    for (int gate = 0; gate < 3; gate++) {
        const int row = gate * l->channels + channel;
        const float *weight = l->weight + row * length, *hidden_weight = l->hidden_weight + row * hidden;
        const bool apart = gate == 2;  // the candidate's two sums
        double w[MAX_ROW], u[MAX_CHANNELS];
        float lost = 0;
        const float step = step_of_rows(weight, length, hidden_weight, apart ? 0 : hidden);
        weights_of(l, weight, shifts, length / shifts, step, &lost, w);
        if (apart) lost = 0;
        weights_of(l, hidden_weight, 1, hidden, apart ? step_of_rows(hidden_weight, hidden, NULL, 0) : step, &lost, u);
        x[gate] = l->bias[row];
        h[gate] = l->hidden_bias[row];
        for (int c = 0; c < length; c++) x[gate] += w[c] * input_of(l, i, t, p, group * length + c, l->width);
        for (int c = 0; c < hidden && t; c++)
            h[gate] += u[c] * input_of(l, i + 1, t - 1, p, group * hidden + c, l->width);
    }
    double r = logistic(x[0] + h[0]), z = logistic(x[1] + h[1]), n = tanh(x[2] + r * h[2]);
    return (1 - z) * n + z * old;
}

// Whether a narrow kernel takes a layer: what it reads is never negative, or a GRU's state without a stack between them;
// and states come in fours.
static bool fits_narrow(int i)
{
    const spec *l = &model.layers[i];
    if (l->kind == FENBY_GRU && l->channels / l->groups % 4 != 0) return false;
    const int source = source_of(i);
    if (source == 0) return true;
    const spec *from = &model.layers[source - 1];
    return from->kind == FENBY_GRU ? source == i : from->relu;
}

static int n_narrow_layers;

static void compute_naively(bool narrow)
{
    int in_width = model.width, inputs = model.channels;
    for (int i = 0; i < model.n_layers; i++) {
        spec *l = &model.layers[i];
        l->narrow = narrow && l->kind != FENBY_STACK && fits_narrow(i);
        n_narrow_layers += l->narrow;
        for (int t = 0; t < FRAMES; t++)
            for (int p = 0; p < l->width; p++)
                for (int c = 0; c < l->channels; c++)
                    model.values[i + 1][t][p][c] =
                        l->kind == FENBY_STACK ? naive_stack(l, i, t, p, c, in_width, inputs)
                        : l->kind == FENBY_GRU ? naive_gru(l, i, t, p, c, inputs)
                                               : naive_conv(l, i, t, p, c, in_width, inputs);
        in_width = l->width;
        inputs = l->channels;
    }
}

static int n_narrow_exact;  // networks

// Runs the network and compares it with the naive result; keeps its output.
static void check_model(const fenby_weights *w, fenby_simd simd, float *result, int number)
{
    fenby_net *net = fenby_net_new(w, 1, simd);
    if (!net) return;
    float input[MAX_SIDE * 4];
    size_t size = output_size(w, 0), channels = (size_t)fenby_weights_output(w, 0).channels;
    double worst = 0;
    for (int t = 0; t < FRAMES; t++) {
        for (int k = 0; k < model.width * model.channels; k++)
            input[k] = (float)model.values[0][t][k / model.channels][k % model.channels];
        fenby_net_process(net, input);
        for (size_t k = 0; k < size; k++) {
            double expected = model.values[model.n_layers][t][k / channels][k % channels];
            double got = result[(size_t)t * size + k] = fenby_net_output(net, 0)[k];
            worst = fmax(worst, fabs(got - expected) / fmax(1, fabs(expected)));
        }
    }
    // Where sums differ in the last bit, a narrow kernel may round them to neighbours and go on from there.
    CHECK(worst < (is_narrow(simd) ? 0.02 : 1e-4), "network %d, %s: off by %g", number, fenby_net_simd_name(net), worst);
    fenby_net_free(net);
    if (is_narrow(simd)) n_narrow_exact += worst < 1e-4;
}

static void test_random_networks(void)
{
    enum { SIZE = FRAMES * MAX_SIDE * MAX_CHANNELS };
    static float results[N_SIMDS][SIZE];
    int n_gru = 0, n_stack = 0, n_skip = 0, n_groups = 0;
    for (int number = 0; number < 200; number++) {
        random_model();
        for (int i = 0; i < model.n_layers; i++) {
            n_gru += model.layers[i].kind == FENBY_GRU;
            n_stack += model.layers[i].kind == FENBY_STACK;
            n_skip += model.layers[i].skip > 0;
            n_groups += model.layers[i].groups > 1;
        }
        for (int t = 0; t < FRAMES; t++)
            for (int k = 0; k < model.width * model.channels; k++)
                model.values[0][t][k / model.channels][k % model.channels] = (float)test_random(&seed);
        write_model();
        fenby_weights *w = parse_file();
        memset(results, 0, sizeof results);
        for (int narrow = 0; narrow < 2; narrow++) {
            compute_naively(narrow);
            for (int s = 0; s < N_SIMDS; s++)
                if (is_narrow(all_simds[s]) == narrow) check_model(w, all_simds[s], results[s], number);
        }
        if (fenby_kernel_avx2() && fenby_kernel_avx512())
            CHECK(memcmp(results[1], results[2], sizeof results[1]) == 0, "network %d: avx2, avx512", number);
        if (fenby_kernel_avx512_vnni() && fenby_kernel_avx2_vnni())
            CHECK(memcmp(results[4], results[5], sizeof results[4]) == 0, "network %d: avx512_vnni, avx2_vnni", number);
        fenby_weights_free(w);
    }
    CHECK(n_gru > 40 && n_stack > 40 && n_skip > 20 && n_groups > 40,
          "%d GRUs, %d stacks, %d skips, %d in groups", n_gru, n_stack, n_skip, n_groups);
    CHECK(n_narrow_layers > 150, "%d narrow layers", n_narrow_layers);
    const int n_narrow_kernels = (fenby_kernel_avx512_vnni() != NULL) + (fenby_kernel_avx2_vnni() != NULL) +
                                 (fenby_kernel_neon_dot() != NULL);
    if (n_narrow_kernels)
        CHECK(n_narrow_exact > 150 * n_narrow_kernels, "%d networks of %d as computed with rounding", n_narrow_exact,
              200 * n_narrow_kernels);
}

// Bytes hold the nearest whole number of steps, within their range, and nothing is written beyond them.
static void test_narrow(const fenby_kernel *kernel)
{
    if (!kernel) return;
    enum { MOST = 300 };
    const float steps = 100;
    for (size_t n = 0; n <= MOST; n++) {
        float from[MOST], most = 0;
        uint8_t bytes[MOST + 64];
        for (size_t i = 0; i < MOST; i++) from[i] = (float)(4 * test_random(&seed) - (n % 3 ? 1 : 3));
        if (n) from[random_int(0, (int)n - 1)] = n % 5 ? 20 : INFINITY;  // beyond the range
        for (size_t i = 0; i < n; i++) most = fmaxf(most, from[i]);
        CHECK(kernel->largest(from, n) == most, "%zu values: %g, not %g", n, (double)kernel->largest(from, n), (double)most);
        memset(bytes, 0xab, sizeof bytes);
        const int zero = n % 2 ? kernel->state_zero : 0;
        kernel->narrow(from, n, steps, zero, bytes);
        size_t wrong = 0;
        for (size_t i = 0; i < MOST + 64; i++) {
            const double least = kernel->state_zero ? 0 : -128, most_byte = kernel->state_zero ? 255 : 127;
            const double whole = i < n ? fmin(fmax(rintf(from[i] * steps) + zero, least), most_byte) : 0xab;
            wrong += bytes[i] != (uint8_t)(int)whole;
        }
        CHECK(wrong == 0, "%zu of %zu wrong", wrong, n);
    }
    const float negative[] = { -1, -2 };
    CHECK(kernel->largest(negative, 2) == 0, "the largest of -1, -2 and 0: %g", (double)kernel->largest(negative, 2));
}

// --- behaviour -----------------------------------------------------------------------------------------------

static void random_input(const fenby_weights *w, float *input)
{
    for (size_t i = 0; i < input_size(w); i++) input[i] = (float)test_random(&seed);
}

static bool same_outputs(const fenby_weights *w, const fenby_net *a, const fenby_net *b)
{
    bool same = true;
    for (size_t i = 0; i < fenby_weights_n_outputs(w); i++) {
        size_t size = output_size(w, i) * sizeof(float);
        same = same && memcmp(fenby_net_output(a, i), fenby_net_output(b, i), size) == 0;
    }
    return same;
}

static void test_reset(const char *name)
{
    fenby_weights *w = load_golden(name);
    fenby_net *used = fenby_net_new(w, 1, FENBY_SIMD_BEST), *fresh = fenby_net_new(w, 1, FENBY_SIMD_BEST);
    REQUIRE(used && fresh, "%s", name);
    float input[4096];
    for (int t = 0; t < 23; t++) {
        random_input(w, input);
        fenby_net_process(used, input);
    }
    CHECK(!same_outputs(w, used, fresh), "%s: outputs of new and used networks", name);
    fenby_net_reset(used);
    CHECK(same_outputs(w, used, fresh), "%s: outputs after reset", name);
    for (int t = 0; t < 23; t++) {
        random_input(w, input);
        fenby_net_process(used, input);
        fenby_net_process(fresh, input);
        CHECK(same_outputs(w, used, fresh), "%s: frame %d after reset", name, t);
    }
    fenby_net_free(used);
    fenby_net_free(fresh);
    fenby_weights_free(w);
}

// Streams that take turns do not hear each other.
static void test_streams(const char *name, fenby_simd simd)
{
    enum { STREAMS = 3 };
    fenby_weights *w = load_golden(name);
    fenby_net *together = fenby_net_new(w, STREAMS, simd), *alone[STREAMS];
    for (int s = 0; s < STREAMS; s++) alone[s] = fenby_net_new(w, 1, simd);
    float input[4096];
    for (int call = 0; together && call < 23 * STREAMS; call++) {
        random_input(w, input);
        fenby_net_process(together, input);
        fenby_net_process(alone[call % STREAMS], input);
        CHECK(same_outputs(w, together, alone[call % STREAMS]), "%s: call %d", name, call);
    }
    for (int s = 0; s < STREAMS; s++) fenby_net_free(alone[s]);
    fenby_net_free(together);
    fenby_weights_free(w);
}

// Two streams, one of them heard by the first part alone: then the others' answers are those of the call before.
static void test_parts(const char *name, fenby_simd simd)
{
    fenby_weights *w = load_golden(name);
    fenby_net *net = fenby_net_new(w, 2, simd), *all = fenby_net_new(w, 1, simd), *first = fenby_net_new(w, 1, simd);
    fenby_net *first_between = fenby_net_new(w, 1, simd);
    const size_t size = output_size(w, 0);  // linear: the parts' answers added up
    float input[4096], others[256] = { 0 }, worst = 0, most = 0;
    REQUIRE(w->parts > 1 && size <= sizeof others / sizeof *others, "%s: %zu values", name, size);
    seed = 1;  // each arithmetic hears the same
    for (int call = 0; net && call < 40; call++) {
        random_input(w, input);
        const float *alone = fenby_net_output(call % 2 ? first : first_between, 0);
        fenby_net_process_parts(net, input, call % 2 ? FENBY_ALL_PARTS : 1);
        fenby_net_process_parts(call % 2 ? first : first_between, input, 1);
        if (call % 2) fenby_net_process(all, input);
        for (size_t k = 0; k < size && call % 2; k++) others[k] = fenby_net_output(all, 0)[k] - alone[k];
        for (size_t k = 0; k < size; k++) {
            worst = fmaxf(worst, fabsf(fenby_net_output(net, 0)[k] - (alone[k] + others[k])));
            most = fmaxf(most, fabsf(others[k]));
        }
    }
    if (net) CHECK(worst < 1e-5 && most > 0.1, "%s, %s: off by %g, of %g", name, fenby_net_simd_name(net), (double)worst,
                   (double)most);
    fenby_net_free(net);
    fenby_net_free(all);
    fenby_net_free(first);
    fenby_net_free(first_between);
    fenby_weights_free(w);
}

// NaN, Inf and negative numbers in the input count as 0, whatever stands beside them.
static void test_not_a_number(const char *name, fenby_simd simd)
{
    fenby_weights *w = load_golden(name);
    fenby_net *hurt = fenby_net_new(w, 1, simd), *calm = fenby_net_new(w, 1, simd);
    float bad[4096], good[4096];
    const float poison[] = { NAN, -NAN, INFINITY, -INFINITY, -1 };
    for (int t = 0; hurt && calm && t < 30; t++) {
        random_input(w, good);
        memcpy(bad, good, sizeof bad);
        for (size_t i = 0; i < input_size(w) && t < 9; i += 1 + (size_t)t) {
            bad[i] = poison[i % 5];
            good[i] = 0;
        }
        fenby_net_process(hurt, bad);
        fenby_net_process(calm, good);
        CHECK(same_outputs(w, hurt, calm), "%s: frame %d", name, t);
    }
    fenby_net_free(hurt);
    fenby_net_free(calm);
    fenby_weights_free(w);
}

static double largest_difference(const fenby_weights *w, const fenby_net *a, const fenby_net *b)
{
    double largest = 0;
    for (size_t i = 0; i < fenby_weights_n_outputs(w); i++)
        for (size_t k = 0; k < output_size(w, i); k++) {
            double difference = fabs(fenby_net_output(a, i)[k] - fenby_net_output(b, i)[k]);
            if (!(difference <= largest)) largest = isnan(difference) ? INFINITY : difference;
        }
    return largest;
}

// Inputs near the end of the range overflow inside; the network must find its way back, a GRU too.
static void test_overflow(const char *name, fenby_simd simd)
{
    fenby_weights *w = load_golden(name);
    fenby_net *hurt = fenby_net_new(w, 1, simd), *calm = fenby_net_new(w, 1, simd);
    float input[4096], huge[4096];
    for (size_t i = 0; i < input_size(w); i++) huge[i] = i % 3 ? 3e38f : -3e38f;
    for (int t = 0; hurt && calm && t < 60; t++) {
        random_input(w, input);
        fenby_net_process(calm, input);
        fenby_net_process(hurt, t < 5 ? huge : input);
        double difference = largest_difference(w, hurt, calm);
        if (t == 4) CHECK(difference > 0.01, "%s: too small an overflow, %g", name, difference);
        if (t > 40) CHECK(difference < 1e-3, "%s: frame %d is off by %g", name, t, difference);
    }
    fenby_net_free(hurt);
    fenby_net_free(calm);
    fenby_weights_free(w);
}

// A GRU that only remembers, and forgets a tenth each hop: its state must not creep through denormals.
static void test_decay(fenby_simd simd)
{
    fnw_begin(&file, 5, 2, 2);
    fnw_ints(&file, (int32_t[]){ 2, 1, 1, 3, 1 }, 5);
    fnw_text(&file, "state");
    fnw_ints(&file, (int32_t[]){ 1, 0, 6 }, 3);
    fnw_array(&file, "0.weight", (float[]){ 0, 0, 0, 0, 1, -1 }, 6);
    fnw_array(&file, "0.bias", (float[]){ 0, 2.2f, 0 }, 3);
    fnw_array(&file, "0.weight_hh", (float[]){ 0, 0, 0 }, 3);
    fnw_array(&file, "0.bias_hh", (float[]){ 0, 0, 0 }, 3);
    fnw_array(&file, "1.weight", (float[]){ 1 }, 1);
    fnw_array(&file, "1.bias", (float[]){ 0 }, 1);
    fnw_end(&file);
    fenby_weights *w = parse_file();
    fenby_net *net = fenby_net_new(w, 1, simd);
    float input[10] = { 3, 0, 0, 3, 1, 0, 1e-30f, 0, 1e-42f, 0 };
    int silent_at = -1;
    for (int t = 0; net && t < 1000; t++) {
        fenby_net_process(net, input);
        memset(input, 0, sizeof input);
        const float *state = frame_at(net, net->parts, 1, 1);
        if (t == 0) CHECK(state[0] > 0.05f && state[1] < -0.05f, "%g %g", state[0], state[1]);
        for (int p = 0; p < 5; p++) CHECK(fpclassify(state[p]) != FP_SUBNORMAL, "frame %d: %g", t, state[p]);
        if (silent_at < 0 && fabsf(state[0]) < 1e-20f) silent_at = t;
    }
    if (net) CHECK(silent_at > 300 && silent_at < 600, "silent at frame %d", silent_at);
    fenby_net_free(net);
    fenby_weights_free(w);
}

static void test_choice(void)
{
    fenby_weights *w = load_golden("net_gru");
    const fenby_kernel *best = fenby_kernel_avx512_vnni() ? fenby_kernel_avx512_vnni()
                               : fenby_kernel_avx2_vnni() ? fenby_kernel_avx2_vnni()
                               : fenby_kernel_neon_dot() ? fenby_kernel_neon_dot()
                               : fenby_kernel_avx512() ? fenby_kernel_avx512()
                               : fenby_kernel_avx2() ? fenby_kernel_avx2()
                               : fenby_kernel_neon() ? fenby_kernel_neon()
                                                     : fenby_kernel_scalar();
    fenby_net *net = fenby_net_new(w, 1, FENBY_SIMD_BEST);
    REQUIRE(net, "a network");
    CHECK(strcmp(fenby_net_simd_name(net), best->name) == 0, "%s is not the best", fenby_net_simd_name(net));
    fenby_net_free(net);
    static const char *const names[] = { "scalar", "avx2", "avx512", "neon", "avx512_vnni", "avx2_vnni", "neon_dot" };
    int found = 0;
    for (int s = 0; s < N_SIMDS; s++) {
        net = fenby_net_new(w, 1, all_simds[s]);
        if (net) CHECK(strcmp(fenby_net_simd_name(net), names[s]) == 0, "%s", fenby_net_simd_name(net));
        found += net != NULL;
        fenby_net_free(net);
    }
    CHECK(found > 0 && found < N_SIMDS, "%d kinds: no machine has both AVX and NEON", found);
    fenby_weights_free(w);
}

static void test_allocations(void)
{
    fenby_weights *w = load_golden("net_gru");
    fenby_net *net = NULL;
    int n = 0;
    for (; !net; n++) {
        allocations_before_failure = n;
        net = fenby_net_new(w, 1, FENBY_SIMD_BEST);
    }
    allocations_before_failure = -1;
    CHECK(n > 20, "%d allocations", n);
    size_t before = allocations;
    float input[4096];
    random_input(w, input);
    fenby_net_process(net, input);
    fenby_net_reset(net);
    CHECK(allocations == before, "%zu allocations while running", allocations - before);
    fenby_net_free(net);
    fenby_weights_free(w);
}

int main(void)
{
    static const char *const goldens[] = { "net_small", "net_odd", "net_gru", "net_groups", "net_odd_groups" };
    for (size_t g = 0; g < sizeof goldens / sizeof *goldens; g++) {
        test_golden(goldens[g]);
        test_reset(goldens[g]);
        for (int s = 0; s < N_SIMDS; s++) {
            test_streams(goldens[g], all_simds[s]);
            test_not_a_number(goldens[g], all_simds[s]);
            test_overflow(goldens[g], all_simds[s]);
        }
    }
    for (int s = 0; s < N_SIMDS; s++) {
        test_parts("net_groups", all_simds[s]);
        test_parts("net_odd_groups", all_simds[s]);
        test_decay(all_simds[s]);
    }
    test_random_networks();
    test_narrow(fenby_kernel_avx512_vnni());
    test_narrow(fenby_kernel_avx2_vnni());
    test_narrow(fenby_kernel_neon_dot());
    test_choice();
    test_allocations();
    return test_report();
}
