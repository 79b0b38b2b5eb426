// SPDX-License-Identifier: ISC
// fenby-jack: plays along. Audio from JACK in, MIDI to JACK out, live; the control thread's loop.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../dsp/cqt.h"
#include "command_line.h"
#include "fenby_jack_clock.h"
#include "fenby_jack_control.h"
#include "fenby_jack_nsm.h"
#include "fenby_jack_options.h"
#include "fenby_jack_osc.h"
#include "fenby_jack_portmidi.h"
#include "fenby_jack_view.h"
#include "fenby_jack_window.h"
#include "info.h"

enum {
    ERROR_SIZE = 1024,
    CANNOT_RUN = 1,
    BAD_COMMAND = 2,
    TICK_MS = 50,
    WINDOW_TICK_MS = 15,
    PATIENCE_MS = 5000,  // from a signal to the end
    LAST_S = 2,          // for what is done then
};

static const double keep_interval_s = 5;

// What the control thread may wait for without end.
static const char jack_server[] = "the JACK server", disk[] = "the disk", midi_device[] = "the MIDI device",
                  reader[] = "what reads its output";

typedef struct {
    const fenby_jack_options *options;
    _Atomic(fenby_jack_view *) view;          // both also for the thread that waits for signals
    _Atomic(fenby_jack_portmidi *) portmidi;  // these four: NULL when not wanted
    fenby_jack_osc *osc;
    fenby_jack_nsm *nsm;
    fenby_jack_window *window;
    fenby_jack_control *control;
    int wake_descriptor, signal_descriptor;
    int quit_descriptor, ended_descriptor;  // from and to the thread that waits for signals
    pthread_t signal_thread;
    _Atomic(const char *) awaited;  // one of the above
    fenby_jack_state fresh;  // what it begins with
    fenby_jack_state saved;  // what the state's file holds
    double keep_at_s;        // when to look whether the state has changed
    bool cannot_keep;        // the last look found a change that could not be written
    bool has_begun;          // and with it the recording that was asked for
} program;

static void complain(const char *error)
{
    fenby_print_line(stderr, "fenby-jack: %s", error);
}

static void on_note(void *user, const fenby_jack_note *note)
{
    program *p = user;
    fenby_jack_view_note(p->view, note);
    if (p->osc) fenby_jack_osc_note(p->osc, note);
    if (p->window) fenby_jack_window_note(p->window, note);
}

static void on_say(void *user, const char *line, bool is_trouble)
{
    program *p = user;
    p->awaited = reader;
    fenby_jack_view_say(p->view, line, is_trouble);
    p->awaited = jack_server;
    if (p->nsm) fenby_jack_nsm_say(p->nsm, line, is_trouble);
    if (p->window) fenby_jack_window_say(p->window, line);
}

static void on_hop(void *user, const float *cqt_frame, const float *onset, const float *sounding, double end_s)
{
    fenby_jack_window_hop(((program *)user)->window, cqt_frame, onset, sounding, end_s);
}

// --- beginning -----------------------------------------------------------------------------------------------

// The control thread is held up, and nothing may hold up this one: stdio's locks may be taken, a terminal may take
// nothing more, and the audio thread may still be at work with all there is.
static void end_without(program *p)
{
    char line[128];
    struct pollfd errors = {.fd = STDERR_FILENO, .events = POLLOUT};
    alarm(LAST_S);
    fenby_jack_portmidi_stop(atomic_exchange(&p->portmidi, NULL));
    fenby_jack_view_leave(p->view);
    const int n = snprintf(line, sizeof line, "fenby-jack: %s does not answer, ended without it\n", p->awaited);
    if (poll(&errors, 1, 0) == 1) (void)!write(STDERR_FILENO, line, (size_t)n);
    _exit(CANNOT_RUN);
}

// JACK's library waits without end for a server that stands still, and with it the control thread. Meanwhile this one
// listens: it has the loop end, and if that takes too long it ends the program itself. More signals change nothing: a
// terminal's and a script's may come together.
static void *watch_signals(void *user)
{
    program *p = user;
    struct pollfd waited[] = {{.fd = p->signal_descriptor, .events = POLLIN},
                              {.fd = p->ended_descriptor, .events = POLLIN}};
    struct signalfd_siginfo signal_info;
    int has_ended;
    while (poll(waited, 2, -1) < 0 && errno == EINTR) continue;
    if (waited[1].revents || read(p->signal_descriptor, &signal_info, sizeof signal_info) < 0) return NULL;
    eventfd_write(p->quit_descriptor, 1);
    while ((has_ended = poll(&waited[1], 1, PATIENCE_MS)) < 0 && errno == EINTR) continue;
    if (!has_ended) end_without(p);
    return NULL;
}

// To be called before there are other threads, which take over what is blocked.
static bool catch_signals(program *p)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (!fenby_ignores_hangup()) sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    p->signal_descriptor = signalfd(-1, &signals, SFD_CLOEXEC);
    p->quit_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->ended_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return pthread_create(&p->signal_thread, NULL, watch_signals, p) == 0;
}

// What has once been touched stays in memory, where there is a right to that without limit.
static void stay_in_memory(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY)
        mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

// From the state's file if there is one, which leaves in `saved` what that holds, then from the command line.
static bool begin_state(const fenby_jack_options *options, fenby_jack_state *state, fenby_jack_state *saved,
                        char *error)
{
    *state = fenby_jack_state_default();
    const char *const path = options->state_file;
    if (path && access(path, F_OK) == 0) {
        if (!fenby_jack_state_load(state, path, error, ERROR_SIZE)) return false;
        *saved = *state;
    }
    return fenby_jack_options_apply(options, state, error, ERROR_SIZE);
}

static fenby_jack_view_kind view_kind(const fenby_jack_options *options)
{
    if (options->quiet) return FENBY_JACK_SILENT;
    return options->plain || !isatty(STDOUT_FILENO) ? FENBY_JACK_LINES : FENBY_JACK_SCREEN;
}

static bool begin_control(program *p, char *error)
{
    const fenby_jack_options *options = p->options;
    fenby_jack_control_config config = {
        .may_start_server = options->starts_server,
        .waits_for_server = options->waits_for_server || p->nsm,
        .has_midi_port = options->jack_midi,
        .n_inputs = options->n_inputs,
        .wake_descriptor = p->wake_descriptor,
        .portmidi = p->portmidi,
        .user = p,
        .on_note = on_note,
        .say = on_say,
        .tap = options->window ? on_hop : NULL,
    };
    snprintf(config.name, sizeof config.name, "%s", options->name);
    p->control = fenby_jack_control_new(&config, &p->fresh, error, ERROR_SIZE);
    return p->control;
}

static bool begin_portmidi(program *p, char *error)
{
    const char *const device = p->options->midi_device;
    if (device) p->portmidi = fenby_jack_portmidi_new(device, error, ERROR_SIZE);
    return !device || p->portmidi;
}

// A second fenby-jack takes another port than the usual one, unless it was asked for.
static bool begin_osc(program *p, char *error)
{
    char line[ERROR_SIZE];
    const fenby_jack_options *options = p->options;
    if (options->osc_port == FENBY_JACK_NO_OSC) return true;
    p->osc = fenby_jack_osc_new(options->osc_address, options->osc_port, error, ERROR_SIZE);
    if (!p->osc && !options->has_osc_port)
        p->osc = fenby_jack_osc_new(options->osc_address, FENBY_JACK_ANY_OSC_PORT, error, ERROR_SIZE);
    if (!p->osc) return false;
    *error = 0;
    snprintf(line, sizeof line, "OSC on %s port %d", options->osc_address, fenby_jack_osc_port(p->osc));
    fenby_jack_view_say(p->view, line, false);
    return true;
}

// Without a manager that can be reached the program goes on alone.
static void begin_nsm(program *p)
{
    char error[ERROR_SIZE];
    const char *const url = getenv("NSM_URL");
    if (!url || !*url) return;
    p->nsm = fenby_jack_nsm_new(url, program_invocation_short_name, &p->fresh, error, sizeof error);
    if (!p->nsm) fenby_jack_view_say(p->view, error, true);
}

static bool begin_window(program *p, char *error)
{
    if (p->options->window) p->window = fenby_jack_window_new(p->control, error, ERROR_SIZE);
    return p->window || !p->options->window;
}

// The take before makes room for it, so it begins last, when all else has.
static bool begin_recording(program *p, char *error)
{
    const char *const path = p->options->record;
    p->has_begun = true;
    return !path || fenby_jack_control_record(p->control, path, true, error, ERROR_SIZE);
}

// Under a session manager JACK, and with it the recording, has to wait until it opens a session.
static bool begin(program *p, char *error)
{
    begin_nsm(p);
    return begin_portmidi(p, error) && begin_osc(p, error) && begin_control(p, error) && begin_window(p, error) &&
           (p->nsm || (fenby_jack_control_start(p->control, error, ERROR_SIZE) && begin_recording(p, error)));
}

// --- the loop ------------------------------------------------------------------------------------------------

// Writes the state's file if there is one and something has changed.
static bool keep_state(program *p, char *error)
{
    const fenby_jack_state *state = fenby_jack_control_state(p->control);
    if (!p->options->state_file || fenby_jack_state_equal(state, &p->saved)) return true;
    p->awaited = disk;
    const bool good = fenby_jack_state_save(state, p->options->state_file, error, ERROR_SIZE);
    p->awaited = jack_server;
    if (good) p->saved = *state;
    return good;
}

// A power cut costs a few seconds of changes at most. What cannot be written is tried again, and told of once.
static void keep_state_now_and_then(program *p)
{
    char error[ERROR_SIZE];
    if (fenby_jack_now_s() < p->keep_at_s) return;
    p->keep_at_s = fenby_jack_now_s() + keep_interval_s;
    const bool good = keep_state(p, error);
    if (!good && !p->cannot_keep) fenby_jack_view_say(p->view, error, true);
    if (good && p->cannot_keep) fenby_jack_view_say(p->view, "the state is kept again", false);
    p->cannot_keep = !good;
}

static void wait_for_something(const program *p)
{
    struct pollfd waited[] = {
        {.fd = p->wake_descriptor, .events = POLLIN},
        {.fd = p->quit_descriptor, .events = POLLIN},
        {.fd = fenby_jack_view_descriptor(p->view), .events = POLLIN},
        {.fd = p->osc ? fenby_jack_osc_descriptor(p->osc) : -1, .events = POLLIN},
        {.fd = p->nsm ? fenby_jack_nsm_descriptor(p->nsm) : -1, .events = POLLIN},
    };
    eventfd_t n;
    poll(waited, sizeof waited / sizeof waited[0], p->window ? WINDOW_TICK_MS : TICK_MS);
    if (waited[0].revents & POLLIN) eventfd_read(p->wake_descriptor, &n);
    if (waited[1].revents & POLLIN && eventfd_read(p->quit_descriptor, &n) == 0) fenby_jack_control_quit(p->control);
}

static void say_figures(program *p)
{
    char line[160];
    fenby_jack_control_status status;
    fenby_jack_control_status_get(p->control, &status);
    snprintf(line, sizeof line, "xruns %llu, late notes %llu, gaps %llu",
             (unsigned long long)status.client.xruns, (unsigned long long)status.client.engine.late_events,
             (unsigned long long)status.client.engine.overruns);
    if (status.is_running) fenby_jack_view_say(p->view, line, false);
}

static bool follow_manager(program *p, char *error)
{
    if (p->nsm && !fenby_jack_nsm_update(p->nsm, p->control)) {
        fenby_jack_view_say(p->view, "no session manager answers at NSM_URL, going on without", true);
        fenby_jack_control_set_waits(p->control, p->options->waits_for_server);
        if (!fenby_jack_control_start(p->control, error, ERROR_SIZE)) return false;
    }
    return p->has_begun || !fenby_jack_control_is_started(p->control) || begin_recording(p, error);
}

static void loop(program *p, char *error)
{
    while (fenby_jack_control_tick(p->control, error, ERROR_SIZE) && follow_manager(p, error)) {
        p->awaited = disk;  // for recordings and presets
        if (p->osc) fenby_jack_osc_update(p->osc, p->control);
        p->awaited = jack_server;
        fenby_jack_view_update(p->view, p->control);
        if (p->window && !fenby_jack_window_update(p->window)) fenby_jack_control_quit(p->control);
        keep_state_now_and_then(p);
        wait_for_something(p);
    }
    if (view_kind(p->options) == FENBY_JACK_LINES) say_figures(p);
}

static void end(program *p, char *error)
{
    char last_error[ERROR_SIZE];
    if (p->control) {
        if (!keep_state(p, last_error) && !*error) memcpy(error, last_error, sizeof last_error);
        fenby_jack_control_stop(p->control);
    }
    p->awaited = disk;
    if (!fenby_jack_control_free(p->control, last_error, sizeof last_error) && !*error)
        memcpy(error, last_error, sizeof last_error);
    if (p->window && !fenby_jack_window_saved(p->window, last_error, sizeof last_error) && !*error)
        memcpy(error, last_error, sizeof last_error);
    fenby_jack_nsm_free(p->nsm);
    fenby_jack_osc_free(p->osc);
    p->awaited = midi_device;
    fenby_jack_portmidi_free(atomic_exchange(&p->portmidi, NULL));
    p->awaited = reader;
    fenby_jack_view_end(p->view);
    if (*error) complain(error);
}

static program *running;

// Xlib ends the program when its server goes; the notes end first. The window cannot be freed any more.
static void end_at_exit(void)
{
    char error[ERROR_SIZE] = "";
    if (running) end(running, error);
}

static int run(const fenby_jack_options *options)
{
    char error[ERROR_SIZE] = "";
    program p = {.options = options, .awaited = jack_server};
    if (!begin_state(options, &p.fresh, &p.saved, error)) {
        complain(error);
        return BAD_COMMAND;
    }
    stay_in_memory();
    if (!catch_signals(&p)) {
        complain("not enough memory for a thread");
        return CANNOT_RUN;
    }
    p.wake_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p.view = fenby_jack_view_new(view_kind(options));
    running = &p;
    atexit(end_at_exit);
    if (!p.view) snprintf(error, sizeof error, "not enough memory for the view");
    else if (begin(&p, error)) loop(&p, error);
    end(&p, error);
    running = NULL;
    eventfd_write(p.ended_descriptor, 1);
    pthread_join(p.signal_thread, NULL);
    fenby_jack_window_free(p.window);
    fenby_jack_view_free(p.view);
    return *error ? CANNOT_RUN : 0;
}

// --- the program ---------------------------------------------------------------------------------------------

static int show_version(const fenby_jack_options *options)
{
    char error[ERROR_SIZE];
    fenby_jack_state state, saved;
    puts("fenby-jack " FENBY_VERSION);
    if (!options->verbose) return 0;
    fenby_weights *weights = NULL;
    if (begin_state(options, &state, &saved, error))
        weights = *state.model ? fenby_weights_load(state.model, fenby_cqt_features_hash(), error, sizeof error)
                               : fenby_weights_default(fenby_cqt_features_hash(), error, sizeof error);
    const bool good = weights && fenby_info_model(stdout, weights, error, sizeof error);
    if (!good) complain(error);
    fenby_weights_free(weights);
    return good ? 0 : CANNOT_RUN;
}

static int show_presets(void)
{
    char error[ERROR_SIZE];
    if (fenby_info_presets(stdout, error, sizeof error)) return 0;
    complain(error);
    return CANNOT_RUN;
}

static int act(const fenby_jack_options *options)
{
    int result = 0;
    switch (options->action) {
    case FENBY_JACK_RUN: return run(options);
    case FENBY_JACK_SHOW_HELP: fputs(fenby_jack_help, stdout); break;
    case FENBY_JACK_SHOW_VERSION: result = show_version(options); break;
    case FENBY_JACK_LIST_DEVICES: fenby_jack_portmidi_list(stdout); break;
    case FENBY_JACK_LIST_PARAMETERS: fenby_info_parameters(stdout); break;
    case FENBY_JACK_LIST_PRESETS: result = show_presets(); break;
    }
    if (result || fenby_flush_output()) return result;
    complain("standard output: cannot be written");
    return CANNOT_RUN;
}

int main(int argc, char **argv)
{
    char error[ERROR_SIZE];
    fenby_jack_options options;
    int result = BAD_COMMAND;
    fenby_open_standard_files();
    if (fenby_jack_options_parse(&options, argc, argv, error, sizeof error)) result = act(&options);
    else complain(error);
    fenby_jack_options_free(&options);
    return result;
}
