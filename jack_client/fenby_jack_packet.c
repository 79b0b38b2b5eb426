// SPDX-License-Identifier: ISC
#include "fenby_jack_packet.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 8, BUNDLE_HEAD = 16 };  // "#bundle", a zero byte, 8 bytes of time

// --- addresses -----------------------------------------------------------------------------------------------

bool fenby_jack_address_read(fenby_jack_address *address, const char *host, int port)
{
    char service[16];
    struct addrinfo *found = NULL;
    const struct addrinfo wanted = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
    snprintf(service, sizeof service, "%d", port);
    if (!strcmp(host, "localhost")) host = "127.0.0.1";
    if (port < 0 || port > 65535 || getaddrinfo(host, service, &wanted, &found)) return false;
    *address = (fenby_jack_address){.size = found->ai_addrlen};
    memcpy(&address->bytes, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

bool fenby_jack_address_equal(const fenby_jack_address *a, const fenby_jack_address *b)
{
    return a->size == b->size && !memcmp(&a->bytes, &b->bytes, a->size);
}

bool fenby_jack_address_is_loopback(const fenby_jack_address *address)
{
    const struct sockaddr_in *v4 = (const void *)&address->bytes;
    const struct sockaddr_in6 *v6 = (const void *)&address->bytes;
    if (address->bytes.ss_family == AF_INET) return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return address->bytes.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

int fenby_jack_address_port(const fenby_jack_address *address)
{
    const struct sockaddr_in *v4 = (const void *)&address->bytes;
    const struct sockaddr_in6 *v6 = (const void *)&address->bytes;
    return ntohs(address->bytes.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
}

// --- reading -------------------------------------------------------------------------------------------------

// An address is printable ASCII, and ends within the packet.
static bool is_address(const char *bytes, size_t size)
{
    size_t length = 0;
    while (length < size && bytes[length] > ' ' && bytes[length] <= '~') length++;
    return *bytes == '/' && length < size && !bytes[length];
}

// The types follow the address, from the next multiple of four on. Where a blob's length is missing liblo 0.31 reads
// it from behind its copy of the packet, and nothing here takes blobs.
static bool has_blob(const char *bytes, size_t size)
{
    size_t at = strlen(bytes) / 4 * 4 + 4;
    while (at < size && bytes[at] && bytes[at] != 'b') at++;
    return at < size && bytes[at];
}

static bool read_message(char *bytes, size_t size, void (*take)(void *user, const fenby_jack_message *message),
                         void *user)
{
    const bool is_sound = is_address(bytes, size) && !has_blob(bytes, size);
    lo_message unpacked = is_sound ? lo_message_deserialise(bytes, size, NULL) : NULL;
    if (!unpacked) return false;
    const fenby_jack_message message = {
        .path = bytes,
        .types = lo_message_get_types(unpacked),
        .arguments = lo_message_get_argv(unpacked),
        .n_arguments = lo_message_get_argc(unpacked),
    };
    take(user, &message);
    lo_message_free(unpacked);
    return true;
}

static bool read_element(char *bytes, size_t size, int depth,
                         void (*take)(void *user, const fenby_jack_message *message), void *user)
{
    if (size == 0 || size % 4) return false;
    if (size < BUNDLE_HEAD || memcmp(bytes, "#bundle", 8)) return read_message(bytes, size, take, user);
    if (depth == MOST_DEPTH) return false;
    for (size_t at = BUNDLE_HEAD; at < size;) {
        uint32_t length;
        if (size - at < sizeof length) return false;
        memcpy(&length, bytes + at, sizeof length);
        length = ntohl(length);
        at += sizeof length;
        if (length > size - at || !read_element(bytes + at, length, depth + 1, take, user)) return false;
        at += length;
    }
    return true;
}

bool fenby_jack_packet_read(void *bytes, size_t size,
                            void (*take)(void *user, const fenby_jack_message *message), void *user)
{
    return read_element(bytes, size, 0, take, user);
}

// --- sending -------------------------------------------------------------------------------------------------

void fenby_jack_packet_send(int descriptor, const fenby_jack_address *to, const char *path, lo_message message)
{
    char bytes[FENBY_JACK_PACKET_BYTES];
    size_t size = lo_message_length(message, path);
    if (to->size && size <= sizeof bytes && lo_message_serialise(message, path, bytes, &size))
        sendto(descriptor, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&to->bytes,
               to->size);
    lo_message_free(message);
}

// --- arguments -----------------------------------------------------------------------------------------------

bool fenby_jack_message_text(const fenby_jack_message *message, int i, const char **text)
{
    if (i >= message->n_arguments) return false;
    if (message->types[i] != LO_STRING && message->types[i] != LO_SYMBOL) return false;
    *text = (const char *)message->arguments[i];
    for (const char *c = *text; *c; c++)
        if (iscntrl((unsigned char)*c)) return false;  // it may come to be part of a line or a terminal's
    return true;
}

// The bytes lie at multiples of four, which is not enough for the larger types: hence the copies.
bool fenby_jack_message_number(const fenby_jack_message *message, int i, double *number)
{
    int64_t h;
    int32_t n;
    float f;
    if (i >= message->n_arguments) return false;
    const void *const bytes = message->arguments[i];  // NULL for what has no bytes of its own
    switch (message->types[i]) {
    case LO_INT32: *number = *(int32_t *)memcpy(&n, bytes, sizeof n); return true;
    case LO_INT64: *number = (double)*(int64_t *)memcpy(&h, bytes, sizeof h); return true;
    case LO_FLOAT: *number = *(float *)memcpy(&f, bytes, sizeof f); return true;
    case LO_DOUBLE: memcpy(number, bytes, sizeof *number); return true;
    case LO_TRUE: *number = 1; return true;
    case LO_FALSE: *number = 0; return true;
    }
    return false;
}
