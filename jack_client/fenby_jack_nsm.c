// SPDX-License-Identifier: ISC
#include "fenby_jack_nsm.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fenby_jack_clock.h"
#include "fenby_jack_packet.h"

enum { API_MAJOR = 1, API_MINOR = 1, TEXT = 512, CLIENT_NAME = 64 };

// The API's error codes.
enum { ERROR_GENERAL = -1, ERROR_NO_SESSION = -6, ERROR_BAD_PROJECT = -9 };

static const char application[] = "fenby",
                  capabilities[] = ":switch:dirty:message:", extension[] = ".fenby-jack";
static const double patience_s = 5;  // for the manager's first answer

struct fenby_jack_nsm {
    int descriptor;
    fenby_jack_address manager;
    const fenby_jack_state *fresh;
    double announced_s;
    bool is_managed, has_given_up;
    char path[PATH_MAX];  // of the session's state; "": none is open
    fenby_jack_state saved;
    bool is_dirty;
    fenby_jack_control *control;  // while a message is taken
};

// --- to the manager ------------------------------------------------------------------------------------------

static void send_to_manager(fenby_jack_nsm *nsm, const char *path, lo_message message)
{
    fenby_jack_packet_send(nsm->descriptor, &nsm->manager, path, message);
}

static void reply(fenby_jack_nsm *nsm, const char *path, const char *text)
{
    lo_message message = lo_message_new();
    lo_message_add(message, "ss", path, text);
    send_to_manager(nsm, "/reply", message);
}

static void reply_error(fenby_jack_nsm *nsm, const char *path, int code, const char *text)
{
    lo_message message = lo_message_new();
    lo_message_add(message, "sis", path, code, text);
    send_to_manager(nsm, "/error", message);
}

static void announce(fenby_jack_nsm *nsm, const char *program)
{
    lo_message message = lo_message_new();
    lo_message_add(message, "sssiii", application, capabilities, program, API_MAJOR, API_MINOR, (int)getpid());
    send_to_manager(nsm, "/nsm/server/announce", message);
    nsm->announced_s = fenby_jack_now_s();
}

void fenby_jack_nsm_say(fenby_jack_nsm *nsm, const char *line, bool is_trouble)
{
    if (!nsm->is_managed) return;
    lo_message message = lo_message_new();
    lo_message_add(message, "is", is_trouble ? 3 : 1, line);
    send_to_manager(nsm, "/nsm/client/message", message);
}

static void tell_dirty(fenby_jack_nsm *nsm)
{
    const bool is_dirty =
        *nsm->path && !fenby_jack_state_equal(fenby_jack_control_state(nsm->control), &nsm->saved);
    if (is_dirty == nsm->is_dirty) return;
    nsm->is_dirty = is_dirty;
    send_to_manager(nsm, is_dirty ? "/nsm/client/is_dirty" : "/nsm/client/is_clean", lo_message_new());
}

// --- from the manager ----------------------------------------------------------------------------------------

static bool are_texts(const fenby_jack_message *message, int n, const char **texts)
{
    for (int i = 0; i < n; i++)
        if (!fenby_jack_message_text(message, i, &texts[i])) return false;
    return true;
}

static void open_session(fenby_jack_nsm *nsm, const fenby_jack_message *message)
{
    enum { PATH, DISPLAY_NAME, CLIENT_ID, N_TEXTS };
    const char *texts[N_TEXTS];
    char error[TEXT], path[PATH_MAX];
    fenby_jack_state state = *nsm->fresh;
    if (!are_texts(message, N_TEXTS, texts) || strlen(texts[CLIENT_ID]) >= CLIENT_NAME ||
        (size_t)snprintf(path, sizeof path, "%s%s", texts[PATH], extension) >= sizeof path) {
        reply_error(nsm, message->path, ERROR_GENERAL, "expected a path, a display name and a client's name");
        return;
    }
    if (access(path, F_OK) == 0 && !fenby_jack_state_load(&state, path, error, sizeof error)) {
        reply_error(nsm, message->path, ERROR_BAD_PROJECT, error);
        return;
    }
    if (!fenby_jack_control_switch(nsm->control, texts[CLIENT_ID], &state, error, sizeof error)) {
        reply_error(nsm, message->path, ERROR_GENERAL, error);
        return;
    }
    memcpy(nsm->path, path, sizeof path);
    nsm->saved = state;
    reply(nsm, message->path, "open");
}

static void save_session(fenby_jack_nsm *nsm, const fenby_jack_message *message)
{
    char error[TEXT];
    const fenby_jack_state *state = fenby_jack_control_state(nsm->control);
    if (!*nsm->path) {
        reply_error(nsm, message->path, ERROR_NO_SESSION, "no session is open");
    } else if (!fenby_jack_state_save(state, nsm->path, error, sizeof error)) {
        reply_error(nsm, message->path, ERROR_GENERAL, error);
    } else {
        nsm->saved = *state;
        reply(nsm, message->path, "saved");
    }
}

static void take_message(void *user, const fenby_jack_message *message)
{
    fenby_jack_nsm *nsm = user;
    const char *about = "";
    if (!strcmp(message->path, "/nsm/client/open")) open_session(nsm, message);
    if (!strcmp(message->path, "/nsm/client/save")) save_session(nsm, message);
    if (!strcmp(message->path, "/reply") && fenby_jack_message_text(message, 0, &about) &&
        !strcmp(about, "/nsm/server/announce")) {
        nsm->is_managed = true;
        fenby_jack_control_set_waits(nsm->control, true);  // again, where it answers after it was given up
    }
}

bool fenby_jack_nsm_update(fenby_jack_nsm *nsm, fenby_jack_control *control)
{
    char bytes[FENBY_JACK_PACKET_BYTES];
    ssize_t size;
    nsm->control = control;
    while ((size = recv(nsm->descriptor, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        fenby_jack_packet_read(bytes, (size_t)size, take_message, nsm);
    if (nsm->is_managed) tell_dirty(nsm);
    if (nsm->is_managed || nsm->has_given_up || fenby_jack_now_s() < nsm->announced_s + patience_s) return true;
    nsm->has_given_up = true;
    return false;
}

// --- life ----------------------------------------------------------------------------------------------------

// A socket that hears the manager and nobody else.
static bool reach(fenby_jack_nsm *nsm, const char *host, const char *port)
{
    struct addrinfo *found = NULL;
    const struct addrinfo wanted = {.ai_socktype = SOCK_DGRAM};
    if (!host || !port || getaddrinfo(host, port, &wanted, &found)) return false;
    for (const struct addrinfo *a = found; a && nsm->descriptor < 0; a = a->ai_next) {
        nsm->descriptor = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (nsm->descriptor < 0) continue;
        memcpy(&nsm->manager.bytes, a->ai_addr, a->ai_addrlen);
        nsm->manager.size = a->ai_addrlen;
        if (connect(nsm->descriptor, a->ai_addr, a->ai_addrlen) == 0) break;
        close(nsm->descriptor);
        nsm->descriptor = -1;
    }
    freeaddrinfo(found);
    return nsm->descriptor >= 0;
}

fenby_jack_nsm *fenby_jack_nsm_new(const char *url, const char *program, const fenby_jack_state *fresh,
                                   char *error, size_t error_size)
{
    fenby_jack_nsm *nsm = calloc(1, sizeof *nsm);
    if (!nsm) {
        snprintf(error, error_size, "not enough memory for the session manager");
        return NULL;
    }
    nsm->descriptor = -1;
    nsm->fresh = fresh;
    char *const host = lo_url_get_hostname(url), *const port = lo_url_get_port(url);
    const bool is_udp = lo_url_get_protocol_id(url) == LO_UDP;
    const bool good = is_udp && reach(nsm, host, port);
    free(host);
    free(port);
    if (good) {
        announce(nsm, program);
        return nsm;
    }
    snprintf(error, error_size, "NSM_URL=%s: expected osc.udp://HOST:PORT/ of a session manager", url);
    fenby_jack_nsm_free(nsm);
    return NULL;
}

void fenby_jack_nsm_free(fenby_jack_nsm *nsm)
{
    if (!nsm) return;
    if (nsm->descriptor >= 0) close(nsm->descriptor);
    free(nsm);
}

int fenby_jack_nsm_descriptor(const fenby_jack_nsm *nsm)
{
    return nsm->descriptor;
}
