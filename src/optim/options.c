/* options.c - the settings of optimizers and schedules. */
#include "optim/optim.h"

const px_option px_optim_options[] = {
    PX_OPTION_CHOICE(px_optim_cfg, optimizer, "sgd", "sgd|adamw|lars|adam|lamb",
                     "sgd, adam and adamw as in torch.optim; for large batches lars, as in SimCLR's code, and lamb "
                     "(You 2020, arXiv:1904.00962, algorithm 2, for all parameters that lars would adapt)"),
    PX_OPTION(px_optim_cfg, lr, "0.12", 0, 1000,
              "base learning rate, scaled by lr_scaling (lightly's CIFAR-10 benchmark, sgd: 0.06 for a batch of 128)"),
    PX_OPTION_CHOICE(px_optim_cfg, lr_scaling, "linear", "linear|sqrt|none",
                     "linear: lr * batch/256 (Goyal 2017); sqrt: lr * sqrt(batch) (SimCLR B.1, lr 0.075); none: lr"),
    PX_OPTION_CHOICE(px_optim_cfg, schedule, "cosine", "cosine|step|constant|polynomial|one_cycle|restarts",
                     "after the warm-up: half a cosine down to lr_min (SimCLR, MAE); drops at `steps` or `step_every`; "
                     "constant; a power of what is left (torch's PolynomialLR); restarts: cosines one after the other "
                     "(SGDR, arXiv:1608.03983). one_cycle has no other warm-up: a rise and a fall (arXiv:1708.07120)"),
    PX_OPTION(px_optim_cfg, warmup_epochs, "10", 0, 1e6,
              "epochs of linear warm-up (Goyal 2017: 5, SimCLR: 10, MAE: 40)"),
    PX_OPTION(px_optim_cfg, warmup_from, "0", 0, 1,
              "share of the rate at which the warm-up begins (SimCLR, MAE: 0; torchvision: 0.01)"),
    PX_OPTION(px_optim_cfg, lr_min, "0", 0, 1000,
              "final rate of cosine, polynomial and restarts, not scaled by the batch (MAE: 0)"),
    PX_OPTION(px_optim_cfg, steps, "[]", 0, 1e9,
              "epochs at which schedule step drops, ascending (Kolesnikov 2019: [15, 25])"),
    PX_OPTION(px_optim_cfg, step_every, "0", 0, 1e6,
              "schedule step drops every so many epochs instead (torchvision: 30); 0: at `steps`"),
    PX_OPTION(px_optim_cfg, step_factor, "0.1", 0, 1, "factor of each drop (Kolesnikov 2019: 0.1)"),
    PX_OPTION(px_optim_cfg, power, "1", 0.01, 100,
              "polynomial: power of the share that is left (torch: 1; DeepLab: 0.9)"),
    PX_OPTION(px_optim_cfg, cycle_rise, "0.3", 0.01, 0.99,
              "one_cycle: share of the training in which the rate rises (torch's OneCycleLR: 0.3)"),
    PX_OPTION(px_optim_cfg, cycle_from, "25", 1, 1e9, "one_cycle: begins at the rate divided by this (torch's: 25)"),
    PX_OPTION(px_optim_cfg, cycle_to, "1e4", 1, 1e12,
              "one_cycle: ends at where it began, divided by this (torch's: 1e4)"),
    PX_OPTION(px_optim_cfg, restart_epochs, "10", 0.001, 1e6, "restarts: epochs of the first cosine (SGDR: 1, 10, 50)"),
    PX_OPTION(px_optim_cfg, restart_factor, "2", 1, 100,
              "restarts: each cosine is so many times as long as the one before (SGDR: 1, 2)"),
    PX_OPTION(px_optim_cfg, momentum, "0.9", 0, 0.999999, "sgd, lars: momentum (SimCLR: 0.9)"),
    PX_OPTION_FLAG(px_optim_cfg, nesterov, "false", "sgd, lars: Nesterov's momentum (SimCLR pretrains without)"),
    PX_OPTION(px_optim_cfg, weight_decay, "5e-4", 0, 1,
              "L2 (sgd, adam, lars) or decoupled (adamw, lamb) decay (lightly's CIFAR-10 benchmark: 5e-4; SimCLR: "
              "1e-4; MAE: 0.05)"),
    PX_OPTION(px_optim_cfg, weight_decay_end, "-1", -1, 1,
              "weight_decay becomes this along half a cosine (DINO: 0.04 to 0.4); -1: it stays"),
    PX_OPTION_FLAG(px_optim_cfg, decay_all, "false", "also decay norms and biases (SimCLR and MAE do not)"),
    PX_OPTION(px_optim_cfg, beta1, "0.9", 0, 0.999999,
              "adam, adamw, lamb: decay of the first moment (Kingma 2015, MAE: 0.9)"),
    PX_OPTION(px_optim_cfg, beta2, "0.999", 0, 0.999999999,
              "adam, adamw, lamb: decay of the second moment (Kingma 2015: 0.999; MAE: 0.95)"),
    PX_OPTION(px_optim_cfg, eps, "1e-8", 0, 1,
              "adam, adamw, lamb: added to the root of the second moment (Kingma 2015: 1e-8; LAMB: 1e-6)"),
    PX_OPTION(px_optim_cfg, eta, "0.001", 0, 1, "lars: trust coefficient (SimCLR's code: 0.001)"),
    PX_OPTION_FLAG(
        px_optim_cfg, clip_lr, "false",
        "lars: a parameter's rate is the smaller of trust ratio and lr, not their product (solo-learn's clip_lr)"),
    PX_OPTION(px_optim_cfg, clip, "0", 0, 1e9,
              "largest global gradient norm, 0: no clipping (as torch's clip_grad_norm_)"),
    PX_OPTION_TEXT(
        px_optim_cfg, rules, "",
        "factors of rate and decay, a rate without schedule, and epochs without change, for parameters by name: "
        "\"patch_embed:frozen=inf; head:rate=10,decay=0\""),
    PX_OPTION(
        px_optim_cfg, layer_decay, "1", 0.01, 1,
        "rate of each of the backbone's layers, times that of the next one, to train weights further (BEiT: 0.65 to "
        "0.9, MAE: 0.65 to 0.75)"),
    {0}};
