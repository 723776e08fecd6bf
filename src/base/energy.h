/* energy.h - the energy that this host's processors have taken, where Linux tells it (RAPL, /sys/class/powercap).
 *
 *     px_energy e;
 *     px_energy_begin(&e, "");
 *     ... px_energy_joules(&e) every now and then: the counters begin again after some minutes of full load ...
 *
 * Of each package, and of memory where it is told separately; of everything that ran on them, also of others' programs. Virtual
 * machines mostly do not have it, and since Linux 5.10 only root may read it.
 */
#ifndef PX_BASE_ENERGY_H
#define PX_BASE_ENERGY_H

enum { PX_ENERGY_MOST = 64 }; /* packages, and memory of each */

typedef struct px_energy {
    int zones; /* 0: this machine does not tell */
    char path[PX_ENERGY_MOST][128];
    double last[PX_ENERGY_MOST], range[PX_ENERGY_MOST]; /* microjoules: the last reading; after which it is 0 again */
    double joules;                                      /* since px_energy_begin; NaN: not known */
} px_energy;

/* `root` is put before all paths: "", or a test's folder. */
void px_energy_begin(px_energy *, const char *root);

/* Joules since px_energy_begin; NaN if the machine does not tell. Correct if a counter has begun again at most once since the
 * last call. */
double px_energy_joules(px_energy *);

#endif
