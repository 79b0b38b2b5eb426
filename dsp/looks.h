// SPDX-License-Identifier: ISC
// How often the network listens in a hop. Each of these looks is one chance for notes to start; all else is decided once
// a hop. A look between hops is half of one: of two networks side by side the first alone listens, and what the other said last
// counts as what it would say. Notes start 2 ms sooner in the median, for half as much work again.
//
// Thread: any. Allocation: none. Errors: none.
#ifndef FENBY_LOOKS_H
#define FENBY_LOOKS_H

enum { FENBY_MOST_LOOKS = 2 };

// 1, or 2 where the machine has time for it; or what it was built with (make LOOKS=n).
int fenby_looks_in_hop(void);

#endif
