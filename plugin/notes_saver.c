// SPDX-License-Identifier: ISC
#include "notes_saver.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_SIZE = PATH_MAX + 256 };

struct fenby_notes_saver {
    void (*on_done)(void *user);
    void *user;
    pthread_t thread;
    bool has_thread;  // it runs, or is_done and waits to be joined
    atomic_bool is_done;

    // The thread's while it runs.
    fenby_recent_notes *notes;
    fenby_notes_range range;
    int64_t now;
    char path[PATH_MAX], text[LINE_SIZE], error[LINE_SIZE];
    int n_saved;  // -1: none, for an error
};

fenby_notes_saver *fenby_notes_saver_new(void (*on_done)(void *user), void *user)
{
    fenby_notes_saver *s = calloc(1, sizeof *s);
    if (s) s->on_done = on_done, s->user = user;
    return s;
}

static void join(fenby_notes_saver *s)
{
    if (!s->has_thread) return;
    pthread_join(s->thread, NULL);
    fenby_recent_notes_free(s->notes);
    s->has_thread = false;
}

void fenby_notes_saver_free(fenby_notes_saver *s)
{
    if (s) join(s);
    free(s);
}

static void *save(void *user)
{
    fenby_notes_saver *s = user;
    s->n_saved = fenby_recent_notes_save(s->notes, s->path, &s->range, s->now, s->text, s->error, sizeof s->error);
    atomic_store(&s->is_done, true);
    if (s->on_done) s->on_done(s->user);
    return NULL;
}

bool fenby_notes_saver_begin(fenby_notes_saver *s, const fenby_recent_notes *notes, const char *path,
                             const fenby_notes_range *range, int64_t now, const char *text, char *error,
                             size_t error_size)
{
    if (s->has_thread) {
        snprintf(error, error_size, "still saving: %s", s->path);
        return false;
    }
    snprintf(s->path, sizeof s->path, "%s", path);
    snprintf(s->text, sizeof s->text, "%s", text);
    s->range = *range;
    s->now = now;
    s->notes = fenby_recent_notes_copy(notes);
    atomic_store(&s->is_done, false);
    s->has_thread = s->notes && !pthread_create(&s->thread, NULL, save, s);
    if (s->has_thread) return true;
    fenby_recent_notes_free(s->notes);
    snprintf(error, error_size, "%s: not enough memory to write it", path);
    return false;
}

bool fenby_notes_saver_tell(fenby_notes_saver *s, bool wait, bool *good, char *line, size_t line_size)
{
    if (!s->has_thread || !(wait || atomic_load(&s->is_done))) return false;
    join(s);
    *good = s->n_saved >= 0;
    if (*good)
        snprintf(line, line_size, "%d note%s saved: %s", s->n_saved, s->n_saved == 1 ? "" : "s", s->path);
    else
        snprintf(line, line_size, "%s", s->error);
    return true;
}
