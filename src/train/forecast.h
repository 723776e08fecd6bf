/* forecast.h - how long training will take, told once, when its first steps have shown their pace.
 *
 *     px_forecast f = px_forecast_begin(steps, px_now());
 *     for (...) {
 *         ... a step ...
 *         if (px_forecast_step(&f, px_now()))
 *             px_log_line(log, "%s", px_forecast_text(&f, time(NULL), text));
 *     }
 */
#ifndef PX_TRAIN_FORECAST_H
#define PX_TRAIN_FORECAST_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef struct px_forecast {
    int64_t steps, done; /* of this start of the run */
    double begun, first; /* when it began, and when its first step was done, which is slower than the others */
    bool told;
    double all, left; /* seconds */
} px_forecast;

px_forecast px_forecast_begin(int64_t steps, double now);

/* After each step. True once: after 10 steps, a quarter of a shorter run, or 10 seconds; not when nothing is left. */
bool px_forecast_step(px_forecast *, double now);

/* "about 12 min, until 14:32"; the day stands before the hour if it is not today. Returns `buffer`. */
char *px_forecast_text(const px_forecast *, time_t now, char buffer[64]);

#endif
