// SPDX-License-Identifier: ISC
// OSC packets (Open Sound Control 1.0) over UDP: what the remote control and the session manager share.
//
// liblo packs and unpacks the messages; the sockets are our own, so that they can be bound to one address and a
// packet is just bytes, from wherever.
// Thread: control. Allocation: liblo's. Errors: false, or one line.
#ifndef FENBY_JACK_PACKET_H
#define FENBY_JACK_PACKET_H

#include <lo/lo.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { FENBY_JACK_PACKET_BYTES = 8192 };

typedef struct {
    struct sockaddr_storage bytes;
    socklen_t size;  // 0: nobody
} fenby_jack_address;

typedef struct {
    const char *path, *types;  // types: one letter for each argument
    lo_arg **arguments;
    int n_arguments;
} fenby_jack_message;

// A numeric address ("127.0.0.1", "::1") or "localhost". Names are not looked up, for that might take long.
bool fenby_jack_address_read(fenby_jack_address *address, const char *host, int port);
bool fenby_jack_address_equal(const fenby_jack_address *a, const fenby_jack_address *b);
bool fenby_jack_address_is_loopback(const fenby_jack_address *address);
int fenby_jack_address_port(const fenby_jack_address *address);

// Calls take for each message of a packet, also for those in bundles, whatever their time. The bytes are
// changed. False when the packet is malformed; messages before that place have been taken.
bool fenby_jack_packet_read(void *bytes, size_t size,
                            void (*take)(void *user, const fenby_jack_message *message), void *user);

// Sends and frees the message. What cannot be sent now is dropped.
void fenby_jack_packet_send(int descriptor, const fenby_jack_address *to, const char *path, lo_message message);

// The argument as text or as a number; false when it is of another type, or a text with line ends or a terminal's
// commands in it.
bool fenby_jack_message_text(const fenby_jack_message *message, int i, const char **text);
bool fenby_jack_message_number(const fenby_jack_message *message, int i, double *number);

#endif
