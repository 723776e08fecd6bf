/* forecast.h - how long training will take, told once, after its first steps have been timed.
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
    double begun, first; /* times of the begin and of the end of the first step, which is slower than the others */
    bool told;
    double all, left; /* seconds */
} px_forecast;

px_forecast px_forecast_begin(int64_t steps, double now);

/* Call it after each step. Returns true once: after 10 steps, a quarter of a shorter run, or 10 seconds; never if
 * nothing is left to do. */
bool px_forecast_step(px_forecast *, double now);

/* "about 12 min, until 14:32"; with the day before the time if it is not today. Returns `buffer`. */
char *px_forecast_text(const px_forecast *, time_t now, char buffer[64]);

#endif
