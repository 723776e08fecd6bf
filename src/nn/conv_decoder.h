/* conv_decoder.h - a decoder of a grid of tokens by convolutions (data2vec 2.0, Baevski et al. 2022, arXiv:2212.07525, and the
 * official Decoder2d): layers of convolution, norm over channels without weights, GELU, residual sum; one linear layer at last.
 *
 *     px_conv_decoder d = {.width = 768, .layers = 6, .kernel = 3, .groups = 16};
 *     px_value *y = px_conv_decode(g, &d, x, side);
 */
#ifndef PX_NN_CONV_DECODER_H
#define PX_NN_CONV_DECODER_H

#include "graph/graph.h"

typedef struct px_conv_decoder {
    int width; /* channels of each convolution */
    int layers;
    int kernel; /* odd */
    int groups; /* divide the width and D */
} px_conv_decoder;

/* Replaces what is 0: the encoder's width, and as many groups as leave each of them 48 channels (ViT-B's in the paper), or
 * slightly more. */
void px_conv_decoder_settle(px_conv_decoder *, int encoder_width);

/* As px_method.check, for tokens of D = `width` numbers. */
const char *px_conv_decoder_check(const px_conv_decoder *, int width);

/* x (N, T, D), T patches of a grid of side x side -> (N, T, D). Parameters: blocks.0, ... (convolutions), proj; they begin as
 * torch.nn's. The first layer has a residual sum only if `width` is D. */
px_value *px_conv_decode(px_graph *, const px_conv_decoder *, px_value *x, int side);

#endif
