// SPDX-License-Identifier: ISC
#include "fenby_jack_links.h"

#include <stdio.h>
#include <string.h>

static size_t find(const fenby_jack_links *links, const char *ours, const char *other)
{
    size_t i = 0;
    while (i < links->count && (strcmp(links->link[i].ours, ours) || strcmp(links->link[i].other, other))) i++;
    return i;
}

// False when none is only remembered.
static bool forget_one(fenby_jack_links *links)
{
    size_t i = 0;
    while (i < links->count && (links->link[i].is_asked || links->link[i].is_made)) i++;
    if (i == links->count) return false;
    fenby_jack_links_remove(links, i);
    return true;
}

bool fenby_jack_links_add(fenby_jack_links *links, const char *ours, const char *other, fenby_jack_link_origin origin)
{
    fenby_jack_link link = {.is_asked = origin == FENBY_JACK_ASKED, .is_made = origin == FENBY_JACK_MADE};
    fenby_jack_link *const known = &links->link[find(links, ours, other)];
    if (known < links->link + links->count) {
        known->is_asked |= link.is_asked;
        known->is_made |= link.is_made;
        return true;
    }
    if (strlen(ours) >= sizeof link.ours || strlen(other) >= sizeof link.other) return false;
    if (links->count == FENBY_JACK_MAXIMUM_LINKS && !forget_one(links)) return false;
    snprintf(link.ours, sizeof link.ours, "%s", ours);
    snprintf(link.other, sizeof link.other, "%s", other);
    links->link[links->count++] = link;
    return true;
}

void fenby_jack_links_remove(fenby_jack_links *links, size_t index)
{
    links->count--;
    memmove(&links->link[index], &links->link[index + 1], (links->count - index) * sizeof links->link[0]);
}

void fenby_jack_links_renew(fenby_jack_links *links)
{
    for (size_t i = 0; i < links->count; i++) links->link[i].is_made = false;
}

bool fenby_jack_links_equal(const fenby_jack_links *a, const fenby_jack_links *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (find(b, a->link[i].ours, a->link[i].other) == b->count) return false;
    return true;
}
