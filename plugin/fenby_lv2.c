// SPDX-License-Identifier: ISC
// The LV2 plugin as hosts see it: setting up, options, state. plugin.h has the whole picture.
#include <lv2/core/lv2_util.h>
#include <lv2/log/log.h>
#include <lv2/options/options.h>
#include <lv2/state/state.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../dsp/heads.h"
#include "plugin.h"

enum {
    DEFAULT_BLOCK = 1024,  // frames, for hosts that do not say
    VIEW_HOPS = 64,        // that may wait for run()
    SENT_NOTES = 4096,     // that may wait for the worker
    MESSAGES = 8,
};

// --- life ----------------------------------------------------------------------------------------------------

// Makes the engine for the block length and puts it in the place of the old one. Neither run() nor the worker
// is running. On failure everything stays as it is.
static bool build_engine(fenby_plugin *p, uint32_t block_frames, const fenby_parameters *parameters,
                         char *error, size_t error_size)
{
    const fenby_engine_config config = {p->rate_hz, block_frames, *parameters};
    const uint32_t most_delay = fenby_latency_of_lookahead(p->rate_hz, block_frames, FENBY_MAX_LOOKAHEAD);
    fenby_engine *engine = fenby_engine_new(&config, fenby_model_weights(p->model), error, error_size);
    if (!engine) return false;
    fenby_thru *thru[MOST_CHANNELS] = {NULL};
    bool enough = true;
    for (int i = 0; i < (p->stereo ? 2 : 1); i++) enough &= (thru[i] = fenby_thru_new(most_delay)) != NULL;
    if (!enough) {
        snprintf(error, error_size, "not enough memory to delay the audio");
        for (int i = 0; i < MOST_CHANNELS; i++) fenby_thru_free(thru[i]);
        fenby_engine_free(engine);
        return false;
    }
    for (int i = 0; i < MOST_CHANNELS; i++) {
        fenby_thru_free(p->rt.thru[i]);
        p->rt.thru[i] = thru[i];
    }
    fenby_engine_free(p->engine);
    p->engine = engine;
    p->block_frames = block_frames;
    fenby_engine_set_tap(engine, fenby_plugin_tap, p);
    return true;
}

// The length that an option is about; NULL: none.
static uint32_t *length_of(const fenby_plugin *p, fenby_block_lengths *named, LV2_URID key)
{
    return key == p->urids.nominal_block ? &named->nominal : key == p->urids.max_block ? &named->most : NULL;
}

// Those that are not among the options stay. False: there is none among them.
static bool read_block_lengths(const fenby_plugin *p, const LV2_Options_Option *option, fenby_block_lengths *named)
{
    bool any = false;
    for (; option && option->key; option++) {
        uint32_t *length = length_of(p, named, option->key);
        if (!length || option->type != p->urids.atom_int || option->size != sizeof(int32_t)) continue;
        const int32_t value = *(const int32_t *)option->value;
        if (value <= 0) continue;
        *length = (uint32_t)value;
        if (length == &named->most && named->nominal > named->most) named->nominal = named->most;  // no longer possible
        any = true;
    }
    return any;
}

// The nominal length, since the maximum may be far above what the host ever uses while playing; longer blocks make
// late notes, not wrong ones.
static uint32_t choose_block(const fenby_block_lengths *named)
{
    return named->nominal ? named->nominal : named->most ? named->most : DEFAULT_BLOCK;
}

static void cleanup(LV2_Handle instance)
{
    fenby_plugin *p = instance;
    if (p->has_thread) {
        atomic_store(&p->quit, true);
        sem_post(&p->wake);
        pthread_join(p->thread, NULL);
    }
    fenby_notes_saver_free(p->saver);
    for (int i = 0; i < MOST_CHANNELS; i++) fenby_thru_free(p->rt.thru[i]);
    fenby_engine_free(p->engine);
    fenby_ring_free(p->commands);
    fenby_ring_free(p->sent);
    fenby_ring_free(p->reports);
    fenby_ring_free(p->hops);
    fenby_recent_notes_free(p->recent);
    fenby_model_release(p->model);
    pthread_mutex_destroy(&p->work_lock);
    pthread_mutex_destroy(&p->state_lock);
    sem_destroy(&p->wake);
    free(p);
}

// What the plugin needs memory, files or threads for.
static bool open_plugin(fenby_plugin *p, const LV2_Options_Option *options, char *error, size_t error_size)
{
    const fenby_parameters parameters = fenby_parameters_default();
    read_block_lengths(p, options, &p->named);
    if (!(p->model = fenby_model_acquire("", error, error_size))) return false;
    if (!build_engine(p, choose_block(&p->named), &parameters, error, error_size)) return false;
    p->commands = fenby_ring_new(sizeof(fenby_command), MESSAGES);
    p->reports = fenby_ring_new(sizeof(fenby_report), MESSAGES);
    p->sent = fenby_ring_new(sizeof(fenby_sent_note), SENT_NOTES);
    p->hops = fenby_ring_new(sizeof(fenby_view_hop), VIEW_HOPS);
    p->recent = fenby_recent_notes_new(p->rate_hz);
    p->saver = fenby_notes_saver_new(fenby_plugin_saved, p);
    if (!p->commands || !p->reports || !p->sent || !p->hops || !p->recent || !p->saver) {
        snprintf(error, error_size, "not enough memory");
        return false;
    }
    if (p->schedule) return true;
    const int failed = pthread_create(&p->thread, NULL, fenby_plugin_thread, p);
    p->has_thread = !failed;
    if (failed) snprintf(error, error_size, "no worker thread: %s", strerror(failed));
    return !failed;
}

static LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate_hz, const char *bundle,
                              const LV2_Feature *const *features)
{
    (void)bundle;
    fenby_plugin *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    LV2_URID_Map *map = lv2_features_data(features, LV2_URID__map);
    lv2_log_logger_init(&p->logger, map, lv2_features_data(features, LV2_LOG__log));
    if (!map) {
        lv2_log_error(&p->logger, "Fenby: the host lacks " LV2_URID__map ", which is needed\n");
        free(p);
        return NULL;
    }
    p->stereo = !strcmp(descriptor->URI, FENBY_LV2_STEREO_URI);
    p->rate_hz = rate_hz;
    p->schedule = lv2_features_data(features, LV2_WORKER__schedule);
    fenby_urids_map(&p->urids, map);
    lv2_atom_forge_init(&p->rt.midi, map);
    lv2_atom_forge_init(&p->rt.notify, map);
    pthread_mutex_init(&p->work_lock, NULL);
    pthread_mutex_init(&p->state_lock, NULL);
    sem_init(&p->wake, 0, 0);
    for (int i = 0; i < FENBY_N_PARAMETERS; i++) p->rt.seen[i] = NAN;
    p->rt.enabled = true;

    char error[ERROR_SIZE];
    if (open_plugin(p, lv2_features_data(features, LV2_OPTIONS__options), error, sizeof error)) return p;
    lv2_log_error(&p->logger, "Fenby: %s\n", error);
    cleanup(p);
    return NULL;
}

static void connect_port(LV2_Handle instance, uint32_t port, void *data)
{
    fenby_plugin *p = instance;
    if (port >= MOST_PORTS) return;
    p->rt.in[port] = p->rt.out[port] = data;
}

static void activate(LV2_Handle instance)
{
    fenby_plugin *p = instance;
    pthread_mutex_lock(&p->work_lock);
    atomic_store(&p->woken, false);  // the host may have dropped a wake-up when it stopped
    fenby_plugin_load_restored(p);
    fenby_engine_reset(p->engine);
    fenby_plugin_begin_engine(p);
    pthread_mutex_unlock(&p->work_lock);
    for (int i = 0; i < (p->stereo ? 2 : 1); i++) fenby_thru_reset(p->rt.thru[i]);
    p->rt.light_frames = 0;
}

// Some hosts free the plugin while their worker still runs, and only then stop it.
static void deactivate(LV2_Handle instance)
{
    fenby_plugin_rest(instance);
}

// --- options -------------------------------------------------------------------------------------------------

// A length that the host has never named is taken to be that of its blocks.
static uint32_t get_options(LV2_Handle instance, LV2_Options_Option *option)
{
    fenby_plugin *p = instance;
    uint32_t status = LV2_OPTIONS_SUCCESS;
    for (; option->key; option++) {
        const uint32_t *length = length_of(p, &p->named, option->key);
        if (!length) {
            status |= LV2_OPTIONS_ERR_BAD_KEY;
            continue;
        }
        option->type = p->urids.atom_int;
        option->size = sizeof *length;
        option->value = *length ? length : &p->block_frames;
    }
    return status;
}

static bool change_block(fenby_plugin *p, uint32_t block_frames)
{
    fenby_parameters parameters;
    for (fenby_parameter i = 0; i < FENBY_N_PARAMETERS; i++)
        parameters.value[i] = fenby_engine_parameter(p->engine, i);
    char error[ERROR_SIZE];
    pthread_mutex_lock(&p->work_lock);
    const bool built = build_engine(p, block_frames, &parameters, error, sizeof error);
    if (built) fenby_plugin_begin_engine(p);
    pthread_mutex_unlock(&p->work_lock);
    if (!built) lv2_log_error(&p->logger, "Fenby: %s\n", error);
    return built;
}

static uint32_t set_options(LV2_Handle instance, const LV2_Options_Option *options)
{
    fenby_plugin *p = instance;
    fenby_block_lengths named = p->named;
    if (!read_block_lengths(p, options, &named)) return LV2_OPTIONS_ERR_BAD_VALUE;
    const uint32_t block_frames = choose_block(&named);
    if (block_frames != p->block_frames && !change_block(p, block_frames)) return LV2_OPTIONS_ERR_UNKNOWN;
    p->named = named;
    return LV2_OPTIONS_SUCCESS;
}

// --- state ---------------------------------------------------------------------------------------------------

// The parameters are ports, which the host saves. What is left is the model's path, or "" for the built-in one.
static LV2_State_Status save_state(LV2_Handle instance, LV2_State_Store_Function store, LV2_State_Handle handle,
                                   uint32_t flags, const LV2_Feature *const *features)
{
    (void)flags;
    fenby_plugin *p = instance;
    char path[PATH_MAX];
    pthread_mutex_lock(&p->state_lock);
    memcpy(path, p->path, sizeof path);
    pthread_mutex_unlock(&p->state_lock);
    const uint32_t portable = LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE;
    if (!*path) return store(handle, p->urids.model, "", 1, p->urids.atom_string, portable);

    const LV2_State_Map_Path *map = lv2_features_data(features, LV2_STATE__mapPath);
    if (!map)
        return store(handle, p->urids.model, path, strlen(path) + 1, p->urids.atom_path, LV2_STATE_IS_POD);
    const LV2_State_Free_Path *free_path = lv2_features_data(features, LV2_STATE__freePath);
    char *mapped = map->abstract_path(map->handle, path);
    if (!mapped) return LV2_STATE_ERR_UNKNOWN;
    const LV2_State_Status status =
        store(handle, p->urids.model, mapped, strlen(mapped) + 1, p->urids.atom_path, portable);
    if (free_path)
        free_path->free_path(free_path->handle, mapped);
    else
        free(mapped);
    return status;
}

static void want_model(fenby_plugin *p, const char *path)
{
    pthread_mutex_lock(&p->state_lock);
    snprintf(p->path, sizeof p->path, "%s", path);
    p->restored = true;
    atomic_fetch_add(&p->restores, 1);
    pthread_mutex_unlock(&p->state_lock);
    atomic_store(&p->work_waits, true);  // run() wakes the worker
}

static LV2_State_Status restore_state(LV2_Handle instance, LV2_State_Retrieve_Function retrieve,
                                      LV2_State_Handle handle, uint32_t flags,
                                      const LV2_Feature *const *features)
{
    (void)flags;
    fenby_plugin *p = instance;
    size_t size = 0;
    uint32_t type = 0, value_flags = 0;
    const char *path = retrieve(handle, p->urids.model, &size, &type, &value_flags);
    if (!path) return LV2_STATE_SUCCESS;  // a preset: the model stays
    if (type != p->urids.atom_path && type != p->urids.atom_string) return LV2_STATE_ERR_BAD_TYPE;
    if (!memchr(path, 0, size)) return LV2_STATE_ERR_UNKNOWN;

    const LV2_State_Map_Path *map = lv2_features_data(features, LV2_STATE__mapPath);
    if (!map || !*path || type != p->urids.atom_path) {
        want_model(p, path);
        return LV2_STATE_SUCCESS;
    }
    const LV2_State_Free_Path *free_path = lv2_features_data(features, LV2_STATE__freePath);
    char *mapped = map->absolute_path(map->handle, path);
    if (!mapped) return LV2_STATE_ERR_UNKNOWN;
    want_model(p, mapped);
    if (free_path)
        free_path->free_path(free_path->handle, mapped);
    else
        free(mapped);
    return LV2_STATE_SUCCESS;
}

// --- the two plugins -----------------------------------------------------------------------------------------

static const void *extension_data(const char *uri)
{
    static const LV2_State_Interface state = {save_state, restore_state};
    static const LV2_Options_Interface options = {get_options, set_options};
    if (!strcmp(uri, LV2_WORKER__interface)) return &fenby_plugin_worker;
    if (!strcmp(uri, LV2_STATE__interface)) return &state;
    if (!strcmp(uri, LV2_OPTIONS__interface)) return &options;
    return NULL;
}

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index)
{
    static const LV2_Descriptor descriptors[] = {
        {FENBY_LV2_URI, instantiate, connect_port, activate, fenby_plugin_run, deactivate, cleanup,
         extension_data},
        {FENBY_LV2_STEREO_URI, instantiate, connect_port, activate, fenby_plugin_run, deactivate, cleanup,
         extension_data},
    };
    return index < sizeof descriptors / sizeof *descriptors ? &descriptors[index] : NULL;
}
