// SPDX-License-Identifier: ISC
#include "looks.h"

#include "../nn/net.h"

#ifdef FENBY_LOOKS
_Static_assert(FENBY_LOOKS >= 1 && FENBY_LOOKS <= FENBY_MOST_LOOKS, "LOOKS is 1 or 2");
#endif

// By the kind of machine and not by the time it takes, so that the same sound always makes the same notes.
int fenby_looks_in_hop(void)
{
#ifdef FENBY_LOOKS
    return FENBY_LOOKS;
#else
    return fenby_net_is_quick() ? 2 : 1;
#endif
}
