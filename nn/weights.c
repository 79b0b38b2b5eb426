// SPDX-License-Identifier: ISC
// Layout of a .fnw file, version 2. Everything is little-endian and a multiple of four bytes, so that numbers
// are read in place. `text` is an int32 size (a multiple of 4), then that many bytes of UTF-8 filled up with at
// least one zero byte.
//
//   8 bytes  magic "fenby.nw"
//   int32    version, 2 (1: the same without groups)
//   int32    size of the whole file in bytes
//   uint64   hash of the features the network was trained on
//   text     model name           text  model card
//   int32    input width          int32 input channels
//   int32    number of layers, then each layer:
//     int32    kind: 0 stack, 1 conv, 2 gru, 3 head (model.py says what each computes)
//     stack    int32 width, number of shifts, shifts
//     conv     int32 channels, kt, kf, dt, df, sf, skip, relu, groups
//     gru      int32 channels, groups
//     head     int32 number of outputs, then each: text name, int32 channels, int32 sigmoid (1) or linear (0)
//     groups: 1 where a layer reads the input, one number in all others: that many networks side by side
//   int32    number of arrays, then each: text name, int32 count, float32 values
//   uint64   checksum: FNV-1a of all bytes before it
//
// The weights of layer i are the arrays "i.weight", "i.bias" and for a gru "i.weight_hh", "i.bias_hh" as well:
// see fenby_layer for their order. Other arrays are for the caller.
#include "layers.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a .fnw file is read in place");
_Static_assert(sizeof(float) == 4, "a .fnw file is read in place");

static const char magic[] = "fenby.nw";
enum { VERSION = 2, VERSION_WITHOUT_GROUPS = 1, MAGIC_SIZE = sizeof magic - 1, HEADER_SIZE = 24, CHECKSUM_SIZE = 8 };

// Walks through the file. After the first failure every read gives 0 or "", so that the parser reads straight
// down and asks once.
typedef struct {
    const unsigned char *bytes;
    size_t size, at;
    const char *name;
    char *error;
    size_t error_size;
    int version;
    bool failed;
} reader;

__attribute__((format(printf, 2, 3))) static bool fail(reader *r, const char *format, ...)
{
    if (r->failed) return false;
    r->failed = true;
    if (r->error_size == 0) return false;
    int n = snprintf(r->error, r->error_size, "%s: ", r->name);
    if (n < 0 || (size_t)n >= r->error_size) return false;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->error + n, r->error_size - (size_t)n, format, arguments);
    va_end(arguments);
    return false;
}

static const void *read_bytes(reader *r, size_t size, const char *what)
{
    if (!r->failed && size > r->size - r->at)
        fail(r, "%s needs %zu bytes at offset %zu, %zu are left", what, size, r->at, r->size - r->at);
    if (r->failed) return NULL;
    const void *bytes = r->bytes + r->at;
    r->at += size;
    return bytes;
}

// An integer that must lie in low .. high.
static int read_int(reader *r, const char *what, int low, int high)
{
    const void *bytes = read_bytes(r, 4, what);
    int32_t value = 0;
    if (bytes) memcpy(&value, bytes, 4);
    if (bytes && (value < low || value > high)) fail(r, "%s is %d, expected %d .. %d", what, value, low, high);
    return r->failed ? 0 : value;
}

static uint64_t read_u64(reader *r, const char *what)
{
    const void *bytes = read_bytes(r, 8, what);
    uint64_t value = 0;
    if (bytes) memcpy(&value, bytes, 8);
    return value;
}

// Text that may go to a terminal or a MIDI file: no control characters (but line ends and tabs in the card).
static const char *read_text(reader *r, const char *what, int max_size, const char *allowed)
{
    int size = read_int(r, what, 4, max_size);
    const char *text = read_bytes(r, (size_t)size, what);
    if (!text) return "";
    if (size % 4 || text[size - 1]) {
        fail(r, "%s is not text of a multiple of 4 bytes that ends in zero", what);
        return "";
    }
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        const bool control = *c < 32 || *c == 127 || (c[0] == 0xc2 && c[1] < 0xa0);  // the last: U+0080 .. U+009F
        if (control && !strchr(allowed, *c)) fail(r, "%s has control characters", what);
    }
    return text;
}

static const char *read_name(reader *r, const char *what)
{
    const char *name = read_text(r, what, FENBY_MAX_NAME, "");
    if (!r->failed && !*name) fail(r, "%s is empty", what);
    return name;
}

static uint64_t fnv1a(const unsigned char *bytes, size_t size)
{
    uint64_t hash = 14695981039346656037ULL;
    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 1099511628211ULL;
    return hash;
}

// Magic, version, size, checksum and features: after this only a file made with ill will can be wrong.
static bool read_header(reader *r, uint64_t features_hash)
{
    if (r->size < HEADER_SIZE + CHECKSUM_SIZE)
        return fail(r, "%zu bytes are too few for a weights file (.fnw)", r->size);
    const void *const begin = read_bytes(r, MAGIC_SIZE, "magic");
    if (!begin || memcmp(begin, magic, MAGIC_SIZE) != 0)
        return fail(r, "not a weights file (.fnw): it does not begin with \"fenby.nw\"");
    r->version = read_int(r, "version", INT32_MIN, INT32_MAX);
    if (r->version != VERSION && r->version != VERSION_WITHOUT_GROUPS)
        return fail(r, "format version %d, expected %d or %d", r->version, VERSION_WITHOUT_GROUPS, VERSION);
    int size = read_int(r, "size", 0, FENBY_MAX_FILE);
    if (!r->failed && (size_t)size != r->size)
        return fail(r, "%zu bytes, expected %d: the file is cut or has something added", r->size, size);
    uint64_t features = read_u64(r, "features hash"), checksum;
    size_t end = r->size - CHECKSUM_SIZE;
    memcpy(&checksum, r->bytes + end, CHECKSUM_SIZE);
    if (!r->failed && checksum != fnv1a(r->bytes, end)) return fail(r, "wrong checksum: the file is damaged");
    if (!r->failed && features != features_hash)
        return fail(r, "made for other features: hash %016llx, expected %016llx", (unsigned long long)features,
                    (unsigned long long)features_hash);
    r->size = end;
    return !r->failed;
}

static void read_stack(reader *r, fenby_layer *layer)
{
    layer->width = read_int(r, "stack width", 1, FENBY_MAX_WIDTH);
    layer->n_shifts = read_int(r, "number of shifts", 1, FENBY_MAX_SHIFTS);
    layer->shifts = (const int32_t *)(const void *)(r->bytes + r->at);
    for (int i = 0; i < layer->n_shifts; i++) read_int(r, "shift", -FENBY_MAX_WIDTH, FENBY_MAX_WIDTH);
}

static int read_groups(reader *r)
{
    return r->version == VERSION_WITHOUT_GROUPS ? 1 : read_int(r, "groups", 1, FENBY_MAX_CHANNELS);
}

static void read_conv(reader *r, fenby_layer *layer, int index)
{
    layer->channels = read_int(r, "conv channels", 1, FENBY_MAX_CHANNELS);
    layer->kt = read_int(r, "conv kt", 1, FENBY_MAX_TAPS);
    layer->kf = read_int(r, "conv kf", 1, FENBY_MAX_TAPS);
    layer->dt = read_int(r, "conv dt", 1, FENBY_MAX_DILATION);
    layer->df = read_int(r, "conv df", 1, FENBY_MAX_DILATION);
    layer->sf = read_int(r, "conv sf", 1, FENBY_MAX_STRIDE);
    layer->skip = read_int(r, "conv skip", 0, index);
    layer->relu = read_int(r, "conv relu", 0, 1);
    layer->groups = read_groups(r);
}

static void read_gru(reader *r, fenby_layer *layer)
{
    layer->channels = read_int(r, "gru channels", 1, FENBY_MAX_CHANNELS);
    layer->groups = read_groups(r);
}

static void read_head(reader *r, fenby_weights *w, fenby_layer *layer)
{
    w->n_outputs = read_int(r, "number of outputs", 1, FENBY_MAX_OUTPUTS);
    for (int i = 0; i < w->n_outputs; i++) {
        fenby_head_output *out = &w->outputs[i];
        out->output.name = read_name(r, "output name");
        out->output.channels = read_int(r, "output channels", 1, FENBY_MAX_CHANNELS);
        out->sigmoid = read_int(r, "output activation", 0, 1);
        out->first = layer->channels;
        layer->channels += out->output.channels;
    }
}

static bool read_layers(reader *r, fenby_weights *w)
{
    w->input_width = read_int(r, "input width", 1, FENBY_MAX_WIDTH);
    w->input_channels = read_int(r, "input channels", 1, FENBY_MAX_CHANNELS);
    w->n_layers = read_int(r, "number of layers", 1, FENBY_MAX_LAYERS);
    for (int i = 0; i < w->n_layers && !r->failed; i++) {
        fenby_layer *layer = &w->layers[i];
        *layer = (fenby_layer){ .kt = 1, .kf = 1, .dt = 1, .df = 1, .sf = 1, .groups = 1 };
        layer->kind = (fenby_layer_kind)read_int(r, "layer kind", FENBY_STACK, FENBY_HEAD);
        switch (layer->kind) {
        case FENBY_STACK: read_stack(r, layer); break;
        case FENBY_CONV: read_conv(r, layer, i); break;
        case FENBY_GRU: read_gru(r, layer); break;
        case FENBY_HEAD: read_head(r, w, layer); break;
        }
        if (!r->failed && (layer->kind == FENBY_HEAD) != (i == w->n_layers - 1))
            return fail(r, "layer %d of %d: a head is expected at the end and only there", i, w->n_layers);
    }
    return !r->failed;
}

static const fenby_array *find_array(const fenby_weights *w, const char *name)
{
    for (int i = 0; i < w->n_arrays; i++)
        if (strcmp(w->arrays[i].name, name) == 0) return &w->arrays[i];
    return NULL;
}

static bool read_arrays(reader *r, fenby_weights *w)
{
    int n_arrays = read_int(r, "number of arrays", 0, FENBY_MAX_ARRAYS);
    for (; w->n_arrays < n_arrays && !r->failed; w->n_arrays++) {
        fenby_array array = { .name = read_name(r, "array name") };
        array.count = (size_t)read_int(r, "array size", 0, FENBY_MAX_FILE / 4);
        array.values = read_bytes(r, array.count * 4, array.name);
        if (r->failed) return false;
        for (size_t i = 0; i < array.count; i++)
            if (!isfinite(array.values[i])) return fail(r, "%s[%zu] is not a number", array.name, i);
        if (find_array(w, array.name)) return fail(r, "%s occurs twice", array.name);
        w->arrays[w->n_arrays] = array;
    }
    if (!r->failed && r->at != r->size) return fail(r, "%zu bytes too many after the arrays", r->size - r->at);
    return !r->failed;
}

// The array "<layer>.<suffix>", which must hold exactly count values.
static const float *layer_array(reader *r, const fenby_weights *w, int layer, const char *suffix, int64_t count)
{
    char name[FENBY_MAX_NAME];
    snprintf(name, sizeof name, "%d.%s", layer, suffix);
    const fenby_array *array = find_array(w, name);
    if (!array) {
        fail(r, "array %s is missing", name);
    } else if ((int64_t)array->count != count) {
        fail(r, "array %s has %zu values, expected %lld", name, array->count, (long long)count);
    }
    return array && !r->failed ? array->values : NULL;
}

// What layer i reads: the layer before it, through the shifts of a stack if that is one.
static bool connect(reader *r, fenby_weights *w, int i)
{
    static const int32_t no_shift[1] = { 0 };
    fenby_layer *layer = &w->layers[i];
    const fenby_layer *stack = i > 0 && w->layers[i - 1].kind == FENBY_STACK ? &w->layers[i - 1] : NULL;
    layer->source = stack ? stack->source : i;
    layer->inputs = w->frames[layer->source].channels;
    layer->view_end = stack ? stack->width : w->frames[i].width;
    if (layer->kind == FENBY_STACK) return !stack || fail(r, "layer %d: a stack cannot follow a stack", i);
    layer->n_shifts = stack ? stack->n_shifts : 1;
    layer->shifts = stack ? stack->shifts : no_shift;

    // PyTorch's width of a convolution with model.py's padding. Where no stack cuts it off, the view then takes
    // in the padding: those zeros are kept beside each frame.
    layer->pad = layer->kf / 2 * layer->df - layer->sf / 2;
    int span = layer->df * (layer->kf - 1) + 1, room = layer->view_end + 2 * layer->pad - span;
    layer->width = room / layer->sf + 1;
    if (layer->pad < 0 || room < 0 || layer->width > FENBY_MAX_WIDTH)
        return fail(r, "layer %d: kf %d, df %d, sf %d do not fit %d positions", i, layer->kf, layer->df,
                    layer->sf, layer->view_end);
    if (!stack) layer->view_first = -layer->pad;
    if (!stack) layer->view_end = layer->view_first + (layer->width - 1) * layer->sf + span;
    return true;
}

// The first layer that reads another one says how many parts there are.
static bool check_groups(reader *r, fenby_weights *w, int i)
{
    const fenby_layer *layer = &w->layers[i], *before = i > 0 ? &w->layers[i - 1] : NULL;
    const bool is_head = layer->kind == FENBY_HEAD, in_parts = layer->source > 0 && !is_head;
    if (in_parts && before->source == 0) w->parts = layer->groups;
    const int expected = in_parts ? w->parts : 1;
    if (layer->groups != expected) return fail(r, "layer %d: %d groups, expected %d", i, layer->groups, expected);
    if (layer->source == 0 || w->parts == 1) return true;
    if (before->kind == FENBY_STACK) return fail(r, "layer %d: groups cannot follow a stack", i);
    if (before->source == 0 && before->kind == FENBY_GRU) return fail(r, "layer %d: groups cannot follow a GRU of all inputs", i);
    if (layer->inputs % w->parts == 0 && (is_head || layer->channels % w->parts == 0)) return true;
    return fail(r, "layer %d: %d inputs and %d channels are no %d groups", i, layer->inputs, layer->channels, w->parts);
}

static bool check_skip(reader *r, const fenby_weights *w, int i)
{
    const fenby_layer *layer = &w->layers[i];
    const fenby_frames *from = &w->frames[i - layer->skip + 1];
    if (layer->skip == 0 || (from->width == layer->width && from->channels == layer->channels)) return true;
    return fail(r, "layer %d: %d layers back is no output of %d x %d to add", i, layer->skip, layer->width,
                layer->channels);
}

// Finds the layer's weights and counts its multiply-adds.
static bool weigh(reader *r, fenby_weights *w, int i)
{
    fenby_layer *layer = &w->layers[i];
    int64_t gates = layer->kind == FENBY_GRU ? 3 : 1, channels = layer->channels;
    int64_t count = gates * channels * layer->n_shifts * layer->inputs / layer->groups * layer->kt * layer->kf;
    layer->weight = layer_array(r, w, i, "weight", count);
    layer->bias = layer_array(r, w, i, "bias", gates * channels);
    if (layer->kind == FENBY_GRU) {
        const int64_t hidden = gates * channels * channels / layer->groups;
        layer->hidden_weight = layer_array(r, w, i, "weight_hh", hidden);
        layer->hidden_bias = layer_array(r, w, i, "bias_hh", gates * channels);
        count += hidden;
    }
    if (!r->failed && count * layer->width > FENBY_MAX_MACS - (int64_t)w->macs)
        fail(r, "more than %d multiply-adds a hop", FENBY_MAX_MACS);
    w->macs += (size_t)(count * layer->width);
    return !r->failed;
}

static void raise_to(int *value, int bound)
{
    if (*value < bound) *value = bound;
}

// Has the source keep all that this layer reads.
static void keep(fenby_weights *w, const fenby_layer *layer)
{
    fenby_frames *source = &w->frames[layer->source];
    raise_to(&source->n_frames, (layer->kt - 1) * layer->dt + 1);
    for (int j = 0; j < layer->n_shifts; j++) {
        raise_to(&source->zeros_before, -(layer->view_first + layer->shifts[j]));
        raise_to(&source->zeros_after, layer->view_end + layer->shifts[j] - source->width);
    }
}

static bool check_state(reader *r, const fenby_weights *w)
{
    int64_t floats = 0;
    for (int i = 0; i <= w->n_layers; i++) {
        const fenby_frames *f = &w->frames[i];
        floats += (int64_t)f->n_frames * (f->zeros_before + f->width + f->zeros_after) * f->channels;
    }
    if (floats <= FENBY_MAX_STATE_FLOATS) return true;
    return fail(r, "the layers' past takes %lld values, expected at most %d", (long long)floats,
                FENBY_MAX_STATE_FLOATS);
}

// Gives every layer its shape, source and weights.
static bool join_layers(reader *r, fenby_weights *w)
{
    w->parts = 1;
    w->frames[0] = (fenby_frames){ .width = w->input_width, .channels = w->input_channels, .n_frames = 1 };
    for (int i = 0; i < w->n_layers; i++) {
        fenby_layer *layer = &w->layers[i];
        if (!connect(r, w, i)) return false;
        if (layer->kind == FENBY_STACK) continue;  // keeps nothing: the next layer reads through it
        if (!check_groups(r, w, i) || !check_skip(r, w, i) || !weigh(r, w, i)) return false;
        keep(w, layer);
        w->frames[i + 1] = (fenby_frames){ .width = layer->width, .channels = layer->channels,
                                           .n_frames = layer->kind == FENBY_GRU ? 2 : 1 };
    }
    for (int i = 0; i < w->n_outputs; i++) w->outputs[i].output.width = w->frames[w->n_layers].width;
    return check_state(r, w);
}

// Parses bytes that are its own from here on.
static fenby_weights *parse_owned(unsigned char *bytes, size_t size, reader *r, uint64_t features_hash)
{
    fenby_weights *w = calloc(1, sizeof *w);
    if (!w || !bytes) {
        fail(r, "not enough memory");
        free(bytes);
        free(w);
        return NULL;
    }
    r->bytes = w->bytes = bytes;
    r->size = size;
    if (read_header(r, features_hash)) {
        w->name = read_name(r, "model name");
        w->card = read_text(r, "model card", FENBY_MAX_CARD, "\n\t");
        if (read_layers(r, w) && read_arrays(r, w) && join_layers(r, w)) return w;
    }
    fenby_weights_free(w);
    return NULL;
}

fenby_weights *fenby_weights_parse(const void *bytes, size_t size, const char *name, uint64_t features_hash,
                                   char *error, size_t error_size)
{
    reader r = { .name = name, .error = error, .error_size = error_size };
    unsigned char *copy = malloc(size + 1);  // never of size 0
    if (copy && size) memcpy(copy, bytes, size);
    return parse_owned(copy, size, &r, features_hash);
}

static bool read_file(reader *r, FILE *file, unsigned char **bytes, size_t *size)
{
    struct stat status;
    if (!file || fstat(fileno(file), &status) != 0) return fail(r, "cannot be opened: %s", strerror(errno));
    if (!S_ISREG(status.st_mode)) return fail(r, "is no file");
    if (status.st_size > FENBY_MAX_FILE)
        return fail(r, "%lld bytes are too many, expected at most %d", (long long)status.st_size,
                    FENBY_MAX_FILE);
    *size = (size_t)status.st_size;
    *bytes = malloc(*size + 1);
    if (*bytes && fread(*bytes, 1, *size, file) != *size) return fail(r, "cannot be read to its end");
    return true;
}

// A pipe without a writer must not keep us waiting.
static FILE *open_at_once(const char *path)
{
    const int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0) return NULL;
    FILE *file = fdopen(descriptor, "rb");
    if (!file) close(descriptor);
    return file;
}

fenby_weights *fenby_weights_load(const char *path, uint64_t features_hash, char *error, size_t error_size)
{
    reader r = { .name = path, .error = error, .error_size = error_size };
    unsigned char *bytes = NULL;
    size_t size = 0;
    FILE *file = open_at_once(path);
    bool read = read_file(&r, file, &bytes, &size);
    if (file) fclose(file);
    if (read) return parse_owned(bytes, size, &r, features_hash);
    free(bytes);
    return NULL;
}

void fenby_weights_free(fenby_weights *weights)
{
    if (!weights) return;
    free(weights->bytes);
    free(weights);
}

const char *fenby_weights_name(const fenby_weights *weights)
{
    return weights->name;
}

const char *fenby_weights_card(const fenby_weights *weights)
{
    return weights->card;
}

int fenby_weights_input_width(const fenby_weights *weights)
{
    return weights->input_width;
}

int fenby_weights_input_channels(const fenby_weights *weights)
{
    return weights->input_channels;
}

size_t fenby_weights_n_outputs(const fenby_weights *weights)
{
    return (size_t)weights->n_outputs;
}

fenby_output fenby_weights_output(const fenby_weights *weights, size_t output)
{
    return weights->outputs[output].output;
}

int fenby_weights_find_output(const fenby_weights *weights, const char *name)
{
    for (int i = 0; i < weights->n_outputs; i++)
        if (strcmp(weights->outputs[i].output.name, name) == 0) return i;
    return -1;
}

const float *fenby_weights_array(const fenby_weights *weights, const char *name, size_t *count)
{
    const fenby_array *array = find_array(weights, name);
    *count = array ? array->count : 0;
    return array ? array->values : NULL;
}

size_t fenby_weights_macs(const fenby_weights *weights)
{
    return weights->macs;
}
