// SPDX-License-Identifier: ISC
#include "jobs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audio_file.h"
#include "output_file.h"

static const char *const endings[FENBY_N_OUTPUTS] = {".mid", ".csv", ".png"};
static const char *const option_names[FENBY_N_OUTPUTS] = {"-o", "--csv", "--plot"};
static const char *const output_names[FENBY_N_OUTPUTS] = {"MIDI file", "table", "picture"};

// --- inputs --------------------------------------------------------------------------------------------------

// Room for one more; false when memory is short.
static bool grow(fenby_jobs *jobs)
{
    if (jobs->count < jobs->capacity) return true;
    const size_t wanted = jobs->capacity ? jobs->capacity * 2 : 16;
    fenby_job *const grown = reallocarray(jobs->job, wanted, sizeof *grown);
    if (!grown) return false;
    jobs->job = grown;
    jobs->capacity = wanted;
    return true;
}

// Why the job cannot be done, whole however long the names in it are. False when memory is short.
__attribute__((format(printf, 2, 3))) static bool refuse(fenby_job *job, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const bool good = vasprintf(&job->error, format, arguments) >= 0;
    va_end(arguments);
    if (!good) job->error = NULL;
    return good;
}

// A file in a folder, with the slash where it needs one; or just a path.
static bool add_input(fenby_jobs *jobs, const char *folder, const char *slash, const char *name)
{
    char *input;
    if (!grow(jobs) || asprintf(&input, "%s%s%s", folder, slash, name) < 0) return false;
    jobs->job[jobs->count++] = (fenby_job){.input = input};
    return true;
}

static bool is_sound_name(const char *name)
{
    static const char *const sounds[] = {".wav", ".flac", ".ogg",  ".oga", ".opus", ".mp3", ".aiff", ".aif",
                                         ".aifc", ".w64", ".rf64", ".caf", ".au",   ".snd"};
    const char *const dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof sounds / sizeof *sounds; i++)
        if (!strcasecmp(dot, sounds[i])) return true;
    return false;
}

// Hidden ones are none: macOS leaves a "._song.wav" beside each song.wav that it copies.
static int is_sound_file(const struct dirent *entry)
{
    return *entry->d_name != '.' && is_sound_name(entry->d_name);
}

// A folder may be named like a sound ("Live.flac"), and whoever reads a pipe may wait for ever: it is read where it was
// named, not where it was found.
static bool is_no_file(const char *path)
{
    struct stat status;
    return !stat(path, &status) && !S_ISREG(status.st_mode);
}

static bool add_folder(fenby_jobs *jobs, const char *folder)
{
    struct dirent **entries;
    const int n_entries = scandir(folder, &entries, is_sound_file, alphasort);
    const char *const slash = *folder && folder[strlen(folder) - 1] == '/' ? "" : "/";
    const size_t n_before = jobs->count;
    bool good = true;
    for (int i = 0; i < n_entries; i++) {
        good = good && add_input(jobs, folder, slash, entries[i]->d_name);
        if (good && is_no_file(jobs->job[jobs->count - 1].input)) free(jobs->job[--jobs->count].input);
        free(entries[i]);
    }
    if (n_entries >= 0) free(entries);
    if (!good || jobs->count > n_before) return good;
    const char *const reason = n_entries < 0 ? strerror(errno) : "no sound files in this folder";
    return add_input(jobs, folder, "", "") && refuse(&jobs->job[jobs->count - 1], "%s: %s", folder, reason);
}

static bool is_folder(const char *path)
{
    struct stat status;
    return !stat(path, &status) && S_ISDIR(status.st_mode);
}

// --- outputs -------------------------------------------------------------------------------------------------

// "a/b.wav" is "b"; standard input is "stdin".
static int stem(const char *input, const char **start)
{
    if (!strcmp(input, "-")) input = "stdin";
    const char *const slash = strrchr(input, '/');
    *start = slash ? slash + 1 : input;
    const char *const dot = strrchr(*start, '.');
    return dot && dot > *start ? (int)(dot - *start) : (int)strlen(*start);
}

// Where the output of this input goes. NULL when memory is short.
static char *output_path(const char *input, const char *wanted, const char *ending)
{
    const char *name, *const slash = strrchr(input, '/');
    const int name_length = stem(input, &name);
    char *path = NULL;
    if (!wanted)
        return asprintf(&path, "%.*s%.*s%s", slash ? (int)(slash + 1 - input) : 0, input, name_length, name,
                        ending) > 0 ? path : NULL;
    if (!strcmp(wanted, "-")) return strdup(FENBY_STANDARD_OUTPUT);
    if (!is_folder(wanted)) return strdup(wanted);
    const char *const separator = wanted[strlen(wanted) - 1] == '/' ? "" : "/";
    return asprintf(&path, "%s%s%.*s%s", wanted, separator, name_length, name, ending) > 0 ? path : NULL;
}

// What a path stands for, however it is written: the file that is there, or the place in its folder where it
// would be. Pipes and devices may be both read and written, and are known by their names only.
typedef struct {
    dev_t device;
    ino_t inode;
    const char *name;      // in the folder; "" for a file that is there
    const char *path;      // as it was given
    const fenby_job *job;  // of which it is the input or an output
} place;

typedef struct {
    place *place;  // room for one of each input and output
    size_t count;
    void *tree;    // of them, as tsearch has it
} place_list;

static int compare_places(const void *a, const void *b)
{
    const place *const left = a, *const right = b;
    if (left->device != right->device) return left->device < right->device ? -1 : 1;
    if (left->inode != right->inode) return left->inode < right->inode ? -1 : 1;
    return strcmp(left->name, right->name);
}

static place find_place(const char *path, const fenby_job *job)
{
    char folder[PATH_MAX];
    struct stat status;
    place found = {.name = path, .path = path, .job = job};
    const char *const name = fenby_split_path(path, folder);
    const bool exists = strcmp(path, "-") ? !stat(path, &status) : !fstat(STDIN_FILENO, &status);
    if (exists ? !S_ISREG(status.st_mode) : stat(folder, &status)) return found;
    found.device = status.st_dev;
    found.inode = status.st_ino;
    found.name = exists ? "" : name;
    return found;
}

// Who has the path's place; this path when nobody had it before. NULL when memory is short.
static const place *take_place(place_list *places, const char *path, const fenby_job *job)
{
    place *const wanted = &places->place[places->count];
    *wanted = find_place(path, job);
    place **const node = tsearch(wanted, &places->tree, compare_places);
    if (!node) return NULL;
    if (*node == wanted) places->count++;
    return *node;
}

static void leave_place(void *place_of_list)
{
    (void)place_of_list;
}

// The output's place is an input's or another output's already. False when memory is short.
static bool refuse_place(const place *owner, const char *path, fenby_job *job)
{
    const char *const input = fenby_audio_file_name(job->input), *const other = fenby_audio_file_name(owner->job->input);
    if (owner->path == owner->job->input)
        return refuse(job, "%s: its output would overwrite the input %s", input, other);
    return refuse(job, "%s: its output %s is one of %s already", input, path, other);
}

// Where an option's value was forgotten the next file, a recording, is taken for it.
static bool is_recording(const char *path)
{
    struct stat status;
    return is_sound_name(path) && !stat(path, &status) && S_ISREG(status.st_mode);
}

// False when memory is short.
static bool set_outputs(place_list *places, fenby_job *job, const char *const wanted[FENBY_N_OUTPUTS])
{
    bool good = true;
    if (strcmp(job->input, "-") && access(job->input, R_OK))
        return refuse(job, "%s: %s", job->input, strerror(errno));
    for (int i = 0; i < FENBY_N_OUTPUTS && good && !job->error; i++) {
        if (i != FENBY_MIDI_OUTPUT && !wanted[i]) continue;
        char *const path = job->outputs[i] = output_path(job->input, wanted[i], endings[i]);
        const place *const owner = path ? take_place(places, path, job) : NULL;
        if (!owner) return false;
        if (owner->path != path)
            good = refuse_place(owner, path, job);
        else if (is_recording(path))
            good = refuse(job, "%s: is a recording, expected a name for the %s", path, output_names[i]);
        else if (!fenby_output_file_is_writable(path))
            good = refuse(job, "%s: cannot be written: %s", path, strerror(errno));
    }
    return good;
}

// All inputs have their places before the first output looks for one. False when memory is short.
static bool set_all_outputs(fenby_jobs *jobs, const char *const wanted[FENBY_N_OUTPUTS],
                            const volatile sig_atomic_t *stop)
{
    place_list places = {.place = calloc(jobs->count * (1 + FENBY_N_OUTPUTS), sizeof *places.place)};
    bool good = places.place;
    const fenby_job *const end = jobs->job + jobs->count;
    for (fenby_job *job = jobs->job; job < end && good && !*stop; job++)
        good = take_place(&places, job->input, job);
    for (fenby_job *job = jobs->job; job < end && good && !*stop; job++)
        good = job->error || set_outputs(&places, job, wanted);
    tdestroy(places.tree, leave_place);
    free(places.place);
    return good;
}

static bool is_folder_name(const char *path)
{
    return *path && path[strlen(path) - 1] == '/';
}

// Folders that are named but not there are made. Several inputs cannot become one file; nor can a folder, where another
// file may come.
static bool check_wanted(const fenby_jobs *jobs, bool any_folder, const char *const wanted[FENBY_N_OUTPUTS], char *error,
                         size_t error_size)
{
    for (int i = 0; i < FENBY_N_OUTPUTS; i++) {
        const char *const path = wanted[i];
        if (!path) continue;
        if (is_folder_name(path) && mkdir(path, 0777) && errno != EEXIST) {
            snprintf(error, error_size, "%s: cannot be made: %s", path, strerror(errno));
            return false;
        }
        if ((jobs->count > 1 || any_folder) && !is_folder(path)) {
            snprintf(error, error_size, "%s %s: expected a folder for %s (end it with '/')", option_names[i], path,
                     jobs->count > 1 ? "several inputs" : "a folder's files");
            return false;
        }
    }
    return true;
}

// --- the list ------------------------------------------------------------------------------------------------

bool fenby_jobs_make(fenby_jobs *jobs, char *const *inputs, size_t n_inputs,
                     const char *const wanted[FENBY_N_OUTPUTS], const volatile sig_atomic_t *stop, char *error,
                     size_t error_size)
{
    bool good = true, any_folder = false;
    *jobs = (fenby_jobs){0};
    for (size_t i = 0; i < n_inputs && good; i++) {
        const bool is_one = is_folder(inputs[i]);
        any_folder |= is_one;
        good = is_one ? add_folder(jobs, inputs[i]) : add_input(jobs, inputs[i], "", "");
    }
    if (good && !check_wanted(jobs, any_folder, wanted, error, error_size)) return false;
    good = good && set_all_outputs(jobs, wanted, stop);
    if (!good) snprintf(error, error_size, "not enough memory for the list of files");
    return good;
}

static bool is_older(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

// An input that changed since, as one that was still being copied, is to be done again.
bool fenby_job_is_done(const fenby_job *job)
{
    struct stat input = {0}, output;
    if (strcmp(job->input, "-") && stat(job->input, &input)) return false;
    for (int i = 0; i < FENBY_N_OUTPUTS; i++) {
        const char *const path = job->outputs[i];
        if (!path) continue;
        if (fenby_output_file_descriptor(path) >= 0 || stat(path, &output) || !S_ISREG(output.st_mode)) return false;
        if (is_older(&output.st_mtim, &input.st_mtim)) return false;
    }
    return true;
}

void fenby_jobs_free(fenby_jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        free(jobs->job[i].input);
        free(jobs->job[i].error);
        for (int o = 0; o < FENBY_N_OUTPUTS; o++) free(jobs->job[i].outputs[o]);
    }
    free(jobs->job);
    *jobs = (fenby_jobs){0};
}
