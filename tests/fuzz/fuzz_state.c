// SPDX-License-Identifier: ISC
// Feeds fenby-jack's state reader. What it accepts lies within the table's ranges, and is the same again once
// saved and read.
#include "jack_client/fenby_jack_state.h"
#include "jack_client/output_file.h"
#include "tests/fuzz/fuzz.h"

// --- the file that is saved stays in memory ------------------------------------------------------------------

static char *saved;
static size_t saved_size;

bool fenby_output_file_open(fenby_output_file *output, const char *path, char *error, size_t error_size)
{
    (void)path, (void)error, (void)error_size;
    output->file = open_memstream(&saved, &saved_size);
    return output->file;
}

bool fenby_output_file_close(fenby_output_file *output, char *error, size_t error_size)
{
    (void)error, (void)error_size;
    return !fclose(output->file);
}

void fenby_output_file_discard(fenby_output_file *output)
{
    fclose(output->file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fenby_jack_state state, again;
    char error[8192] = "";
    state = fenby_jack_state_default();
    if (!fenby_jack_state_load(&state, fuzz_file(data, size), error, sizeof error)) {
        PROMISE(fuzz_is_one_line(error));
        again = fenby_jack_state_default();
        PROMISE(fenby_jack_state_equal(&state, &again));
        return 0;
    }
    for (fenby_parameter i = 0; i < FENBY_N_PARAMETERS; i++)
        PROMISE(state.parameters.value[i] == fenby_parameter_clamp(i, state.parameters.value[i]));
    PROMISE(fenby_jack_state_save(&state, "memory", error, sizeof error));
    const char *const path = fuzz_file((const uint8_t *)saved, saved_size);
    PROMISE(fenby_jack_state_load(&again, path, error, sizeof error));
    PROMISE(fenby_jack_state_equal(&state, &again));
    free(saved);
    return 0;
}
