// SPDX-License-Identifier: ISC
// The piano roll of Fenby's window as a picture of it shows it: where it lies in a window that is wide enough for
// one row of controls, and which of its pixels are notes. plugin/ui/view.c draws it.
#ifndef FENBY_SEEN_ROLL_H
#define FENBY_SEEN_ROLL_H

#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <stdbool.h>

enum { ROLL_WIDE = 806, ROLL_LEFT = 51, ROLL_TOP = 50, BELOW_ROLL = 28, RIGHT_OF_ROLL = 6 };
enum { LOWEST_KEY = 21, HIGHEST_KEY = 108, SHORTEST_BAR = 3 };

static inline bool is_note(unsigned long pixel)  // orange
{
    const int red = pixel >> 16 & 255, green = pixel >> 8 & 255, blue = pixel & 255;
    return red > 130 && green > red / 3 && green < 4 * red / 5 && blue < red / 2;
}

static inline bool has_bar(XImage *image, int key)
{
    const double row = (double)(image->height - BELOW_ROLL - ROLL_TOP) / (HIGHEST_KEY - LOWEST_KEY + 1);
    const int y = (int)(ROLL_TOP + (HIGHEST_KEY - key + 0.5) * row);
    int n = 0;
    for (int x = ROLL_LEFT; x < image->width - RIGHT_OF_ROLL; x++) n += is_note(XGetPixel(image, x, y));
    return n >= SHORTEST_BAR;
}

#endif
