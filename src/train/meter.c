/* meter.c - see meter.h. */
#include "train/meter.h"
#include "base/error.h"
#include "base/log.h"

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { ENERGY_SECONDS = 60 }; /* RAPL's counters begin again after some minutes of full load */

double px_process_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static px_traffic traffic_of(const px_comm *comm)
{
    return comm->traffic ? *comm->traffic : (px_traffic){0};
}

void px_meter_begin(px_meter *m, const px_comm *comm, double before)
{
    *m = (px_meter){.comm = comm, .wall = px_now(), .core = before, .traffic = traffic_of(comm)};
    m->read = m->wall;
    if (comm->local_rank == 0)
        px_energy_begin(&m->energy, "");
}

void px_meter_lap(px_meter *m, px_part part, double loader)
{
    px_traffic traffic = traffic_of(m->comm);
    double wall = px_now(), core = px_process_seconds(), made = loader - m->loader;
    double talked = traffic.seconds - m->traffic.seconds, talked_core = traffic.core - m->traffic.core;
    m->own.wall[part] += wall - m->wall - talked;
    m->own.wall[PX_PART_COMMUNICATION] += talked;
    m->own.core[part] += core - m->core - made - talked_core;
    m->own.core[PX_PART_COMMUNICATION] += talked_core;
    m->own.core[PX_PART_LOADER] += made;
    m->wall = wall;
    m->core = core;
    m->loader = loader;
    m->traffic = traffic;
    if (m->energy.zones && wall - m->read > ENERGY_SECONDS) {
        m->read = wall;
        px_energy_joules(&m->energy);
    }
}

void px_meter_sum(px_meter *m, px_ledger *out)
{
    int size = m->comm->size;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    m->own.peak_bytes = (double)usage.ru_maxrss * 1024;
    m->own.bytes_sent = traffic_of(m->comm).bytes;
    m->own.joules = m->comm->local_rank == 0 ? px_energy_joules(&m->energy) : 0;
    px_ledger *all = px_calloc((size_t)size, sizeof all[0]);
    px_all_gather_bytes(m->comm, &m->own, all, sizeof all[0]);
    *out = all[0];
    for (int i = 1; i < size; i++) {
        for (int p = 0; p < PX_PARTS; p++)
            out->core[p] += all[i].core[p];
        out->images += all[i].images;
        out->multiply_adds += all[i].multiply_adds;
        out->bytes_sent += all[i].bytes_sent;
        out->peak_bytes = fmax(out->peak_bytes, all[i].peak_bytes);
        out->joules += all[i].joules; /* NaN if any host does not tell */
    }
    out->ranks = size;
    free(all);
}
