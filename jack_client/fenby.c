// SPDX-License-Identifier: ISC
// fenby: sound files in, MIDI files out, through the engine that also runs live.
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../dsp/cqt.h"
#include "../dsp/engine.h"
#include "audio_file.h"
#include "command_line.h"
#include "info.h"
#include "jobs.h"
#include "midi_file.h"
#include "notes.h"
#include "options.h"
#include "output_file.h"
#include "plot.h"

enum { ERROR_SIZE = 4 * PATH_MAX, BAD_FILE = 1, BAD_COMMAND = 2, INTERRUPTED = 130 };

// One file on its way from sound to notes.
typedef struct {
    const fenby_options *options;
    const fenby_weights *weights;
    const fenby_job *job;
    fenby_audio_file *audio;
    fenby_engine *engine;
    fenby_plot *plot;  // NULL: no picture is wanted
    fenby_notes notes;
    double rate_hz;
    double start_s, shown_s;  // on now_s's clock: when it began, when the progress was shown last
    int64_t frames;           // of the file, taken so far
    uint64_t n_events;        // taken so far
} transcription;

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

// A file that would be too large is an error like a full disk, and a pipe whose reader has left like one that is full:
// not the end of the program.
static void handle_signals(void)
{
    const struct sigaction stop = {.sa_handler = interrupt}, ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    if (!fenby_ignores_hangup()) sigaction(SIGHUP, &stop, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

static void complain(const char *error)
{
    fenby_print_line(stderr, "fenby: %s", error);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static const char *base_name(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash ? slash + 1 : fenby_audio_file_name(path);
}

// --- progress ------------------------------------------------------------------------------------------------

static bool shows_progress(const transcription *t)
{
    return !t->options->quiet && isatty(STDERR_FILENO);
}

static double speed(const transcription *t)
{
    return (double)t->frames / t->rate_hz / (now_s() - t->start_s + 1e-9);
}

// Ten times a second: "song.wav  [##########..........]  50 %  41 x real time".
static void show_progress(transcription *t)
{
    static const char full[] = "##############################", empty[] = "..............................";
    const double now = now_s();
    if (!shows_progress(t) || now - t->shown_s < 0.1) return;
    t->shown_s = now;
    const int64_t total = fenby_audio_file_frames(t->audio);
    const double part = total > t->frames ? (double)t->frames / (double)total : 1;
    const int n = (int)(part * (sizeof full - 1));
    char name[41];
    snprintf(name, sizeof name, "%s", base_name(t->job->input));
    fenby_make_printable(name);
    fprintf(stderr, "\r%s  [%.*s%s] %3.0f %%  %.0f x real time\033[K", name, n, full, empty + n, 100 * part,
            speed(t));
}

static void clear_progress(const transcription *t)
{
    if (shows_progress(t)) fputs("\r\033[K", stderr);
}

// --- the main loop -------------------------------------------------------------------------------------------

static void on_hop(void *user, const float *cqt_frame, const float *onset, const float *sounding,
                   int64_t end_frame)
{
    transcription *t = user;
    (void)onset, (void)sounding;
    fenby_plot_add(t->plot, cqt_frame, (double)end_frame / t->rate_hz);
}

// Takes all events that have left the engine. False when memory is short.
static bool take_events(transcription *t)
{
    fenby_event event;
    for (; fenby_engine_pop(t->engine, INT64_MAX, &event); t->n_events++)
        if (!fenby_notes_add(&t->notes, &event)) return false;
    return true;
}

// Pushes the engine's latency through. It may hold more events than its ring has room for: work hands on the
// rest.
static bool take_last_events(transcription *t)
{
    uint64_t n_before;
    fenby_engine_finish(t->engine);
    do {
        n_before = t->n_events;
        if (!take_events(t)) return false;
        fenby_engine_work(t->engine);
    } while (t->n_events > n_before);
    fenby_notes_finish(&t->notes, t->frames);
    return true;
}

// The whole file through the engine, block by block. False when memory is short or the user has had enough.
static bool listen(transcription *t, float *block, uint32_t block_frames)
{
    size_t n;
    while ((n = fenby_audio_file_read(t->audio, block, block_frames)) > 0) {
        if (interrupted) return false;
        fenby_engine_push(t->engine, block, (uint32_t)n);
        fenby_engine_work(t->engine);
        if (!take_events(t)) return false;
        t->frames += (int64_t)n;
        show_progress(t);
    }
    return take_last_events(t);
}

// --- outputs -------------------------------------------------------------------------------------------------

static double duration_s(const transcription *t)
{
    return (double)t->frames / t->rate_hz;
}

// Fails with errno, or without when memory is short.
static bool write_midi(const transcription *t, const char *title, FILE *file)
{
    char text[256];
    fenby_midi_file midi;
    fenby_engine_status status;
    fenby_engine_status_get(t->engine, &status);
    snprintf(text, sizeof text, "fenby " FENBY_VERSION ", model %s, latency %.1f ms, starts are back-dated",
             fenby_weights_name(t->weights), 1000 * status.latency_frames / t->rate_hz);
    const float *const parameters = t->options->parameters.value;
    const int channel = (int)parameters[FENBY_MIDI_CHANNEL], bends = (int)parameters[FENBY_BENDS];
    fenby_midi_file_begin(&midi, file, t->options->midi_format, title, text);
    return fenby_notes_write_midi(&t->notes, t->rate_hz, channel, bends, &midi) &&
           fenby_midi_file_end(&midi, llround(duration_s(t) * FENBY_TICKS_PER_SECOND));
}

static bool write_plot(const transcription *t, const char *title, FILE *file, const char **reason)
{
    char caption[256];
    snprintf(caption, sizeof caption, "%s: %zu notes, model %s", title, t->notes.count,
             fenby_weights_name(t->weights));
    return fenby_plot_write(t->plot, &t->notes, t->rate_hz, duration_s(t), caption, file, reason);
}

static bool write_output(const transcription *t, int kind, char *error)
{
    fenby_output_file output;
    const char *const path = t->job->outputs[kind], *const title = base_name(t->job->input);
    if (!fenby_output_file_open(&output, path, error, ERROR_SIZE)) return false;
    errno = 0;
    bool good = true;
    const char *reason = NULL;
    if (kind == FENBY_MIDI_OUTPUT) good = write_midi(t, title, output.file);
    if (kind == FENBY_CSV_OUTPUT) fenby_notes_write_csv(&t->notes, t->rate_hz, output.file);
    if (kind == FENBY_PLOT_OUTPUT) good = write_plot(t, title, output.file, &reason);
    if (good) return fenby_output_file_close(&output, error, ERROR_SIZE);
    if (!reason) reason = strerror(errno ? errno : ENOMEM);
    snprintf(error, ERROR_SIZE, "%s: cannot be written: %s", path, reason);
    fenby_output_file_discard(&output);
    return false;
}

static bool write_outputs(const transcription *t, char *error)
{
    for (int kind = 0; kind < FENBY_N_OUTPUTS; kind++)
        if (t->job->outputs[kind] && !write_output(t, kind, error)) return false;
    return true;
}

static bool fills_standard_output(const fenby_job *job)
{
    for (int kind = 0; kind < FENBY_N_OUTPUTS; kind++)
        if (job->outputs[kind] && fenby_output_file_descriptor(job->outputs[kind]) == STDOUT_FILENO) return true;
    return false;
}

// "song.wav: 412 notes in 63.2 s, A4 at 441 Hz, 41 x real time: song.mid, song.csv"
static void print_summary(const transcription *t)
{
    if (t->options->quiet) return;
    FILE *stream = fills_standard_output(t->job) ? stderr : stdout;
    fenby_engine_status status;
    fenby_engine_status_get(t->engine, &status);
    char *const *const outputs = t->job->outputs;
    const char *const csv = outputs[FENBY_CSV_OUTPUT], *const plot = outputs[FENBY_PLOT_OUTPUT];
    fenby_print_line(stream, "%s: %zu notes in %.1f s, A4 at %.0f Hz, %.0f x real time: %s%s%s%s%s",
                     base_name(t->job->input), t->notes.count, duration_s(t), status.a4_hz, speed(t),
                     outputs[FENBY_MIDI_OUTPUT], csv ? ", " : "", csv ? csv : "", plot ? ", " : "", plot ? plot : "");
}

// --- one file ------------------------------------------------------------------------------------------------

static bool start(transcription *t, char *error)
{
    char reason[512];
    const char *const name = fenby_audio_file_name(t->job->input);
    t->audio = fenby_audio_file_open(t->job->input, t->options->channel, error, ERROR_SIZE);
    if (!t->audio) return false;
    t->rate_hz = fenby_audio_file_rate(t->audio);
    t->start_s = now_s();
    const fenby_engine_config config = {.rate_hz = t->rate_hz, .parameters = t->options->parameters};
    t->engine = fenby_engine_new(&config, t->weights, reason, sizeof reason);
    if (!t->engine) {
        snprintf(error, ERROR_SIZE, "%s: %s", name, reason);
        return false;
    }
    if (!t->job->outputs[FENBY_PLOT_OUTPUT]) return true;
    t->plot = fenby_plot_new();
    if (!t->plot) snprintf(error, ERROR_SIZE, "%s: not enough memory for the picture", name);
    fenby_engine_set_tap(t->engine, on_hop, t);
    return t->plot;
}

// Blocks that the engine's ring has room for.
static bool listen_in_blocks(transcription *t, char *error)
{
    const uint32_t room = fenby_engine_room(t->engine), wanted = (uint32_t)t->options->block_frames;
    const uint32_t block_frames = wanted < room ? wanted : room;
    float *block = malloc(block_frames * sizeof *block);
    const bool good = block && listen(t, block, block_frames);
    free(block);
    const char *const reason = interrupted ? "interrupted" : "not enough memory";
    if (!good) snprintf(error, ERROR_SIZE, "%s: %s", fenby_audio_file_name(t->job->input), reason);
    return good;
}

static void warn_of_silence(const transcription *t)
{
    if (t->options->quiet || !fenby_audio_file_cancels(t->audio)) return;
    fenby_print_line(stderr, "fenby: %s: its channels cancel each other out, so little is heard: try one of them, "
                     "--channel N", fenby_audio_file_name(t->job->input));
}

// A damaged file is transcribed as far as it goes, but counts as one that failed.
static bool finish(const transcription *t, char *error)
{
    const char *const damage = fenby_audio_file_damage(t->audio);
    if (!damage || t->frames > 0) {
        if (!write_outputs(t, error)) return false;
        print_summary(t);
        warn_of_silence(t);
    }
    if (damage) snprintf(error, ERROR_SIZE, "%s: %s", fenby_audio_file_name(t->job->input), damage);
    return !damage;
}

static bool transcribe(transcription *t)
{
    char error[ERROR_SIZE];
    const bool heard = start(t, error) && listen_in_blocks(t, error);
    clear_progress(t);
    const bool good = heard && finish(t, error);
    if (!good) complain(error);
    fenby_plot_free(t->plot);
    fenby_engine_free(t->engine);
    fenby_audio_file_close(t->audio);
    fenby_notes_free(&t->notes);
    return good;
}

static int transcribe_all(const fenby_options *options, const fenby_weights *weights)
{
    char error[ERROR_SIZE];
    fenby_jobs jobs;
    size_t n_left_out = 0;
    int result = 0;
    if (!fenby_jobs_make(&jobs, options->inputs, options->n_inputs, options->outputs, &interrupted, error,
                         sizeof error)) {
        complain(error);
        result = BAD_COMMAND;
    }
    for (size_t i = 0; i < jobs.count && result != BAD_COMMAND && !interrupted; i++) {
        const fenby_job *job = &jobs.job[i];
        transcription t = {.options = options, .weights = weights, .job = job};
        if (options->only_new && !job->error && fenby_job_is_done(job)) {
            n_left_out++;
            continue;
        }
        if (job->error) complain(job->error);
        if (job->error || !transcribe(&t)) result = BAD_FILE;
    }
    if (n_left_out && !options->quiet)
        printf("%zu input%s left out, as the outputs are there\n", n_left_out, n_left_out == 1 ? "" : "s");
    fenby_jobs_free(&jobs);
    return interrupted ? INTERRUPTED : result;
}

// --- the program ---------------------------------------------------------------------------------------------

static fenby_weights *load_weights(const char *path, char *error)
{
    const unsigned long long features = fenby_cqt_features_hash();
    return path ? fenby_weights_load(path, features, error, ERROR_SIZE)
                : fenby_weights_default(features, error, ERROR_SIZE);
}

static int with_weights(const fenby_options *options)
{
    char error[ERROR_SIZE];
    fenby_weights *weights = load_weights(options->model, error);
    int result = BAD_COMMAND;
    if (!weights)
        complain(error);
    else if (options->action == FENBY_TRANSCRIBE)
        result = transcribe_all(options, weights);
    else if (fenby_info_model(stdout, weights, error, sizeof error))
        result = 0;
    else
        complain(error);
    fenby_weights_free(weights);
    return result;
}

static int act(const fenby_options *options)
{
    char error[ERROR_SIZE];
    switch (options->action) {
    case FENBY_SHOW_HELP: fputs(fenby_help, stdout); return 0;
    case FENBY_LIST_PARAMETERS: fenby_info_parameters(stdout); return 0;
    case FENBY_LIST_PRESETS:
        if (fenby_info_presets(stdout, error, sizeof error)) return 0;
        complain(error);
        return BAD_FILE;
    case FENBY_SHOW_VERSION: puts("fenby " FENBY_VERSION); return options->verbose ? with_weights(options) : 0;
    case FENBY_TRANSCRIBE: break;
    }
    return with_weights(options);
}

int main(int argc, char **argv)
{
    char error[ERROR_SIZE];
    fenby_options options;
    fenby_open_standard_files();
    if (!fenby_options_parse(&options, argc, argv, error, sizeof error)) {
        complain(error);
        return BAD_COMMAND;
    }
    handle_signals();
    const int result = act(&options);
    if (result || fenby_flush_output()) return result;
    complain("standard output: cannot be written");
    return BAD_FILE;
}
