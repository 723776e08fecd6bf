/* average.h - a follower that is not applied, only kept: an average of a network's weights over the steps (Polyak & Juditsky 1992).
 *
 *     px_value *momentum = px_schedule(b, "ema", 0.999, 0.999, PX_STEADY, PX_SHARE);
 *     px_net_average(px_backbone_net(b), "ema", momentum);      // ema.conv1.weight, ..., ema.bn1.running_mean, ...
 */
#ifndef PX_GRAPH_AVERAGE_H
#define PX_GRAPH_AVERAGE_H

#include "graph/graph.h"

/* Adds a network that follows as px_net_follow's do, with the same rules for `name` and `momentum`, and whose running statistics
 * follow like its parameters: of these states, too, px_param.leader and .follower are set. It has all that `leader` has so far, and
 * costs no forward pass. Errors are the graph's. */
void px_net_average(px_net *leader, const char *name, px_value *momentum);

#endif
