// SPDX-License-Identifier: ISC
#include "model_store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../dsp/cqt.h"

struct fenby_model {
    fenby_model *next;
    unsigned users;
    struct timespec changed;  // of the file
    fenby_weights *weights;
    char path[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fenby_model *models;

static fenby_model *find(const char *path, struct timespec changed)
{
    fenby_model *m = models;
    while (m && (strcmp(m->path, path) || m->changed.tv_sec != changed.tv_sec ||
                 m->changed.tv_nsec != changed.tv_nsec))
        m = m->next;
    return m;
}

static fenby_model *load(const char *path, struct timespec changed, char *error, size_t error_size)
{
    const uint64_t hash = fenby_cqt_features_hash();
    fenby_weights *weights = *path ? fenby_weights_load(path, hash, error, error_size)
                                   : fenby_weights_default(hash, error, error_size);
    if (!weights) return NULL;
    fenby_model *m = malloc(sizeof *m + strlen(path) + 1);
    if (!m) {
        snprintf(error, error_size, "not enough memory for a model");
        fenby_weights_free(weights);
        return NULL;
    }
    *m = (fenby_model){.next = models, .changed = changed, .weights = weights};
    strcpy(m->path, path);
    models = m;
    return m;
}

fenby_model *fenby_model_acquire(const char *path, char *error, size_t error_size)
{
    struct stat status = {0};
    if (*path && stat(path, &status)) status = (struct stat){0};  // that it is missing will be said on loading
    pthread_mutex_lock(&lock);
    fenby_model *m = find(path, status.st_mtim);
    if (!m) m = load(path, status.st_mtim, error, error_size);
    if (m) m->users++;
    pthread_mutex_unlock(&lock);
    return m;
}

void fenby_model_release(fenby_model *model)
{
    if (!model) return;
    pthread_mutex_lock(&lock);
    if (--model->users == 0) {
        fenby_model **link = &models;
        while (*link != model) link = &(*link)->next;
        *link = model->next;
        fenby_weights_free(model->weights);
        free(model);
    }
    pthread_mutex_unlock(&lock);
}

const fenby_weights *fenby_model_weights(const fenby_model *model)
{
    return model->weights;
}

const char *fenby_model_path(const fenby_model *model)
{
    return model->path;
}
