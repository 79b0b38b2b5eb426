// SPDX-License-Identifier: ISC
#include "heads.h"

#include <math.h>
#include <stdio.h>

// One value of a named array.
static bool check_value(const fenby_weights *weights, const char *array, float value, float minimum,
                        float maximum, char *error, size_t error_size)
{
    if (value >= minimum && value <= maximum) return true;
    snprintf(error, error_size, "%s: array %s holds %g, expected %g .. %g", fenby_weights_name(weights), array,
             value, minimum, maximum);
    return false;
}

// A probability whose logit is a sane number.
static bool check_threshold(const fenby_weights *weights, const char *array, float value, char *error,
                            size_t error_size)
{
    return check_value(weights, array, value, 0.001f, 0.999f, error, error_size);
}

static const float *find(const fenby_weights *weights, const char *array, size_t count, char *error,
                         size_t error_size)
{
    size_t n = 0;
    const float *values = fenby_weights_array(weights, array, &n);
    if (values && n == count) return values;
    snprintf(error, error_size, "%s: array %s has %zu values, expected %zu", fenby_weights_name(weights), array,
             values ? n : 0, count);
    return NULL;
}

// An output's channels where it is there and shaped as wanted.
static bool check_output(const fenby_weights *weights, const char *name, bool optional, int channels,
                         char *error, size_t error_size)
{
    const int i = fenby_weights_find_output(weights, name);
    if (i < 0 && optional) return true;
    fenby_output output = {.name = name};
    if (i >= 0) output = fenby_weights_output(weights, (size_t)i);
    if (output.width == FENBY_N_KEYS && output.channels == channels) return true;
    snprintf(error, error_size, "%s: output %s is %d x %d, expected %d x %d", fenby_weights_name(weights), name,
             output.width, output.channels, FENBY_N_KEYS, channels);
    return false;
}

static bool check_outputs(const fenby_weights *weights, int heads, char *error, size_t error_size)
{
    const int age = fenby_weights_find_output(weights, "onset_age");
    const bool one_age = age >= 0 && fenby_weights_output(weights, (size_t)age).channels == 1;
    return check_output(weights, "onset", false, heads, error, error_size) &&
           check_output(weights, "sounding", false, 1, error, error_size) &&
           check_output(weights, "velocity", true, 1, error, error_size) &&
           check_output(weights, "onset_age", true, one_age ? 1 : heads, error, error_size) &&
           check_output(weights, "contour", true, FENBY_BINS_PER_KEY, error, error_size);
}

static bool read_thresholds(fenby_heads *heads, const fenby_weights *weights, char *error, size_t error_size)
{
    static const char array[] = "onset.threshold";
    size_t n = 0;
    const float *values = fenby_weights_array(weights, array, &n);
    if (!values || (n != heads->count && n != heads->count * FENBY_N_KEYS)) {
        snprintf(error, error_size, "%s: array %s has %zu values, expected %zu or %zu", fenby_weights_name(weights),
                 array, values ? n : 0, heads->count, heads->count * FENBY_N_KEYS);
        return false;
    }
    const size_t of_each = n / heads->count;
    for (size_t head = 0; head < heads->count; head++) {
        for (size_t key = 0; key < FENBY_N_KEYS; key++) {
            const float value = values[head * of_each + key % of_each];
            if (!check_threshold(weights, array, value, error, error_size)) return false;
            heads->threshold[head][key] = value;
        }
    }
    return true;
}

static size_t nearest(const fenby_heads *heads, float lookahead)
{
    size_t best = 0;
    for (size_t i = 1; i < heads->count; i++) {
        if (fabsf(heads->lookahead[i] - lookahead) < fabsf(heads->lookahead[best] - lookahead)) best = i;
    }
    return best;
}

bool fenby_heads_read(fenby_heads *heads, const fenby_weights *weights, char *error, size_t error_size)
{
    static const float usual[FENBY_N_MODES] = {1, 2, FENBY_MAX_LOOKAHEAD};
    if (fenby_weights_input_width(weights) != FENBY_N_BINS ||
        fenby_weights_input_channels(weights) != FENBY_N_RESOLUTIONS) {
        snprintf(error, error_size, "%s: the input is %d x %d, expected %d x %d", fenby_weights_name(weights),
                 fenby_weights_input_width(weights), fenby_weights_input_channels(weights), FENBY_N_BINS,
                 FENBY_N_RESOLUTIONS);
        return false;
    }
    const float *lookahead = fenby_weights_array(weights, "onset.lookahead", &heads->count);
    if (!lookahead || heads->count < 1 || heads->count > FENBY_MAX_HEADS) {
        snprintf(error, error_size, "%s: array onset.lookahead has %zu values, expected 1 to %d",
                 fenby_weights_name(weights), lookahead ? heads->count : 0, FENBY_MAX_HEADS);
        return false;
    }
    for (size_t i = 0; i < heads->count; i++) {
        heads->lookahead[i] = lookahead[i];
        if (!check_value(weights, "onset.lookahead", lookahead[i], 0, FENBY_MAX_LOOKAHEAD, error, error_size)) return false;
    }
    const float *sounding = find(weights, "sounding.threshold", 1, error, error_size);
    if (!sounding || !check_threshold(weights, "sounding.threshold", *sounding, error, error_size) ||
        !read_thresholds(heads, weights, error, error_size) ||
        !check_outputs(weights, (int)heads->count, error, error_size))
        return false;
    heads->sounding_threshold = *sounding;

    const float *wanted = usual;
    size_t modes = 0;
    if (fenby_weights_array(weights, "mode.lookahead", &modes))
        wanted = find(weights, "mode.lookahead", FENBY_N_MODES, error, error_size);
    if (!wanted) return false;
    for (size_t mode = 0; mode < FENBY_N_MODES; mode++) heads->of_mode[mode] = nearest(heads, wanted[mode]);
    return true;
}
