// SPDX-License-Identifier: ISC
// A small LV2 host for the tests: it finds the plugin through lilv, offers the extensions that a test asks for,
// runs it in blocks of any length and watches every byte that comes out.
//
// The worker is a thread of the host's own, with a queue, unless `synchronous`.
#ifndef FENBY_LV2_HOST_H
#define FENBY_LV2_HOST_H

#include <dirent.h>
#include <lilv/lilv.h>
#include <lv2/atom/atom.h>
#include <lv2/atom/forge.h>
#include <lv2/buf-size/buf-size.h>
#include <lv2/log/log.h>
#include <lv2/options/options.h>
#include <lv2/patch/patch.h>
#include <lv2/state/state.h>
#include <lv2/time/time.h>
#include <lv2/urid/urid.h>
#include <lv2/worker/worker.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "plugin/messages.h"
#include "plugin/ports.h"
#include "tests/test.h"

// Sanitizers and valgrind make everything twenty times slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(UNDER_VALGRIND)
#define HOST_SANITIZED 1
#else
#define HOST_SANITIZED 0
#endif

enum { HOST_MOST_BLOCK = 8192, HOST_MOST_EVENTS = 20000, HOST_MOST_URIS = 256, HOST_JOBS = 64 };

typedef struct {
    int64_t frame;
    uint8_t bytes[3];
} host_event;

typedef struct {
    bool stereo, no_map, no_worker, no_options, no_log, synchronous;
    double rate_hz;
    int32_t block;  // what the options say
    int only_channel;  // of stereo: 1 or 2 has all of the sound, 0: both have it
} host_config;

typedef struct {
    host_config config;
    LilvWorld *world;
    const LilvPlugin *plugin;
    LilvInstance *instance;
    const LV2_Worker_Interface *worker;
    const LV2_Options_Interface *options_interface;

    pthread_mutex_t uri_lock;
    char *uris[HOST_MOST_URIS];
    uint32_t n_uris;
    LV2_URID_Map map;
    LV2_URID_Unmap unmap;
    fenby_urids urids;
    LV2_URID atom_sequence;

    pthread_t thread;
    pthread_mutex_t job_lock;
    pthread_cond_t job_waits;
    int jobs, jobs_done;
    bool threaded, quit;
    bool drops;  // jobs, as a host does that stops its worker
    bool stalls;  // the worker gets no time; under the job lock

    char log[1024];  // the last line
    int log_lines;

    float control[FENBY_PORT_AUDIO];
    float audio[4][HOST_MOST_BLOCK];
    union {
        LV2_Atom_Sequence sequence;
        _Alignas(8) uint8_t bytes[FENBY_ATOM_PORT_BYTES];
    } control_in, midi_out, notify_out;
    uint32_t midi_room;  // bytes that the MIDI output offers
    LV2_Atom_Forge forge;
    LV2_Atom_Forge_Frame sequence_frame;

    int64_t frames;
    host_event *events;
    int n_events;
    int broken;  // promises: order, place, pairs of on and off
    int64_t last_frame;
    uint8_t sounding[16][128];
    int notes, bends;

    int hops, shown_notes;
    char model[4096], message[4200];
    fenby_view_hop last_hop;
    void (*on_notify)(void *user, const LV2_Atom *atom);  // a UI that listens
    void *notify_user;
} host;

// --- what the host offers ------------------------------------------------------------------------------------

static inline LV2_URID host_map(LV2_URID_Map_Handle handle, const char *uri)
{
    host *h = handle;
    pthread_mutex_lock(&h->uri_lock);
    uint32_t i = 0;
    while (i < h->n_uris && strcmp(h->uris[i], uri)) i++;
    if (i == h->n_uris && i < HOST_MOST_URIS) h->uris[h->n_uris++] = strdup(uri);
    pthread_mutex_unlock(&h->uri_lock);
    return i + 1;
}

static inline const char *host_unmap(LV2_URID_Unmap_Handle handle, LV2_URID urid)
{
    host *h = handle;
    pthread_mutex_lock(&h->uri_lock);
    const char *uri = urid && urid <= h->n_uris ? h->uris[urid - 1] : NULL;
    pthread_mutex_unlock(&h->uri_lock);
    return uri;
}

static inline int host_vprintf(LV2_Log_Handle handle, LV2_URID type, const char *format, va_list arguments)
{
    (void)type;
    host *h = handle;
    h->log_lines++;
    return vsnprintf(h->log, sizeof h->log, format, arguments);
}

__attribute__((format(printf, 3, 4))) static inline int host_printf(LV2_Log_Handle handle, LV2_URID type,
                                                                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = host_vprintf(handle, type, format, arguments);
    va_end(arguments);
    return length;
}

static inline LV2_Worker_Status host_respond(LV2_Worker_Respond_Handle handle, uint32_t size, const void *data)
{
    (void)handle, (void)size, (void)data;
    return LV2_WORKER_SUCCESS;
}

static inline LV2_Worker_Status host_schedule(LV2_Worker_Schedule_Handle handle, uint32_t size,
                                              const void *data)
{
    host *h = handle;
    if (h->drops) return LV2_WORKER_SUCCESS;
    if (h->config.synchronous) return h->worker->work(h->instance->lv2_handle, host_respond, h, size, data);
    pthread_mutex_lock(&h->job_lock);
    const bool room = h->jobs - h->jobs_done < HOST_JOBS;
    if (room) h->jobs++;
    pthread_cond_signal(&h->job_waits);
    pthread_mutex_unlock(&h->job_lock);
    return room ? LV2_WORKER_SUCCESS : LV2_WORKER_ERR_NO_SPACE;
}

static inline void *host_works(void *handle)
{
    host *h = handle;
    pthread_mutex_lock(&h->job_lock);
    while (!h->quit) {
        if (h->stalls || h->jobs == h->jobs_done) {
            pthread_cond_wait(&h->job_waits, &h->job_lock);
            continue;
        }
        pthread_mutex_unlock(&h->job_lock);
        h->worker->work(h->instance->lv2_handle, host_respond, h, 0, NULL);
        pthread_mutex_lock(&h->job_lock);
        h->jobs_done++;
    }
    pthread_mutex_unlock(&h->job_lock);
    return NULL;
}

// --- life ----------------------------------------------------------------------------------------------------

static inline const char *host_bundle(void)
{
    static char path[4096];
    const char *build = getenv("BUILD");
    char relative[2048], *absolute;
    snprintf(relative, sizeof relative, "%s/lv2/fenby.lv2", build ? build : "build");
    absolute = realpath(relative, NULL);
    snprintf(path, sizeof path, "%s/", absolute ? absolute : relative);
    free(absolute);
    return path;
}

static inline void host_load_world(host *h)
{
    h->world = lilv_world_new();
    LilvNode *bundle = lilv_new_file_uri(h->world, NULL, host_bundle());
    lilv_world_load_bundle(h->world, bundle);
    lilv_node_free(bundle);
    LilvNode *uri = lilv_new_uri(h->world, h->config.stereo ? FENBY_LV2_STEREO_URI : FENBY_LV2_URI);
    h->plugin = lilv_plugins_get_by_uri(lilv_world_get_all_plugins(h->world), uri);
    lilv_node_free(uri);
    REQUIRE(h->plugin, "%s holds no plugin", host_bundle());
}

static inline void host_instantiate(host *h)
{
    LV2_Worker_Schedule schedule = {h, host_schedule};
    LV2_Log_Log log = {h, host_printf, host_vprintf};
    const LV2_Options_Option options[] = {
        {LV2_OPTIONS_INSTANCE, 0, h->urids.max_block, sizeof(int32_t), h->urids.atom_int, &h->config.block},
        {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, NULL},
    };
    LV2_Feature offered[] = {
        {LV2_URID__map, &h->map},
        {LV2_URID__unmap, &h->unmap},
        {LV2_WORKER__schedule, &schedule},
        {LV2_OPTIONS__options, (void *)options},
        {LV2_LOG__log, &log},
    };
    const bool missing[] = {h->config.no_map, h->config.no_map, h->config.no_worker, h->config.no_options,
                            h->config.no_log};
    const LV2_Feature *features[6] = {NULL};
    for (int i = 0, n = 0; i < 5; i++)
        if (!missing[i]) features[n++] = &offered[i];
    // The plugin may keep what schedule and log point to.
    static LV2_Worker_Schedule schedules[256];
    static LV2_Log_Log logs[256];
    static int next;
    schedules[next] = schedule;
    logs[next] = log;
    offered[2].data = &schedules[next];
    offered[4].data = &logs[next];
    next = (next + 1) % 256;
    h->instance = lilv_plugin_instantiate(h->plugin, h->config.rate_hz, features);
}

static inline void host_connect(host *h)
{
    for (int i = 0; i < FENBY_PORT_AUDIO; i++) {
        const fenby_port port = fenby_port_describe(h->config.stereo, i);
        h->control[i] = port.value.default_value;
        lilv_instance_connect_port(h->instance, (uint32_t)i, &h->control[i]);
    }
    lilv_instance_connect_port(h->instance, FENBY_PORT_CONTROL, &h->control_in);
    lilv_instance_connect_port(h->instance, FENBY_PORT_MIDI_OUT, &h->midi_out);
    lilv_instance_connect_port(h->instance, FENBY_PORT_NOTIFY, &h->notify_out);
    for (int i = FENBY_PORT_AUDIO; i < fenby_n_ports(h->config.stereo); i++)
        lilv_instance_connect_port(h->instance, (uint32_t)i, h->audio[i - FENBY_PORT_AUDIO]);
}

// Empties the messages to the plugin; what follows is forged into h->forge until host_run.
static inline void host_begin_messages(host *h)
{
    lv2_atom_forge_set_buffer(&h->forge, h->control_in.bytes, sizeof h->control_in);
    lv2_atom_forge_sequence_head(&h->forge, &h->sequence_frame, 0);
}

// NULL when the plugin refuses.
static inline host *host_open(host_config config)
{
    host *h = calloc(1, sizeof *h);
    REQUIRE(h, "no memory");
    h->config = config;
    if (!h->config.rate_hz) h->config.rate_hz = 48000;
    if (!h->config.block) h->config.block = 256;
    h->events = calloc(HOST_MOST_EVENTS, sizeof *h->events);
    h->midi_room = sizeof h->midi_out;
    pthread_mutex_init(&h->uri_lock, NULL);
    pthread_mutex_init(&h->job_lock, NULL);
    pthread_cond_init(&h->job_waits, NULL);
    h->map = (LV2_URID_Map){h, host_map};
    h->unmap = (LV2_URID_Unmap){h, host_unmap};
    fenby_urids_map(&h->urids, &h->map);
    h->atom_sequence = host_map(h, LV2_ATOM__Sequence);
    lv2_atom_forge_init(&h->forge, &h->map);
    host_begin_messages(h);
    host_load_world(h);
    host_instantiate(h);
    if (!h->instance) return h;
    h->worker = lilv_instance_get_extension_data(h->instance, LV2_WORKER__interface);
    h->options_interface = lilv_instance_get_extension_data(h->instance, LV2_OPTIONS__interface);
    host_connect(h);
    h->threaded = !h->config.no_worker && !h->config.synchronous;
    const int failed = h->threaded ? pthread_create(&h->thread, NULL, host_works, h) : 0;
    REQUIRE(!failed, "no thread");
    lilv_instance_activate(h->instance);
    return h;
}

static inline void host_restart(host *h)
{
    lilv_instance_deactivate(h->instance);
    lilv_instance_activate(h->instance);
}

static inline void host_free_plugin(host *h)
{
    if (h->instance) lilv_instance_deactivate(h->instance);
    if (h->instance) lilv_instance_free(h->instance);
    h->instance = NULL;
}

// As Ardour does, frees the plugin while the worker still runs.
static inline void host_close(host *h)
{
    host_free_plugin(h);
    if (h->threaded) {
        pthread_mutex_lock(&h->job_lock);
        h->quit = true;
        pthread_cond_signal(&h->job_waits);
        pthread_mutex_unlock(&h->job_lock);
        pthread_join(h->thread, NULL);
    }
    lilv_world_free(h->world);
    for (uint32_t i = 0; i < h->n_uris; i++) free(h->uris[i]);
    free(h->events);
    free(h);
}

// --- what comes out ------------------------------------------------------------------------------------------

static inline void host_watch(host *h, int64_t offset, uint32_t n_frames, const uint8_t *bytes, uint32_t size)
{
    const int status = bytes[0] & 0xf0, channel = bytes[0] & 0x0f, key = bytes[1];
    const int64_t frame = h->frames + offset;
    const bool is_note = status == 0x80 || status == 0x90;
    bool kept = size == 3 && (is_note || status == 0xb0 || status == 0xe0) && key < 128 && bytes[2] < 128;
    kept = kept && offset >= 0 && offset < n_frames && frame >= h->last_frame;
    if (is_note) {
        kept = kept && h->sounding[channel][key & 127] == (status == 0x80) && (status == 0x80 || bytes[2] > 0);
        h->sounding[channel][key & 127] = status == 0x90;
    }
    h->broken += !kept;
    h->notes += status == 0x90;
    h->bends += status == 0xe0;
    h->last_frame = frame;
    if (h->n_events < HOST_MOST_EVENTS) {
        host_event *e = &h->events[h->n_events++];
        e->frame = frame;
        memcpy(e->bytes, bytes, 3);
    }
}

static inline const LV2_Atom *host_value(const LV2_Atom_Object *object, LV2_URID key)
{
    const uint8_t *at = (const uint8_t *)(&object->body + 1),
                  *end = (const uint8_t *)&object->body + object->atom.size;
    while (at < end) {
        const LV2_Atom_Property_Body *p = (const LV2_Atom_Property_Body *)at;
        if (p->key == key) return &p->value;
        at += (sizeof *p + p->value.size + 7) & ~(size_t)7;
    }
    return NULL;
}

static inline void host_take_notify(host *h, const LV2_Atom *atom)
{
    const void *body = atom + 1;
    if (atom->type == h->urids.view) {
        h->hops++;
        memcpy(&h->last_hop, body, sizeof h->last_hop);
    }
    if (atom->type == h->urids.note) h->shown_notes++;
    if (atom->type == h->urids.message) snprintf(h->message, sizeof h->message, "%s", (const char *)body);
    if (atom->type == h->urids.atom_object) {
        const LV2_Atom_Object *object = (const LV2_Atom_Object *)atom;
        const LV2_Atom *value = host_value(object, h->urids.patch_value);
        if (object->body.otype == h->urids.patch_set && value)
            snprintf(h->model, sizeof h->model, "%s", (const char *)(value + 1));
    }
    if (h->on_notify) h->on_notify(h->notify_user, atom);
}

static inline int host_read_sequence(host *h, const LV2_Atom_Sequence *sequence, uint32_t n_frames, bool midi)
{
    int count = 0;
    int64_t last = 0;
    if (sequence->atom.type != h->atom_sequence) return h->broken++;
    const uint8_t *at = (const uint8_t *)(sequence + 1);
    const uint8_t *end = (const uint8_t *)&sequence->body + sequence->atom.size;
    for (; at < end; count++) {
        const LV2_Atom_Event *event = (const LV2_Atom_Event *)at;
        h->broken += event->time.frames < last || event->time.frames > n_frames - (n_frames > 0);
        last = event->time.frames;
        if (!midi)
            host_take_notify(h, &event->body);
        else if (event->body.type == h->urids.midi_event)
            host_watch(h, event->time.frames, n_frames, (const uint8_t *)(event + 1), event->body.size);
        else
            h->broken++;
        at += (sizeof *event + event->body.size + 7) & ~(size_t)7;
    }
    return count;
}

// --- running -------------------------------------------------------------------------------------------------

// One block: the audio in h->audio, the messages forged so far.
static inline void host_run(host *h, uint32_t n_frames)
{
    lv2_atom_forge_pop(&h->forge, &h->sequence_frame);
    h->midi_out.sequence.atom = (LV2_Atom){h->midi_room, 0};
    h->notify_out.sequence.atom = (LV2_Atom){sizeof h->notify_out - sizeof(LV2_Atom), 0};
    lilv_instance_run(h->instance, n_frames);
    host_read_sequence(h, &h->midi_out.sequence, n_frames, true);
    host_read_sequence(h, &h->notify_out.sequence, n_frames, false);
    h->frames += n_frames;
    host_begin_messages(h);
}

// The same samples on all inputs, from memory; NULL: silence.
static inline void host_play(host *h, const float *samples, uint32_t n_frames)
{
    for (int channel = 0; channel < (h->config.stereo ? 2 : 1); channel++) {
        const int only = h->config.only_channel;
        const float gain = only == 0 ? 1 : only == channel + 1 ? 2 : 0;
        for (uint32_t i = 0; i < n_frames; i++) h->audio[channel][i] = samples ? gain * samples[i] : 0;
    }
    host_run(h, n_frames);
}

// Whether every other thread of this process sleeps. One that was woken does not, even where the machine has not yet
// found the time to let it run.
static inline bool host_others_sleep(void)
{
    bool all = true;
    DIR *const threads = opendir("/proc/self/task");
    if (!threads) REQUIRE(threads, "no /proc/self/task");
    for (const struct dirent *entry; all && (entry = readdir(threads));) {
        char path[300], state = 'S';
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == gettid()) continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
        FILE *const file = fopen(path, "r");  // NULL: it has ended
        if (file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1) all = state == 'S';
        if (file) fclose(file);
    }
    closedir(threads);
    return all;
}

static inline bool host_is_idle(host *h)
{
    if (h->config.no_worker) return host_others_sleep();
    pthread_mutex_lock(&h->job_lock);
    const bool idle = !h->threaded || h->jobs == h->jobs_done;
    pthread_mutex_unlock(&h->job_lock);
    return idle;
}

// Waits until the worker has nothing to do, for five seconds at most.
static inline void host_rest(host *h)
{
    for (int i = 0; i < 25000 && !host_is_idle(h); i++) nanosleep(&(struct timespec){0, 200000}, NULL);
}

// From now on the worker gets no time, or it gets it again.
static inline void host_stall(host *h, bool stalls)
{
    pthread_mutex_lock(&h->job_lock);
    h->stalls = stalls;
    pthread_cond_signal(&h->job_waits);
    pthread_mutex_unlock(&h->job_lock);
}

// Plays silence until the plugin has something new to say, for ten seconds at most: saving takes its time.
static inline void host_await_message(host *h)
{
    *h->message = 0;
    for (int i = 0; i < 10000 && !*h->message; i++) {
        host_play(h, NULL, 64);
        host_rest(h);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

static inline int host_hanging(const host *h)
{
    int n = 0;
    for (int i = 0; i < 16 * 128; i++) n += h->sounding[i / 128][i % 128];
    return n;
}

// Plucked strings, in chords of one to three notes.
static inline void host_compose(float *music, int n_frames, double rate_hz)
{
    unsigned long long state = 1;
    int keys[3];
    for (double start_s = 0.1; start_s < n_frames / rate_hz - 0.5; start_s += 0.25) {
        const int n_keys = 1 + (int)(3 * test_random(&state));
        for (int i = 0; i < n_keys; i++) keys[i] = 45 + 12 * i + (int)(12 * test_random(&state));
        for (int i = 0; i < n_keys; i++) {
            const double hz = 440 * exp2((keys[i] - 69) / 12.0);
            const int first = (int)(start_s * rate_hz), end = first + (int)(1.5 * rate_hz);
            for (int k = first; k < n_frames && k < end; k++) {
                const double t = (k - first) / rate_hz;
                for (int partial = 1; partial <= 6; partial++)
                    music[k] +=
                        (float)(0.1 / partial * exp(-(3 + partial) * t) * sin(2 * M_PI * hz * partial * t));
            }
        }
    }
}

// --- messages ------------------------------------------------------------------------------------------------

static inline void host_send_model(host *h, const char *path)
{
    LV2_Atom_Forge_Frame frame;
    lv2_atom_forge_frame_time(&h->forge, 0);
    lv2_atom_forge_object(&h->forge, &frame, 0, h->urids.patch_set);
    lv2_atom_forge_key(&h->forge, h->urids.patch_property);
    lv2_atom_forge_urid(&h->forge, h->urids.model);
    lv2_atom_forge_key(&h->forge, h->urids.patch_value);
    lv2_atom_forge_path(&h->forge, path, (uint32_t)strlen(path));
    lv2_atom_forge_pop(&h->forge, &frame);
}

static inline void host_send_position(host *h, uint32_t offset, int64_t position, float speed)
{
    LV2_Atom_Forge_Frame frame;
    lv2_atom_forge_frame_time(&h->forge, offset);
    lv2_atom_forge_object(&h->forge, &frame, 0, h->urids.time_position);
    lv2_atom_forge_key(&h->forge, h->urids.time_frame);
    lv2_atom_forge_long(&h->forge, position);
    lv2_atom_forge_key(&h->forge, h->urids.time_speed);
    lv2_atom_forge_float(&h->forge, speed);
    lv2_atom_forge_pop(&h->forge, &frame);
}

// An object without properties: watch, unwatch, patch:Get.
static inline void host_send(host *h, LV2_URID type)
{
    const LV2_Atom_Object object = {{sizeof object.body, h->urids.atom_object}, {0, type}};
    lv2_atom_forge_frame_time(&h->forge, 0);
    lv2_atom_forge_write(&h->forge, &object, sizeof object);
}

static inline void host_send_save(host *h, const char *path)
{
    LV2_Atom_Forge_Frame frame;
    lv2_atom_forge_frame_time(&h->forge, 0);
    lv2_atom_forge_object(&h->forge, &frame, 0, h->urids.save);
    lv2_atom_forge_key(&h->forge, h->urids.save_path);
    lv2_atom_forge_path(&h->forge, path, (uint32_t)strlen(path));
    lv2_atom_forge_pop(&h->forge, &frame);
}

#endif
