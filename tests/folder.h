// SPDX-License-Identifier: ISC
// A folder for what a test writes, gone when the test ends, also when a REQUIRE ends it.
#ifndef FENBY_TEST_FOLDER_H
#define FENBY_TEST_FOLDER_H

#include <stdlib.h>
#include <unistd.h>

#include "test.h"

static char folder[] = "/tmp/fenby-test-XXXXXX";
static pid_t folder_owner;  // the children that a test forks leave it alone

static void remove_folder(void)
{
    if (getpid() != folder_owner) return;
    char command[64];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    if (system(command)) fprintf(stderr, "cannot remove %s\n", folder);
}

static inline void make_folder(void)
{
    REQUIRE(mkdtemp(folder), "no folder %s", folder);
    folder_owner = getpid();
    atexit(remove_folder);
}

#endif
