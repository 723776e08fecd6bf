#!/usr/bin/env python3
"""Writes schedule_fixtures.h: PyTorch's learning rates, one for each of 60 steps.

    python3 tests/optim/make_schedule_fixtures.py > tests/optim/schedule_fixtures.h

A schedule that torch knows per epoch is stepped by a tenth of one. Last written with PyTorch 2.15.
"""
import torch
from torch.optim import lr_scheduler

STEPS, RATE = 60, 0.5


def warmed(optimizer, then):
    """torchvision's warm-up (0.01 of the rate, linear) of 10 steps, and what follows."""
    first = lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=10)
    return lr_scheduler.SequentialLR(optimizer, [first, then], milestones=[10])


CASES = [
    ("StepLR", ".schedule = PX_LR_STEPS, .step_every = 2, .step_factor = 0.25",
     lambda o: lr_scheduler.StepLR(o, 20, 0.25)),
    ("MultiStepLR", ".schedule = PX_LR_STEPS, .steps = {2, {1, 4}}, .step_factor = 0.1",
     lambda o: lr_scheduler.MultiStepLR(o, [10, 40], 0.1)),
    ("PolynomialLR", ".schedule = PX_LR_POLYNOMIAL, .power = 0.9", lambda o: lr_scheduler.PolynomialLR(o, STEPS, 0.9)),
    ("warm-up and CosineAnnealingLR", ".schedule = PX_LR_COSINE, .warmup_epochs = 1, .warmup_from = 0.01, .lr_min = 0.02",
     lambda o: warmed(o, lr_scheduler.CosineAnnealingLR(o, STEPS - 10, 0.02))),
    ("OneCycleLR", ".schedule = PX_LR_ONE_CYCLE, .cycle_rise = 0.3, .cycle_from = 25, .cycle_to = 1e4",
     lambda o: lr_scheduler.OneCycleLR(o, RATE, total_steps=STEPS, cycle_momentum=False)),
    ("OneCycleLR, others", ".schedule = PX_LR_ONE_CYCLE, .cycle_rise = 0.42, .cycle_from = 10, .cycle_to = 100",
     lambda o: lr_scheduler.OneCycleLR(o, RATE, total_steps=STEPS, pct_start=0.42, div_factor=10, final_div_factor=100,
                                       cycle_momentum=False)),
    ("CosineAnnealingWarmRestarts",
     ".schedule = PX_LR_RESTARTS, .restart_epochs = 0.8, .restart_factor = 2, .lr_min = 0.01",
     lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 8, 2, 0.01)),
    ("CosineAnnealingWarmRestarts, equal", ".schedule = PX_LR_RESTARTS, .restart_epochs = 1.6, .restart_factor = 1",
     lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 16, 1)),
]


def rates(make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule, seen = make(optimizer), []
    for _ in range(STEPS):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def main():
    print("/* schedule_fixtures.h - made by make_schedule_fixtures.py. */\n/* clang-format off */")
    print("enum { STEPS = %d };\n" % STEPS)
    print("static const struct schedule {\n    const char *name;\n    px_optim_cfg cfg;\n    double rate[STEPS];\n} schedules[] = {")
    for name, fields, make in CASES:
        numbers = ["%.12g" % v for v in rates(make)]
        rows = [", ".join(numbers[i:i + 6]) for i in range(0, STEPS, 6)]
        print('    {"%s",\n     {%s},\n     {%s}},' % (name, fields, ",\n      ".join(rows)))
    print("};\n/* clang-format on */")


if __name__ == "__main__":
    main()
