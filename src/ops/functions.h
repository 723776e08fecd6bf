/* functions.h - the functions of px_unary, a row each: what both kernel sets, the gradient rule and the tests walk.
 *
 *     ROW(name, text, of, value, slope)
 *
 * `text` is what users see. `value` is f(x), with the op's numbers a and b. `slope` is the derivative, in terms of what `of`
 * names: X the input, Y the output (then backward needs no input, whose memory may be used again), A neither. To add a
 * function, add its row here, its name and formula to px_function (ops.h), and its case to UNARY_CASES
 * (tests/ops/cases_elements.h).
 *
 * Rows are written for a type `number`, with EXP, LOG, SQRT, SIN, COS, TANH, SIGMOID, GELU and GELU_SLOPE, which the includer
 * defines for it.
 * NaN must pass: it fails every comparison, after which x itself has to be the value. At kinks the slopes are PyTorch's.
 */
#ifndef PX_OPS_FUNCTIONS_H
#define PX_OPS_FUNCTIONS_H

#include "ops/ops.h"

/* clang-format off */
#define PX_FUNCTIONS(ROW)                                                                                                         \
    ROW(IDENTITY,     "identity",     A, x,                                         1)                                            \
    ROW(AFFINE,       "affine",       A, a * x + b,                                 a)                                            \
    ROW(RELU,         "relu",         Y, x <= 0 ? 0 : x,                            y <= 0 ? 0 : 1)                               \
    ROW(RELU6,        "relu6",        Y, x < 0 ? 0 : x > 6 ? 6 : x,                 y > 0 && y < 6 ? 1 : 0)                       \
    ROW(LEAKY_RELU,   "leaky_relu",   X, x < 0 ? a * x : x,                         x > 0 ? 1 : a)                                \
    ROW(SIGMOID,      "sigmoid",      Y, SIGMOID(x),                                y * (1 - y))                                  \
    ROW(HARD_SIGMOID, "hard_sigmoid", Y, x < -3 ? 0 : x > 3 ? 1 : (x + 3) / 6,      y > 0 && y < 1 ? (number)1 / 6 : 0)           \
    ROW(GELU,         "gelu",         X, GELU(x),                                   GELU_SLOPE(x))                                \
    ROW(SILU,         "silu",         X, x * SIGMOID(x),                            SIGMOID(x) * (1 + x * (1 - SIGMOID(x))))      \
    ROW(HARD_SWISH,   "hard_swish",   X, x < -3 ? 0 : x > 3 ? x : x * (x + 3) / 6,  x < -3 ? 0 : x > 3 ? 1 : (2 * x + 3) / 6)     \
    ROW(TANH,         "tanh",         Y, TANH(x),                                   1 - y * y)                                    \
    ROW(EXP,          "exp",          Y, EXP(x),                                    y)                                            \
    ROW(LOG,          "log",          X, LOG(x),                                    1 / x)                                        \
    ROW(SQRT,         "sqrt",         Y, SQRT(x),                                   1 / (2 * y))                                  \
    ROW(SQUARE,       "square",       X, x * x,                                     2 * x)                                        \
    ROW(ABS,          "abs",          X, x < 0 ? -x : x,                            x > 0 ? 1 : x < 0 ? -1 : 0)                   \
    ROW(SIN,          "sin",          X, SIN(x),                                    COS(x))                                       \
    ROW(COS,          "cos",          X, COS(x),                                    -SIN(x))                                      \
    ROW(CLAMP,        "clamp",        X, x < a ? a : x > b ? b : x,                 x < a || x > b ? 0 : 1)
/* clang-format on */

/* PAIR(name, text, value): of PX_name in px_pair, of the numbers x and z. */
#define PX_PAIRS(PAIR)                                                                                                 \
    PAIR(ADD, "add", x + z)                                                                                            \
    PAIR(SUB, "sub", x - z)                                                                                            \
    PAIR(MUL, "mul", (x) * (z))                                                                                        \
    PAIR(DIV, "div", x / z)                                                                                            \
    PAIR(MAX, "max", x > z || x != x ? x : z) /* NaN passes through */                                                 \
    PAIR(MIN, "min", x < z || x != x ? x : z)                                                                          \
    PAIR(EQUAL, "equal", x == z)

#endif
