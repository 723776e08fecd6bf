/* online_knn.h - k nearest neighbours while training (online_knn_epochs): the protocol knn, k 20, of some images, by the network as
 * it is; see train/online_test.h. */
#ifndef PX_EVAL_ONLINE_KNN_H
#define PX_EVAL_ONLINE_KNN_H

#include "train/online_test.h"

extern const px_online_test_kind px_online_knn;

#endif
