// SPDX-License-Identifier: ISC
#include "info.h"

#include <limits.h>

#include "../dsp/features.h"
#include "../dsp/latency.h"
#include "../dsp/looks.h"
#include "../dsp/parameters.h"
#include "../nn/net.h"
#include "command_line.h"
#include "preset.h"

bool fenby_info_presets(FILE *file, char *error, size_t error_size)
{
    char **paths = fenby_preset_paths();
    bool good = paths;
    if (!paths) snprintf(error, error_size, "not enough memory to list the presets");
    for (char **path = paths; path && *path; path++) {
        char name[NAME_MAX + 1], reason[512];
        fenby_preset preset;
        fenby_preset_name(*path, name, sizeof name);
        if (fenby_preset_load(*path, &preset, reason, sizeof reason)) {
            fenby_print_line(file, "%-18s  %s", name, *preset.comment ? preset.comment : preset.label);
        } else {
            if (good) snprintf(error, error_size, "%s", reason);
            good = false;
        }
    }
    fenby_preset_paths_free(paths);
    return good;
}

void fenby_info_parameters(FILE *file)
{
    for (fenby_parameter i = 0; i < FENBY_N_PARAMETERS; i++) {
        const fenby_parameter_info *info = &fenby_parameter_table[i];
        char value[64], range[256];
        fenby_parameter_format(i, info->default_value, value, sizeof value);
        fenby_parameter_format_range(i, range, sizeof range);
        fprintf(file, "%s=%s\n    %s\n    %s\n", info->symbol, value, info->help, range);
    }
}

static double latency_ms(fenby_parameters *parameters, int mode, uint32_t block_frames,
                         const fenby_weights *weights)
{
    const double rate_hz = 48000;
    parameters->value[FENBY_MODE] = (float)mode;
    return 1000 * fenby_latency_frames(rate_hz, block_frames, parameters, weights) / rate_hz;
}

bool fenby_info_model(FILE *file, const fenby_weights *weights, char *error, size_t error_size)
{
    fenby_net *net = fenby_net_new(weights, 1, FENBY_SIMD_BEST);
    if (!net) {
        snprintf(error, error_size, "%s: not enough memory for the network", fenby_weights_name(weights));
        return false;
    }
    fprintf(file, "model: %s, %.1f million multiply-adds a look\n", fenby_weights_name(weights),
            1e-6 * (double)fenby_weights_macs(weights));
    fprintf(file, "arithmetic: %s, a look each %.1f ms\n", fenby_net_simd_name(net),
            1e3 * FENBY_HOP / FENBY_SAMPLE_RATE / fenby_looks_in_hop());
    fenby_net_free(net);
    fenby_parameters parameters = fenby_parameters_default();
    for (int mode = 0; mode < FENBY_N_MODES; mode++)
        fprintf(file, "latency, mode %s: %.1f ms in a file, %.1f ms live (48 kHz, blocks of 128 samples)\n",
                fenby_parameter_table[FENBY_MODE].labels[mode], latency_ms(&parameters, mode, 0, weights),
                latency_ms(&parameters, mode, 128, weights));
    return true;
}
