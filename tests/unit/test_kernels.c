/* test_kernels.c — kernels called one by one: known answers, edges, errors, and the thread pool.

   What onnxruntime can answer is compared with it by tests/ops/run; here is what it cannot: errors,
   in-place caches, forms that no graph rule lets through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/half.h"
#include "cpu/cpu.h"
#include "cpu/simd.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16 };

static brink_context *context;

/* A kernel's call: inputs and outputs by pointer, attributes by hand. */
typedef struct call {
    const tensor *in[MOST];
    tensor *out[MOST];
    uint32_t in_count, out_count, attr_count;
    onnx_attr attrs[MOST];
    int64_t opset;
    bool exact, apart;
    const void *packed;
} call;

static tensor make(brink_type type, const void *data, uint32_t rank, const int64_t *dims)
{
    tensor t = {.data = (void *)(uintptr_t)data, .type = type, .rank = rank};
    memcpy(t.dims, dims, rank * sizeof *dims);
    return t;
}
#define DIMS(...)                                                                                  \
    (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                              \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define SCALAR(type, value) ((tensor){.data = (value), .type = (type)})

static void input(call *c, const tensor *t)
{
    c->in[c->in_count++] = t;
}

static void output(call *c, tensor *t)
{
    c->out[c->out_count++] = t;
}

static void attr_int(call *c, attr_name name, int64_t value)
{
    c->attrs[c->attr_count++] = (onnx_attr){.name = name, .kind = ATTR_KIND_INT, .i = value};
}

static const op_row row = {.domain = "", .name = "Op"};

static onnx_node node_of(const call *c)
{
    return (onnx_node){.name = "node",
                       .type = "Op",
                       .domain = "",
                       .op = &row,
                       .opset = c->opset != 0 ? c->opset : 20,
                       .attr_count = c->attr_count,
                       .attrs = c->attrs};
}

static brink_status run_prepare(prepare_fn fn, call *c, packing *store)
{
    onnx_node node = node_of(c);
    c->packed = NULL;
    return fn(&(kernel_args){.context = context,
                             .file = "test",
                             .node = &node,
                             .in = c->in,
                             .out = c->out,
                             .in_count = c->in_count,
                             .out_count = c->out_count},
              store, &c->packed);
}

static brink_status run(kernel_fn fn, call *c)
{
    onnx_node node = node_of(c);
    scratch memory = {0};
    kernel_args args = {.context = context,
                        .file = "test",
                        .node = &node,
                        .in = c->in,
                        .out = c->out,
                        .in_count = c->in_count,
                        .out_count = c->out_count,
                        .scratch = &memory,
                        .packed = c->packed,
                        .exact = c->exact,
                        .rows_apart = c->apart};
    brink_status status = fn(&args);
    core_free(context, memory.data);
    return status;
}

static void division_by_zero_is_an_error(void **state)
{
    (void)state;
    int32_t x[3] = {1, INT32_MIN, 7}, y[3] = {0, -1, 2}, z[3];
    tensor tx = make(BRINK_I32, x, DIMS(3)), ty = make(BRINK_I32, y, DIMS(3));
    tensor tz = make(BRINK_I32, z, DIMS(3));
    call c = {0};
    input(&c, &tx);
    input(&c, &ty);
    output(&c, &tz);
    assert_int_equal(run(cpu_div, &c), BRINK_BAD_INPUT);
    assert_non_null(strstr(brink_error(context), "division by zero"));
    assert_int_equal(run(cpu_mod, &c), BRINK_BAD_INPUT);
    y[0] = -3;
    assert_int_equal(run(cpu_div, &c), BRINK_OK);
    assert_int_equal(z[0], 0);
    assert_int_equal(z[1], INT32_MIN); /* wraps */
    assert_int_equal(z[2], 3);
    assert_int_equal(run(cpu_mod, &c), BRINK_OK);
    assert_int_equal(z[0], -2); /* the divisor's sign */
    assert_int_equal(z[1], 0);
    attr_int(&c, ATTR_fmod, 1);
    assert_int_equal(run(cpu_mod, &c), BRINK_OK);
    assert_int_equal(z[0], 1); /* the dividend's */
}

static void indices_outside_are_errors(void **state)
{
    (void)state;
    float x[6] = {0, 1, 2, 3, 4, 5}, y[4];
    int64_t index[2] = {-3, 2};
    tensor tx = make(BRINK_F32, x, DIMS(3, 2)), ti = make(BRINK_I64, index, DIMS(2));
    tensor ty = make(BRINK_F32, y, DIMS(2, 2));
    call c = {0};
    input(&c, &tx);
    input(&c, &ti);
    output(&c, &ty);
    assert_int_equal(run(cpu_gather, &c), BRINK_OK);
    assert_true(y[0] == 0 && y[3] == 5);
    index[1] = 3;
    assert_int_equal(run(cpu_gather, &c), BRINK_BAD_INPUT);
    assert_non_null(strstr(brink_error(context), "index 3 is outside dimension 3"));
    index[1] = INT64_MIN;
    assert_int_equal(run(cpu_gather, &c), BRINK_BAD_INPUT);
    assert_non_null(strstr(brink_error(context), "-9223372036854775808"));
}

static void gather_widens_half_tables(void **state)
{
    (void)state;
    uint16_t table[4] = {float_to_half(1.5f), float_to_half(-2), float_to_half(0.25f), 0x7C00};
    int32_t index[1] = {1};
    float y[2];
    tensor tx = make(BRINK_F16, table, DIMS(2, 2)), ti = make(BRINK_I32, index, DIMS(1));
    tensor ty = make(BRINK_F32, y, DIMS(1, 2));
    call c = {0};
    input(&c, &tx);
    input(&c, &ti);
    output(&c, &ty);
    assert_int_equal(run(cpu_gather, &c), BRINK_OK);
    assert_true(y[0] == 0.25f && isinf(y[1]));
}

static void casts_follow_numpy(void **state)
{
    (void)state;
    float x[6] = {-1.9f, 3e9f, NAN, 300.7f, -0.0f, 70000};
    int32_t i32[6];
    uint8_t u8[6], b[6];
    float half[6];
    tensor tx = make(BRINK_F32, x, DIMS(6)), to;
    call c = {0};
    input(&c, &tx);
    output(&c, &to);
    to = make(BRINK_I32, i32, DIMS(6));
    assert_int_equal(run(cpu_cast, &c), BRINK_OK);
    assert_true(i32[0] == -1 && i32[1] == INT32_MIN && i32[2] == INT32_MIN && i32[3] == 300);
    to = make(BRINK_U8, u8, DIMS(6));
    assert_int_equal(run(cpu_cast, &c), BRINK_OK);
    assert_true(u8[0] == 255 && u8[3] == 44);
    to = make(BRINK_BOOL, b, DIMS(6));
    assert_int_equal(run(cpu_cast, &c), BRINK_OK);
    assert_true(b[0] && b[2] && !b[4]);
    to = make(BRINK_F32, half, DIMS(6));
    attr_int(&c, ATTR_to, BRINK_F16);
    assert_int_equal(run(cpu_cast, &c), BRINK_OK);
    assert_true(half[3] == 300.75f && isinf(half[5]) && isnan(half[2]));
}

static void empty_inputs(void **state)
{
    (void)state;
    float y[3] = {9, 9, 9};
    tensor none = make(BRINK_F32, NULL, DIMS(3, 0)), ty = make(BRINK_F32, y, DIMS(3, 1));
    call c = {0};
    input(&c, &none);
    output(&c, &ty);
    c.attrs[c.attr_count++] = (onnx_attr){
        .name = ATTR_axes, .kind = ATTR_KIND_INTS, .count = 1, .ints = (const int64_t[]){1}};
    assert_int_equal(run(cpu_reduce_sum, &c), BRINK_OK);
    assert_true(y[0] == 0 && y[2] == 0);
    assert_int_equal(run(cpu_reduce_max, &c), BRINK_OK);
    assert_true(y[0] == -INFINITY);
    call m = {0};
    tensor none_k = make(BRINK_F32, NULL, DIMS(0, 1));
    y[0] = y[1] = y[2] = 9;
    input(&m, &none);
    input(&m, &none_k);
    output(&m, &ty);
    assert_int_equal(run(cpu_matmul, &m), BRINK_OK);
    assert_true(y[0] == 0 && y[1] == 0 && y[2] == 0);
}

static void fused_matmul_swaps_batches(void **state)
{
    (void)state;
    float x[2 * 3 * 2], w[3 * 2 * 2], y[3 * 2 * 2]; /* x [rows 2, batch 3, k 2] */
    for (int i = 0; i < 12; i++)
        x[i] = (float)i, w[i] = (float)(i % 5);
    tensor tx = make(BRINK_F32, x, DIMS(2, 3, 2)), tw = make(BRINK_F32, w, DIMS(3, 2, 2));
    tensor ty = make(BRINK_F32, y, DIMS(3, 2, 2));
    call c = {0};
    input(&c, &tx);
    input(&c, &tw);
    output(&c, &ty);
    attr_int(&c, ATTR_transBatchA, 1);
    assert_int_equal(run(cpu_fused_matmul, &c), BRINK_OK);
    for (int b = 0; b < 3; b++)
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 2; j++) {
                float sum = 0;
                for (int k = 0; k < 2; k++)
                    sum += x[i * 6 + b * 2 + k] * w[b * 4 + k * 2 + j];
                assert_true(y[b * 4 + i * 2 + j] == sum);
            }
}

/* One token after another through a cache with room, against all rows at once. */
static void attention_appends_in_place(void **state)
{
    (void)state;
    enum { ROWS = 300, HEADS = 6, KV = 2, D = 16, ROOM = 320 };
    static float q[ROWS * HEADS * D], k[ROWS * KV * D], v[ROWS * KV * D];
    static float whole[ROWS * HEADS * D], step[ROWS * HEADS * D], cache[2][KV * ROOM * D];
    srand(5);
    for (int i = 0; i < ROWS * HEADS * D; i++)
        q[i] = (float)(rand() % 2000 - 1000) / 500;
    for (int i = 0; i < ROWS * KV * D; i++) {
        k[i] = (float)(rand() % 2000 - 1000) / 500;
        v[i] = (float)(rand() % 2000 - 1000) / 500;
    }
    int32_t last = ROWS - 1, total = ROWS;
    tensor tq = make(BRINK_F32, q, DIMS(1, ROWS, HEADS * D));
    tensor tk = make(BRINK_F32, k, DIMS(1, ROWS, KV * D)),
           tv = make(BRINK_F32, v, DIMS(1, ROWS, KV * D));
    tensor lengths = make(BRINK_I32, &last, DIMS(1)), all = make(BRINK_I32, &total, DIMS(1));
    tensor y = make(BRINK_F32, whole, DIMS(1, ROWS, HEADS * D));
    call c = {0};
    for (int i = 0; i < 7; i++)
        input(&c, (const tensor *[]){&tq, &tk, &tv, NULL, NULL, &lengths, &all}[i]);
    output(&c, &y); /* nobody asks for the cache */
    attr_int(&c, ATTR_num_heads, HEADS);
    attr_int(&c, ATTR_kv_num_heads, KV);
    assert_int_equal(run(cpu_group_query_attention, &c), BRINK_OK);

    tensor past[2], present[2];
    for (int i = 0; i < ROWS; i++) {
        for (int w = 0; w < 2; w++) {
            past[w] = make(BRINK_F32, cache[w], DIMS(1, KV, i, D));
            present[w] = make(BRINK_F32, cache[w], DIMS(1, KV, i + 1, D));
            past[w].capacity = present[w].capacity = ROOM;
        }
        last = i;
        total = i + 1;
        tq = make(BRINK_F32, q + i * HEADS * D, DIMS(1, 1, HEADS * D));
        tk = make(BRINK_F32, k + i * KV * D, DIMS(1, 1, KV * D));
        tv = make(BRINK_F32, v + i * KV * D, DIMS(1, 1, KV * D));
        y = make(BRINK_F32, step + i * HEADS * D, DIMS(1, 1, HEADS * D));
        c.in[3] = &past[0];
        c.in[4] = &past[1];
        c.out[1] = &present[0];
        c.out[2] = &present[1];
        c.out_count = 3;
        assert_int_equal(run(cpu_group_query_attention, &c), BRINK_OK);
    }
    for (int i = 0; i < ROWS * HEADS * D; i++)
        assert_true(fabsf(whole[i] - step[i]) < 1e-5f);
    last = ROWS + 5; /* more than the cache holds */
    assert_int_equal(run(cpu_group_query_attention, &c), BRINK_BAD_INPUT);
}

typedef struct counted {
    _Atomic int64_t sum, calls;
    _Atomic uint32_t threads;
    _Atomic uint8_t seen[100000];
} counted;

/* ── Rows of several runs ── */

enum { APART = 19, APART_K = 96, APART_N = 37 };

static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / (float)(1 << 24) - 0.5f;
}

/* All rows at once, kept apart, and one by one: the same to the last bit, with every set of instructions. */
static void expect_apart(kernel_fn fn, prepare_fn prepare, call c, const float *x)
{
    for (uint32_t table = 0; simd_list(table) != NULL; table++) {
        float all[APART * APART_N], one[APART_N];
        packing *store;
        simd_force(simd_list(table));
        assert_int_equal(packing_create(context, &store), BRINK_OK);
        for (uint32_t i = 0; i <= APART; i++) { /* 0: all */
            tensor rows = make(BRINK_F32, x + (i == 0 ? 0 : i - 1) * APART_K,
                               DIMS(i == 0 ? APART : 1, APART_K));
            tensor y = make(BRINK_F32, i == 0 ? all : one, DIMS(i == 0 ? APART : 1, APART_N));
            c.in[0] = &rows;
            c.out[0] = &y;
            c.out_count = 1;
            c.apart = i == 0;
            if (i == 0 && prepare != NULL)
                assert_int_equal(run_prepare(prepare, &c, store), BRINK_OK);
            assert_int_equal(run(fn, &c), BRINK_OK);
            if (i != 0)
                assert_memory_equal(all + (i - 1) * APART_N, one, sizeof one);
        }
        packing_free(store);
    }
    simd_force(NULL);
}

static void rows_are_apart(void **state)
{
    (void)state;
    static float x[APART * APART_K], dense[APART_K * APART_N], scales[APART_N * 6];
    static uint8_t codes[APART_N * APART_K], zeros[APART_N * 6];
    static uint16_t halves[APART_K * APART_N];
    static int32_t order[APART_K];
    uint32_t seed = 1;
    for (int i = 0; i < APART * APART_K; i++)
        x[i] = noise(&seed);
    for (int i = 0; i < APART_K * APART_N; i++) {
        dense[i] = noise(&seed);
        halves[i] = float_to_half(dense[i]);
        codes[i] = (uint8_t)(noise(&seed) * 256 + 128);
    }
    for (int i = 0; i < APART_N * 6; i++) {
        scales[i] = noise(&seed);
        zeros[i] = (uint8_t)(noise(&seed) * 256 + 128);
    }
    for (int i = 0; i < APART_K; i++)
        order[i] = (APART_K - 1 - i) / 32;
    tensor w = make(BRINK_U8, codes, DIMS(APART_N * APART_K));
    tensor scale = make(BRINK_F32, scales, DIMS(APART_N * 6));
    tensor zero = make(BRINK_U8, zeros, DIMS(APART_N * 6));
    tensor blocks = make(BRINK_I32, order, DIMS(APART_K));
    const int64_t bits[] = {2, 4, 8}, sizes[] = {16, 32};
    for (int i = 0; i < 3 * 2 * 2 * 3; i++) {
        call c = {.in_count = i % 3 == 0 ? 3 : i % 3 == 1 ? 4 : 5, .exact = i / 3 % 2 != 0};
        c.in[1] = &w;
        c.in[2] = &scale;
        c.in[3] = i % 3 == 1 ? &zero : NULL;
        c.in[4] = &blocks;
        attr_int(&c, ATTR_K, APART_K);
        attr_int(&c, ATTR_N, APART_N);
        attr_int(&c, ATTR_bits, bits[i / 12]);
        attr_int(&c, ATTR_block_size, sizes[i / 6 % 2]);
        expect_apart(cpu_matmul_nbits, cpu_prepare_matmul_nbits, c, x);
        expect_apart(cpu_matmul_nbits, NULL, c, x);
    }
    for (int i = 0; i < 4; i++) {
        tensor matrix = make(i % 2 ? BRINK_F16 : BRINK_F32, i % 2 ? (void *)halves : dense,
                             DIMS(i < 2 ? APART_K : APART_N, i < 2 ? APART_N : APART_K));
        call c = {.in_count = 2};
        c.in[1] = &matrix;
        if (i >= 2)
            attr_int(&c, ATTR_transB, 1);
        kernel_fn fn = i < 2 ? cpu_matmul : cpu_gemm;
        expect_apart(fn, cpu_prepare_matmul, c, x);
        expect_apart(fn, NULL, c, x);
    }
}

static void count_range(void *arg, int64_t begin, int64_t end, uint32_t thread)
{
    counted *c = arg;
    for (int64_t i = begin; i < end; i++)
        atomic_fetch_add(&c->seen[i], 1);
    atomic_fetch_add(&c->calls, 1);
    atomic_fetch_or(&c->threads, 1u << thread);
}

static void every_index_once(void **state)
{
    (void)state;
    static counted c;
    brink_context_desc desc = {.threads = 4};
    brink_context *own;
    assert_int_equal(brink_context_create(&desc, &own), BRINK_OK);
    assert_int_equal(brink_context_threads(own), 4);
    thread_for(own->pool, 0, 1, count_range, &c);
    assert_int_equal(c.calls, 0);
    for (int round = 1; round <= 200; round++) {
        int64_t count = round % 7 == 0 ? 100000 : round;
        memset((void *)c.seen, 0, sizeof c.seen);
        thread_for(own->pool, count, round % 5, count_range, &c);
        for (int64_t i = 0; i < 100000; i++)
            assert_int_equal(c.seen[i], i < count);
    }
    brink_context_destroy(own);
}

static int setup(void **state)
{
    (void)state;
    return brink_context_create(&(brink_context_desc){.threads = 2}, &context) != BRINK_OK;
}

static int teardown(void **state)
{
    (void)state;
    int leak = brink_context_memory(context).live > sizeof(void *) * 1000;
    brink_context_destroy(context);
    return leak;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(division_by_zero_is_an_error),
        cmocka_unit_test(indices_outside_are_errors),
        cmocka_unit_test(gather_widens_half_tables),
        cmocka_unit_test(casts_follow_numpy),
        cmocka_unit_test(empty_inputs),
        cmocka_unit_test(fused_matmul_swaps_batches),
        cmocka_unit_test(attention_appends_in_place),
        cmocka_unit_test(rows_are_apart),
        cmocka_unit_test(every_index_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
