/* energy.c - see energy.h. Zones are folders: intel-rapl:0 is a package (AMD's, too), intel-rapl:0:1 a part of it. A part
 * called dram is not in the package's number, all others are; psys is the whole machine, which packages are a part of. */
#include "base/energy.h"

#include <glob.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The number in a file of a zone; NaN: there is none, or it may not be read. */
static double number_in(const char *zone, const char *name)
{
    char path[192];
    double value = NAN;
    snprintf(path, sizeof path, "%s/%s", zone, name);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%lf", &value) != 1)
        value = NAN;
    if (f)
        fclose(f);
    return value;
}

static bool counts(const char *zone)
{
    char path[192], name[32] = "";
    snprintf(path, sizeof path, "%s/name", zone);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%31s", name) != 1)
        *name = 0;
    if (f)
        fclose(f);
    return strncmp(name, "package", 7) == 0 || strcmp(name, "dram") == 0;
}

void px_energy_begin(px_energy *e, const char *root)
{
    char pattern[128];
    glob_t found;
    *e = (px_energy){.joules = NAN};
    snprintf(pattern, sizeof pattern, "%s/sys/class/powercap/intel-rapl:*", root);
    if (glob(pattern, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc && e->zones < PX_ENERGY_MOST; i++) {
        const char *zone = found.gl_pathv[i];
        double now = number_in(zone, "energy_uj");
        if (strlen(zone) >= sizeof e->path[0] || !counts(zone) || isnan(now))
            continue;
        snprintf(e->path[e->zones], sizeof e->path[0], "%s", zone);
        e->range[e->zones] = number_in(zone, "max_energy_range_uj");
        e->last[e->zones++] = now;
    }
    globfree(&found);
    if (e->zones)
        e->joules = 0;
}

double px_energy_joules(px_energy *e)
{
    for (int i = 0; i < e->zones; i++) {
        double now = number_in(e->path[i], "energy_uj");
        double taken = now >= e->last[i] ? now - e->last[i] : now + e->range[i] - e->last[i];
        e->joules += taken / 1e6; /* once a reading is missing, the sum is not known */
        e->last[i] = now;
    }
    return e->joules;
}
