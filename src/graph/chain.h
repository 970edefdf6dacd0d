/* chain.h — the program of an Elementwise node of the domain brink: what pass_elementwise.c writes
   and cpu/chain.c runs.

   Input 0 has the output's shape. Attribute `steps` holds two integers a step, a function and the
   input that it reads besides (0: none), `weights` two parameters p and q a step. An operand's
   dimensions are, from the left, ones, then the output's, then ones. */
#ifndef GRAPH_CHAIN_H
#define GRAPH_CHAIN_H

enum { CHAIN_STEPS = 16 };

typedef enum chain_function {
    CHAIN_ADD,
    CHAIN_SUB,
    CHAIN_SUB_FROM, /* operand − x */
    CHAIN_MUL,
    CHAIN_DIV,
    CHAIN_DIV_INTO, /* operand / x */
    CHAIN_MIN,
    CHAIN_MAX,
    CHAIN_BINARIES,
    CHAIN_NEG = CHAIN_BINARIES,
    CHAIN_ABS,
    CHAIN_SQUARE,
    CHAIN_SQRT,
    CHAIN_RECIPROCAL,
    CHAIN_CLIP,  /* to [p, q]                 */
    CHAIN_SLOPE, /* p * x below 0: LeakyRelu  */
    CHAIN_EXP,
    CHAIN_ERF,
    CHAIN_TANH,
    CHAIN_SIGMOID,
    CHAIN_GELU,
    CHAIN_GELU_TANH,
    CHAIN_SWISH,        /* x * sigmoid(p * x)         */
    CHAIN_HARD_SIGMOID, /* p * x + q within [0, 1]    */
    CHAIN_HARD_SWISH
} chain_function;

#endif
