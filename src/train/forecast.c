/* forecast.c - see forecast.h. */
#include "train/forecast.h"

#include <math.h>
#include <stdio.h>

enum { STEPS = 10, SECONDS = 10 };

px_forecast px_forecast_begin(int64_t steps, double now)
{
    return (px_forecast){.steps = steps, .begun = now};
}

bool px_forecast_step(px_forecast *f, double now)
{
    if (++f->done == 1)
        f->first = now;
    if (f->told || f->done >= f->steps)
        return false;
    bool enough = f->done >= STEPS || (f->done >= 2 && 4 * f->done >= f->steps);
    if (!enough && now - f->begun < SECONDS)
        return false;
    double pace = f->done > 1 ? (now - f->first) / (double)(f->done - 1) : now - f->begun;
    f->left = pace * (double)(f->steps - f->done);
    f->all = now - f->begun + f->left;
    return f->told = true;
}

char *px_forecast_text(const px_forecast *f, time_t now, char buffer[64])
{
    static const struct {
        double below, unit; /* seconds */
        const char *name;
    } scale[] = {{90, 1, "s"}, {90 * 60, 60, "min"}, {48 * 3600, 3600, "h"}, {INFINITY, 24 * 3600, "days"}};
    int i = 0;
    while (f->all >= scale[i].below && i < 3)
        i++;
    time_t then = now + (time_t)f->left;
    struct tm today, end;
    localtime_r(&now, &today);
    localtime_r(&then, &end);
    bool same_day = today.tm_yday == end.tm_yday && today.tm_year == end.tm_year;
    char when[32];
    strftime(when, sizeof when, same_day ? "%H:%M" : f->left < 6 * 24 * 3600 ? "%a %H:%M" : "%e %b", &end);
    double rounded = fmax(1, round(f->all / scale[i].unit));
    snprintf(buffer, 64, "about %.0f %s, until %s", rounded, scale[i].name, when);
    return buffer;
}
