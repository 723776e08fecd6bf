/* state.h - an optimizer's state, handed over to another one. Include it after cmocka.h. */
#ifndef PX_TESTS_OPTIM_STATE_H
#define PX_TESTS_OPTIM_STATE_H

#include "base/error.h"
#include "optim/optim.h"

#include <stdlib.h>
#include <string.h>

/* As a checkpoint does it. Returns the number of slots. */
static inline int hand_over(px_optimizer *to, const px_optimizer *from, const px_param_span *spans, int count)
{
    const char *names[2], *other[2];
    int slots = px_optimizer_slots(from, names);
    assert_int_equal(px_optimizer_slots(to, other), slots);
    for (int s = 0; s < slots; s++) {
        assert_string_equal(names[s], other[s]);
        for (int i = 0; i < count; i++) {
            float *values = px_calloc((size_t)spans[i].count, sizeof *values);
            px_optimizer_read(from, s, spans[i].offset, spans[i].count, values);
            px_optimizer_write(to, s, spans[i].offset, spans[i].count, values);
            free(values);
        }
    }
    *px_optimizer_steps(to) = *px_optimizer_steps((px_optimizer *)from);
    return slots;
}

#endif
