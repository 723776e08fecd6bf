/* attention_maps.c - see attention_maps.h. */
#include "eval/attention_maps.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* weight (T): softmax of the products of query `q` with all keys of a head, which begin `width` numbers after the queries. */
static void attend(double *weight, const float *qkv, const px_attention_about *a, int tokens, int head, int q)
{
    int size = a->width / a->heads, row = 3 * a->width;
    const float *query = qkv + (int64_t)q * row + head * size;
    double most = -INFINITY, sum = 0;
    for (int k = 0; k < tokens; k++) {
        const float *key = qkv + (int64_t)k * row + a->width + head * size;
        double dot = 0;
        for (int j = 0; j < size; j++)
            dot += (double)query[j] * (double)key[j];
        weight[k] = a->scale * dot;
        most = fmax(most, weight[k]);
    }
    for (int k = 0; k < tokens; k++) {
        weight[k] = exp(weight[k] - most);
        sum += weight[k];
    }
    for (int k = 0; k < tokens; k++)
        weight[k] /= sum;
}

double px_patch_distance(int grid, int a, int b)
{
    int down = a / grid - b / grid, right = a % grid - b % grid;
    return hypot(down, right);
}

void px_attention_measure(double *distance, double *entropy, const float *qkv, const px_attention_about *a)
{
    int patches = a->grid * a->grid, tokens = a->first + patches;
    double *weight = px_calloc((size_t)tokens, sizeof weight[0]);
    for (int h = 0; h < a->heads; h++) {
        distance[h] = entropy[h] = 0;
        for (int q = 0; q < patches; q++) {
            double far = 0, sum = 0;
            attend(weight, qkv, a, tokens, h, a->first + q);
            for (int k = 0; k < tokens; k++)
                entropy[h] -= weight[k] > 0 ? weight[k] * log(weight[k]) / patches : 0;
            for (int k = 0; k < patches; k++) {
                double w = weight[a->first + k];
                far += w * px_patch_distance(a->grid, k, q);
                sum += w;
            }
            distance[h] += sum > 0 ? a->patch * far / sum / patches : 0;
        }
    }
    free(weight);
}

void px_attention_map(double *map, const float *qkv, const px_attention_about *a)
{
    int patches = a->grid * a->grid, tokens = a->first + patches, queries = a->first > 0 ? 1 : patches;
    double *weight = px_calloc((size_t)tokens, sizeof weight[0]);
    for (int h = 0; h < a->heads; h++) {
        double *own = map + (int64_t)h * patches, sum = 0;
        memset(own, 0, (size_t)patches * sizeof *own);
        for (int q = 0; q < queries; q++) {
            attend(weight, qkv, a, tokens, h, q);
            for (int k = 0; k < patches; k++) {
                own[k] += weight[a->first + k];
                sum += weight[a->first + k];
            }
        }
        for (int k = 0; k < patches && sum > 0; k++)
            own[k] /= sum;
    }
    free(weight);
}
