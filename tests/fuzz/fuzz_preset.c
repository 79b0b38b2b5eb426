// SPDX-License-Identifier: ISC
// Feeds the preset reader. Seeds: presets/. What it accepts lies within the table's ranges; what it refuses is
// refused with one line.
#include "jack_client/preset.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fenby_preset preset;
    char error[512] = "";
    if (!fenby_preset_load(fuzz_file(data, size), &preset, error, sizeof error)) {
        PROMISE(fuzz_is_one_line(error));
        return 0;
    }
    PROMISE(*preset.label && memchr(preset.label, 0, sizeof preset.label));
    PROMISE(memchr(preset.comment, 0, sizeof preset.comment));
    fenby_parameters parameters = fenby_parameters_default();
    fenby_preset_apply(&preset, &parameters);
    for (fenby_parameter i = 0; i < FENBY_N_PARAMETERS; i++)
        PROMISE(parameters.value[i] == fenby_parameter_clamp(i, parameters.value[i]));
    return 0;
}
