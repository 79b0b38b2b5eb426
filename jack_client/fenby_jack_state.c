// SPDX-License-Identifier: ISC
#include "fenby_jack_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output_file.h"
#include "preset.h"

static const char first_line[] = "fenby-jack state 1";

fenby_jack_state fenby_jack_state_default(void)
{
    return (fenby_jack_state){.parameters = fenby_parameters_default()};
}

// The preset's own spelling of a name that was given in another.
static void note_preset(fenby_jack_state *state, const char *name)
{
    char known[sizeof state->preset];
    char **paths = fenby_preset_paths();
    fenby_preset_name(name, state->preset, sizeof state->preset);
    for (char **path = paths; path && *path; path++) {
        fenby_preset_name(*path, known, sizeof known);
        if (fenby_same_label(known, state->preset)) memcpy(state->preset, known, sizeof known);
    }
    fenby_preset_paths_free(paths);
}

bool fenby_jack_state_use_preset(fenby_jack_state *state, const char *name, char *error, size_t error_size)
{
    fenby_preset preset;
    if (!fenby_preset_load(name, &preset, error, error_size)) return false;
    fenby_preset_apply(&preset, &state->parameters);
    note_preset(state, name);
    return true;
}

bool fenby_jack_state_set(fenby_jack_state *state, const char *symbol, const char *text, char *error,
                          size_t error_size)
{
    const int i = fenby_parameter_find(symbol);
    if (i >= 0)
        return fenby_parameter_parse((fenby_parameter)i, text, &state->parameters.value[i], error, error_size);
    snprintf(error, error_size, "there is no parameter '%s', see --list-params", symbol);
    return false;
}

bool fenby_jack_state_equal(const fenby_jack_state *a, const fenby_jack_state *b)
{
    for (int i = 0; i < FENBY_N_PARAMETERS; i++)
        if (a->parameters.value[i] != b->parameters.value[i]) return false;
    return !strcmp(a->preset, b->preset) && !strcmp(a->model, b->model) &&
           fenby_jack_links_equal(&a->links, &b->links);
}

// --- loading -------------------------------------------------------------------------------------------------

// Cuts off the next word; what is left begins with the one after it.
static char *next_word(char **line)
{
    char *const word = *line;
    char *const end = word + strcspn(word, " ");
    *line = *end ? end + 1 : end;
    *end = 0;
    return word;
}

// Undoes write_name, in place. Only names have been written so: what is set goes into messages of one line.
static const char *read_name(char *name)
{
    char *to = name;
    for (const char *from = name; *from; from++) {
        char c = *from;
        if (c == '\\' && from[1] && strchr("nr\\", from[1])) {
            from++;
            c = *from == 'n' ? '\n' : *from == 'r' ? '\r' : '\\';
        }
        *to++ = c;
    }
    *to = 0;
    return name;
}

static bool copy(char *to, size_t size, const char *from)
{
    return (size_t)snprintf(to, size, "%s", from) < size;
}

static bool take_line(fenby_jack_state *state, char *line, char *error, size_t error_size)
{
    const char *const kind = next_word(&line);
    bool good = true;
    if (!*kind || *kind == '#') return true;
    if (!strcmp(kind, "set")) {
        const char *const symbol = next_word(&line);
        return fenby_jack_state_set(state, symbol, line, error, error_size);
    }
    if (!strcmp(kind, "preset")) {
        good = copy(state->preset, sizeof state->preset, read_name(line));
    } else if (!strcmp(kind, "model")) {
        good = copy(state->model, sizeof state->model, read_name(line));
    } else if (!strcmp(kind, "link")) {
        const char *const ours = next_word(&line);
        good = *line && fenby_jack_links_add(&state->links, ours, read_name(line), FENBY_JACK_REMEMBERED);
    } else {
        snprintf(error, error_size, "'%.64s' is unknown, expected preset, model, set or link", kind);
        return false;
    }
    if (!good) snprintf(error, error_size, "a %.64s that is too long, too many or not there", kind);
    return good;
}

static bool take_lines(fenby_jack_state *state, FILE *file, const char *path, char *error, size_t error_size)
{
    char line[2 * PATH_MAX + 64], reason[512];
    int number = 0;
    bool good = true;
    for (; good && fgets(line, sizeof line, file); number++) {
        const size_t length = strcspn(line, "\r\n");
        const bool is_whole = line[length] || feof(file);
        line[length] = 0;
        good = is_whole && (number > 0 || !strcmp(line, first_line));
        if (!good)
            snprintf(reason, sizeof reason, is_whole ? "is no state of fenby-jack" : "a line that is too long");
        if (good && number > 0) good = take_line(state, line, reason, sizeof reason);
    }
    if (good && number == 0 && !ferror(file)) {
        snprintf(reason, sizeof reason, "is empty, expected a state of fenby-jack");
        good = false;
    }
    if (!good) snprintf(error, error_size, "%s:%d: %s", path, number, reason);
    return good;
}

bool fenby_jack_state_load(fenby_jack_state *state, const char *path, char *error, size_t error_size)
{
    fenby_jack_state loaded = fenby_jack_state_default();
    FILE *file = fopen(path, "r");
    bool good = file && take_lines(&loaded, file, path, error, error_size);
    if (!file || (good && ferror(file))) {
        snprintf(error, error_size, "%s: cannot be read: %s", path, strerror(errno));
        good = false;
    }
    if (file) fclose(file);
    if (good) *state = loaded;
    return good;
}

// --- saving --------------------------------------------------------------------------------------------------

// The fewest digits that are read as the same value.
static void write_value(float value, FILE *file)
{
    char text[32];
    int digits = 6;
    do snprintf(text, sizeof text, "%.*g", digits, value);
    while (strtof(text, NULL) != value && ++digits <= 9);
    fprintf(file, "%s\n", text);
}

static void write_name(const char *kind, const char *name, FILE *file)
{
    fprintf(file, "%s ", kind);
    for (; *name; name++) {
        if (*name == '\n') fputs("\\n", file);
        else if (*name == '\r') fputs("\\r", file);
        else if (*name == '\\') fputs("\\\\", file);
        else putc(*name, file);
    }
    putc('\n', file);
}

static void write_state(const fenby_jack_state *state, FILE *file)
{
    fprintf(file, "%s\n", first_line);
    if (*state->preset) write_name("preset", state->preset, file);
    if (*state->model) write_name("model", state->model, file);
    for (int i = 0; i < FENBY_N_PARAMETERS; i++) {
        fprintf(file, "set %s ", fenby_parameter_table[i].symbol);
        write_value(state->parameters.value[i], file);
    }
    for (size_t i = 0; i < state->links.count; i++) {
        fprintf(file, "link %s", state->links.link[i].ours);
        write_name("", state->links.link[i].other, file);
    }
}

bool fenby_jack_state_save(const fenby_jack_state *state, const char *path, char *error, size_t error_size)
{
    fenby_output_file output;
    if (!fenby_output_file_open(&output, path, error, error_size)) return false;
    write_state(state, output.file);
    return fenby_output_file_close(&output, error, error_size);
}
