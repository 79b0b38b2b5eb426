// SPDX-License-Identifier: ISC
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "plugin.h"

enum { MOST_REST_MS = 500 };

static void tell(fenby_plugin *p, int type, const char *text)
{
    fenby_report told = {.type = type};
    snprintf(told.text, sizeof told.text, "%.*s", PATH_MAX - 1, text);
    fenby_ring_write(p->reports, &told, 1);  // no room: nobody reads them
}

static void tell_error(fenby_plugin *p, const char *error)
{
    lv2_log_error(&p->logger, "Fenby: %s\n", error);
    tell(p, MESSAGE, error);
}

static bool load_model(fenby_plugin *p, const char *path)
{
    char error[ERROR_SIZE];
    fenby_model *model = fenby_model_acquire(path, error, sizeof error);
    if (model == p->model) {  // the notes sound on
        fenby_model_release(model);
        return true;
    }
    if (!model || !fenby_engine_set_model(p->engine, fenby_model_weights(model), error, sizeof error)) {
        fenby_model_release(model);
        tell_error(p, error);
        return false;
    }
    fenby_model_release(p->model);
    p->model = model;
    return true;
}

static void tell_model(fenby_plugin *p)
{
    tell(p, MODEL_IS, fenby_model_path(p->model));
}

// A state that the host has restored since then, even while the model is being loaded, is newer and stays. Where
// the model does not change, what the host thought it had set is not so.
static void change_model(fenby_plugin *p, const fenby_command *c)
{
    if (c->restores == atomic_load(&p->restores) && load_model(p, c->path)) {
        pthread_mutex_lock(&p->state_lock);
        // Again: a session may have come while it was loaded, and wait for the lock.
        if (c->restores == atomic_load(&p->restores)) memcpy(p->path, c->path, sizeof p->path);
        pthread_mutex_unlock(&p->state_lock);
    }
    tell_model(p);
}

// A model that the session asks for and that cannot be loaded stays the session's, so that nothing is lost when
// it is saved again on a machine that lacks the file.
void fenby_plugin_load_restored(fenby_plugin *p)
{
    char path[PATH_MAX];
    pthread_mutex_lock(&p->state_lock);
    const bool restored = p->restored;
    p->restored = false;
    memcpy(path, p->path, sizeof path);
    pthread_mutex_unlock(&p->state_lock);
    if (restored && load_model(p, path)) tell_model(p);
}

// --- saving --------------------------------------------------------------------------------------------------

void fenby_plugin_saved(void *plugin)
{
    atomic_store(&((fenby_plugin *)plugin)->work_waits, true);
}

static void begin_save(fenby_plugin *p, const fenby_command *c)
{
    char text[ERROR_SIZE], error[ERROR_SIZE];
    snprintf(text, sizeof text, "Fenby " FENBY_VERSION ", model %s",
             fenby_weights_name(fenby_model_weights(p->model)));
    const int64_t now = atomic_load(&p->clock_frames);
    if (!fenby_notes_saver_begin(p->saver, p->recent, c->path, &c->range, now, text, error, sizeof error))
        tell_error(p, error);
}

static void tell_saved(fenby_plugin *p)
{
    char line[ERROR_SIZE];
    bool good;
    if (!fenby_notes_saver_tell(p->saver, false, &good, line, sizeof line)) return;
    if (good)
        tell(p, MESSAGE, line);
    else
        tell_error(p, line);
}

// --- working -------------------------------------------------------------------------------------------------

static void keep_sent_notes(fenby_plugin *p)
{
    fenby_sent_note note;
    while (fenby_ring_read(p->sent, &note, 1)) fenby_recent_notes_add(p->recent, &note);
}

static void obey_commands(fenby_plugin *p)
{
    fenby_command c;
    while (fenby_ring_read(p->commands, &c, 1)) {
        if (c.type == SAVE_NOTES)
            begin_save(p, &c);
        else
            change_model(p, &c);
    }
}

void fenby_plugin_work(fenby_plugin *p)
{
    pthread_mutex_lock(&p->work_lock);
    atomic_store(&p->woken, false);  // what comes from now on needs another wake-up
    keep_sent_notes(p);
    if (atomic_exchange(&p->work_waits, false)) {
        fenby_plugin_load_restored(p);
        tell_saved(p);
        obey_commands(p);
    }
    fenby_engine_work(p->engine);
    pthread_mutex_unlock(&p->work_lock);
}

void fenby_plugin_rest(fenby_plugin *p)
{
    for (int ms = 0; ms < MOST_REST_MS; ms++) {
        pthread_mutex_lock(&p->work_lock);
        const bool woken = atomic_load(&p->woken);
        pthread_mutex_unlock(&p->work_lock);
        if (!woken) return;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

static LV2_Worker_Status host_works(LV2_Handle instance, LV2_Worker_Respond_Function respond,
                                    LV2_Worker_Respond_Handle handle, uint32_t size, const void *data)
{
    (void)respond, (void)handle, (void)size, (void)data;
    fenby_plugin_work(instance);
    return LV2_WORKER_SUCCESS;
}

// What the worker has to say travels in our rings; there is nothing in a response.
static LV2_Worker_Status host_responds(LV2_Handle instance, uint32_t size, const void *body)
{
    (void)instance, (void)size, (void)body;
    return LV2_WORKER_SUCCESS;
}

const LV2_Worker_Interface fenby_plugin_worker = {host_works, host_responds, NULL};

void *fenby_plugin_thread(void *instance)
{
    fenby_plugin *p = instance;
    for (;;) {
        while (sem_wait(&p->wake)) continue;
        if (atomic_load(&p->quit)) return NULL;
        fenby_plugin_work(p);
    }
}

void fenby_plugin_tap(void *user, const float *cqt_frame, const float *onset, const float *sounding,
                      int64_t end_frame)
{
    fenby_plugin *p = user;
    if (!atomic_load_explicit(&p->watched, memory_order_relaxed)) return;
    fenby_view_hop hop;
    fenby_view_hop_fill(&hop, cqt_frame, onset, sounding, end_frame, p->rate_hz);
    fenby_ring_write(p->hops, &hop, 1);  // no room: the view misses one
}
