// SPDX-License-Identifier: ISC
// The networks that instances of the plugin share: each is in memory once, however many use it.
//
// Thread: any but the audio thread, there is a lock. Allocation: _acquire. Errors: one line.
#ifndef FENBY_MODEL_STORE_H
#define FENBY_MODEL_STORE_H

#include <stddef.h>

#include "../nn/weights.h"

typedef struct fenby_model fenby_model;

// The model of this file, "" for the one that is built in. A file that has changed since another instance took
// it is read again. NULL with one line in error when it cannot be used. Release it with _release.
fenby_model *fenby_model_acquire(const char *path, char *error, size_t error_size);
void fenby_model_release(fenby_model *model);

const fenby_weights *fenby_model_weights(const fenby_model *model);
const char *fenby_model_path(const fenby_model *model);

#endif
