/* row.c — one row of x times block-quantised weights, with what fuse.c found around it.

   Source: as nbits.c; kernels/row_nbits.wgsl computes it. */
#include "gpu/nbits.h"
#include "gpu/sources.h"

typedef struct row_parameters {
    uint32_t n, x_at, skip_at, sum_at, first, unused, ends[2];
    float epsilon, pre_epsilon, padding[2];
    uint32_t y_at[4], low_at[4];
} row_parameters;

/* Bytes of `down` up to which every workgroup computes down x for itself. */
enum { NEAR_BYTES = 56 << 10 };

bool gpu_row_takes(const gpu_program *g, const gpu_nbits *p)
{
    int64_t unit = 128 / p->bits;
    return p->k % p->block == 0 && p->block % unit == 0 && (p->block & (p->block - 1)) == 0 &&
           tensor_count(p->x) == p->k && gpu_nbits_joins(g, p);
}

/* How a workgroup is laid out over columns and along k: `lanes` invocations take `steps` units each of
   `columns` columns in a round. */
typedef struct shape {
    uint32_t threads, lanes, columns, steps;
} shape;

static shape choose(const gpu_nbits *p, int64_t columns, bool bytes, bool gated, bool changed)
{
    enum { STEPS = 4, ENOUGH = 128 /* workgroups */ };
    uint32_t units = (uint32_t)(p->k * p->bits / 128);
    uint32_t most = (uint32_t)((bytes ? 8192 : 1792) * p->bits / 128); /* workgroup memory */
    shape s = {256, 8, 4, 0};
    while (s.lanes < 64 && s.lanes * STEPS < units)
        s.lanes *= 2;
    while (s.columns > (gated ? 2u : 1u) &&
           columns * s.lanes < (int64_t)ENOUGH * s.threads * s.columns)
        s.columns /= 2;
    if (columns * s.lanes < (int64_t)ENOUGH / 2 * s.threads * s.columns)
        s.threads /= 2;
    if (changed && s.threads < 256) { /* as many workgroups, and more hands for down x */
        s.threads *= 2;
        s.lanes *= 2;
    }
    while (s.lanes > most)
        s.lanes /= 2;
    s.steps = (units + s.lanes - 1) / s.lanes;
    s.steps = s.steps > STEPS ? STEPS : s.steps;
    while (s.lanes * s.steps > most)
        s.steps--;
    return s;
}

/* Loads and products of a round, written out: no array, which drivers would keep in memory. */
static void put_round(gpu_text_head *h, shape s)
{
    PUT(h, "struct Weights {\n");
    for (uint32_t c = 0; c < s.columns; c++)
        for (uint32_t i = 0; i < s.steps; i++)
            PUT(h, "  w%u_%u: vec4<u32>,\n  f%u_%u: vec2<f32>,\n", c, i, c, i);
    PUT(h, "}\nfn load(n0: u32, u: u32, last: u32, most: u32) -> Weights {\n  var r: Weights;\n");
    for (uint32_t i = 0; i < s.steps; i++)
        PUT(h, "  let u%u = min(u + %uu, most);\n", i, i * s.lanes);
    for (uint32_t c = 0; c < s.columns; c++) {
        PUT(h, "  let n%u_ = row_of(min(n0 + %uu, last));\n  let at%u = n%u_ * (most + 1u);\n", c,
            c, c, c);
        for (uint32_t i = 0; i < s.steps; i++)
            PUT(h, "  r.w%u_%u = w[at%u + u%u];\n", c, i, c, i);
    }
    for (uint32_t c = 0; c < s.columns; c++)
        for (uint32_t i = 0; i < s.steps; i++)
            PUT(h, "  r.f%u_%u = form(n%u_, u%u);\n", c, i, c, i);
    PUT(h, "  return r;\n}\n"
           "fn apply(r: Weights, u: u32, count: u32) -> vec4<f32> {\n  var sums = vec4<f32>();\n");
    for (uint32_t i = 0; i < s.steps; i++) {
        PUT(h, "  if (u + %uu < count) {\n    let x = read_unit(u + %uu);\n", i * s.lanes,
            i * s.lanes);
        for (uint32_t c = 0; c < s.columns; c++)
            PUT(h, "    sums.%c += product(r.w%u_%u, r.f%u_%u, x);\n", "xyzw"[c], c, i, c, i);
        PUT(h, "  }\n");
    }
    PUT(h, "  return sums;\n}\n");
}

/* x of a round in 8 bits, eight values a fetch. */
static void put_stage(gpu_text_head *h, shape s, int64_t bits)
{
    uint32_t values = s.lanes * s.steps * (uint32_t)(128 / bits);
    uint32_t fetches = (values / 8 + s.threads - 1) / s.threads;
    PUT(h,
        "const fetches = %uu;\n"
        "fn stage(local: u32, u0: u32, count: u32, before: f32, keep: bool) -> f32 {\n"
        "  let parts = count * unit / 8u;\n",
        fetches);
    for (uint32_t i = 0; i < fetches; i++)
        PUT(h, "  let r%u = fetch(local + %uu, parts, u0, before, keep);\n", i, i * s.threads);
    for (uint32_t i = 0; i < fetches; i++)
        PUT(h, "  note(local + %uu, r%u);\n", i * s.threads, i);
    PUT(h, "  workgroupBarrier();\n");
    for (uint32_t i = 0; i < fetches; i++)
        PUT(h, "  settle(local + %uu, parts, r%u);\n", i * s.threads, i);
    PUT(h, "  return r0.square");
    for (uint32_t i = 1; i < fetches; i++)
        PUT(h, " + r%u.square", i);
    PUT(h, ";\n}\n");
}

static void put_norms(gpu_text_head *h, const gpu_fusion *f, bool keeps, gpu_dispatch *d)
{
    const tensor *scale = NULL, *pre = NULL;
    bool skips = false;
    if (f != NULL && f->norm != NULL) {
        skips = f->norm->in_count >= 3;
        scale = f->norm->in[skips ? 2 : 1];
        pre = f->pre != NULL ? f->pre->in[1] : NULL;
    }
    PUT(h, "const normed = %s;\nconst pre_normed = %s;\nconst skips = %s;\nconst keeps = %s;\n",
        scale != NULL ? "true" : "false", pre != NULL ? "true" : "false", skips ? "true" : "false",
        keeps && skips && kernel_out(f->norm, 3) != NULL ? "true" : "false");
    const tensor *list[2] = {scale, pre};
    static const char *const names[2] = {"before", "pre"};
    for (uint32_t i = 0; i < 2; i++) {
        if (list[i] == NULL) {
            PUT(h, "fn scale_%s(v: u32) -> vec4<f32> { return vec4<f32>(1.0); }\n", names[i]);
            continue;
        }
        d->tensors[d->count++] = list[i];
        PUT(h,
            "@group(0) @binding(%u) var<storage, ACCESS_%u> scales_%s: array<vec4<f32>>;\n"
            "fn scale_%s(v: u32) -> vec4<f32> { return scales_%s[v]; }\n",
            d->count, d->count, names[i], names[i], names[i]);
    }
}

/* The parts that an attention left, where it did. */
static void put_parts(const gpu_program *g, gpu_text_head *h, gpu_dispatch *d)
{
    const gpu_fusion *f = g->fusion;
    bool parts = f != NULL && f->splits > 1;
    int64_t width = parts ? f->attention->out[1]->dims[3] : 4;
    PUT(h, "const splits = %uu;\nconst wide = %uu;\n", parts ? f->splits : 1,
        (uint32_t)(width / 4));
    if (parts) {
        d->bindings[d->count] =
            (gpu_binding){g->partials.list[g->partials.count - 1], 0, g->partials.bytes};
        d->written |= 1u << d->count++;
        PUT(h, "@group(0) @binding(%u) var<storage, ACCESS_%u> partials: array<vec4<f32>>;\n",
            d->count, d->count);
    }
    PUT(h, "fn part_of(i: u32) -> vec4<f32> { return %s; }\n",
        parts ? "partials[i]" : "vec4<f32>()");
}

static void put_gate(gpu_text_head *h, const gpu_fusion *f)
{
    bool gated = f != NULL && f->gate != NULL;
    PUT(h, "const gated = %s;\nfn gate(a: f32, b: f32) -> f32 {\n", gated ? "true" : "false");
    PUT(h, "  var x = %s;\n  let y = %s;\n", gated && f->swapped ? "b" : "a",
        gated && f->swapped ? "a" : "b");
    if (gated)
        h->used += gpu_chain_text(f->gate->node, h->text + h->used, sizeof h->text - h->used);
    PUT(h, "  return x;\n}\n");
}

/* Loads of an adapter's matrices and what is made of them, written out as put_round's are. */
static void put_changes(gpu_text_head *h, uint32_t rank, uint32_t asks)
{
    PUT(h, "struct Downs {\n");
    for (uint32_t i = 0; i < asks; i++)
        PUT(h, "  d%u: vec4<u32>,\n", i);
    PUT(h, "}\nfn load_down(local: u32, which: u32, u0: u32, begin: u32, eights: u32) -> Downs {\n"
           "  var r: Downs;\n");
    for (uint32_t i = 0; i < asks && rank != 0; i++)
        PUT(h, "  r.d%u = down_at(local, which, u0, begin + %uu * low_lanes, eights);\n", i, i);
    PUT(h, "  return r;\n}\n"
           "fn take_down(r: Downs, begin: u32, eights: u32) -> f32 {\n  var sum = 0.0;\n");
    for (uint32_t i = 0; i < asks && rank != 0; i++)
        PUT(h,
            "  if (begin + %uu * low_lanes < eights) { sum += eight_by(r.d%u, begin + %uu * "
            "low_lanes); }\n",
            i, i, i);
    PUT(h, "  return sum;\n}\nstruct Ups {\n  u0: f32,\n");
    for (uint32_t j = 1; j < rank; j++)
        PUT(h, "  u%u: f32,\n", j);
    PUT(h, "}\nfn load_up(first: u32, columns: u32, n: u32) -> Ups {\n  var r: Ups;\n"
           "  let at = rank * first + n;\n");
    for (uint32_t j = 0; j < rank; j++)
        PUT(h, "  r.u%u = up_of(at + %uu * columns);\n", j, j);
    PUT(h, "  return r;\n}\nfn change(which: u32, r: Ups) -> f32 {\n"
           "  let at = which * rank;\n  var sum = 0.0;\n");
    for (uint32_t j = 0; j < rank; j++)
        PUT(h, "  sum += low[at + %uu] * r.u%u;\n", j, j);
    PUT(h, "  return sum;\n}\n");
}

static bool is_far(const gpu_fusion *f)
{
    const tensor *down = f->lora[0]->in[2];
    return tensor_count(down) * 2 * (f->gate != NULL ? 2 : 1) > NEAR_BYTES;
}

/* An adapter's matrices: `down` of all products, then `up`, each as one. */
static brink_status put_lora(gpu_program *g, const gpu_nbits *p, const gpu_fusion *f, shape s,
                             gpu_text_head *h, gpu_dispatch *d)
{
    enum { ASKS = 12, EARLY = 32, WIDE_BYTES = 10 << 10 /* of 16 KiB of workgroup memory */ };
    if (f == NULL || f->lora[0] == NULL) {
        PUT(h,
            "const wide_x = false;\nconst rank = 0u;\nconst far = false;\nconst early = false;\nconst asks = 1u;\n"
            "fn down_of(i: u32) -> vec4<u32> { return vec4<u32>(); }\n"
            "fn up_of(i: u32) -> f32 { return 0.0; }\n"
            "fn columns_of(i: u32) -> u32 { return 0u; }\n");
        put_changes(h, 0, 1);
        return BRINK_OK;
    }
    const tensor *list[2][GPU_NBITS_PARTS];
    for (uint32_t i = 0; i < p->count; i++) {
        list[0][i] = f->lora[i]->in[2];
        list[1][i] = f->lora[i]->in[3];
    }
    bool far = is_far(f);
    uint32_t wide = 4 * (s.lanes * s.steps * (uint32_t)(128 / p->bits) + s.threads * s.columns);
    if (!far) {
        TRY(gpu_joined(g, list[0], p->count, &d->bindings[d->count++]));
        PUT(h, "@group(0) @binding(%u) var<storage, ACCESS_%u> down: array<vec4<u32>>;\n", d->count,
            d->count);
    }
    TRY(gpu_joined(g, list[1], p->count, &d->bindings[d->count++]));
    uint32_t rank = (uint32_t)list[0][0]->dims[0];
    uint32_t lanes = s.threads / (rank * (f->gate != NULL ? 2 : 1));
    uint32_t asks = ((uint32_t)p->k / 8 + lanes - 1) / lanes;
    asks = far ? 1 : asks < ASKS ? asks : ASKS;
    PUT(h,
        "const wide_x = %s;\nconst rank = %uu;\nconst far = %s;\nconst early = %s;\nconst asks = %uu;\n"
        "@group(0) @binding(%u) var<storage, ACCESS_%u> up: array<u32>;\n"
        "fn down_of(i: u32) -> vec4<u32> { return %s; }\n"
        "fn up_of(i: u32) -> f32 { return unpack2x16float(up[i / 2u] >> (16u * (i %% 2u))).x; }\n"
        "fn columns_of(i: u32) -> u32 { return vec3<u32>(%uu, %uu, %uu)[i]; }\n",
        !far && wide <= WIDE_BYTES ? "true" : "false", rank, far ? "true" : "false",
        rank * (f->gate != NULL ? 2 : 1) <= EARLY ? "true" : "false", asks, d->count, d->count,
        far ? "vec4<u32>()" : "down[i]", (uint32_t)p->parts[0].n,
        p->count > 1 ? (uint32_t)p->parts[1].n : 0, p->count > 2 ? (uint32_t)p->parts[2].n : 0);
    put_changes(h, rank, asks);
    return BRINK_OK;
}

/* Where the norm's inputs lie: x is what may be normed before, the skip is added to it. */
static bool place_inputs(const gpu_program *g, const gpu_nbits *p, row_parameters *r)
{
    const gpu_fusion *f = g->fusion;
    if (f == NULL || f->norm == NULL)
        return gpu_arena_offset(g, p->x, 4, &r->x_at);
    const kernel_args *norm = f->norm;
    bool skips = norm->in_count >= 3;
    const tensor *x = norm->in[0], *skip = skips ? norm->in[1] : NULL;
    r->epsilon = onnx_float(norm->node, ATTR_epsilon, skips ? 1e-12f : 1e-5f);
    if (f->pre != NULL) {
        if (gpu_root(skip) == gpu_root(f->pre->out[0]))
            skip = x;
        x = f->pre->in[0];
        r->pre_epsilon = onnx_float(f->pre->node, ATTR_epsilon, 1e-5f);
    }
    return gpu_arena_offset(g, x, 4, &r->x_at) &&
           (!skips || gpu_arena_offset(g, skip, 4, &r->skip_at)) &&
           (!skips || kernel_out(norm, 3) == NULL ||
            gpu_arena_offset(g, norm->out[3], 4, &r->sum_at));
}

static bool place_outputs(const gpu_program *g, const gpu_nbits *p, const gpu_fusion *f,
                          row_parameters *r)
{
    for (uint32_t i = 0; f != NULL && i < p->count; i++)
        if (f->lora[i] != NULL && !gpu_arena_offset(g, f->lora[i]->out[1], 4, &r->low_at[i]))
            return false;
    if (f != NULL && f->gate != NULL)
        return gpu_arena_offset(g, f->gate->out[0], 4, &r->y_at[0]);
    int64_t columns = 0;
    r->ends[0] = r->ends[1] = UINT32_MAX; /* no column lies past the last product */
    for (uint32_t i = 0; i < p->count; i++) {
        columns += p->parts[i].n;
        if (i + 1 < p->count)
            r->ends[i] = (uint32_t)columns;
        const tensor *out = p->parts[i].out;
        if (f != NULL && f->lora[i] != NULL)
            out = f->lora[i]->out[0];
        if (!gpu_arena_offset(g, out, 4, &r->y_at[i]))
            return false;
    }
    return true;
}

/* Weights and what belongs to them; those of 16 bits are halves without scales. */
static brink_status put_weights(gpu_program *g, const gpu_nbits *p, gpu_text_head *h,
                                gpu_dispatch *d, gpu_binding *w, gpu_binding *scale,
                                gpu_binding *zero)
{
    if (p->bits != 16)
        return gpu_nbits_join(g, p, h, d, "blocks_", w, scale, zero);
    const tensor *list[GPU_NBITS_PARTS];
    for (uint32_t i = 0; i < p->count; i++)
        list[i] = p->parts[i].w;
    PUT(h, "const bits = 16u;\nfn scale_of(i: u32) -> f32 { return 1.0; }\n"
           "fn zero_of(n: u32, b: u32) -> f32 { return 0.0; }\n"
           "fn bias_of(n: u32) -> f32 { return 0.0; }\n");
    return gpu_joined(g, list, p->count, w);
}

/* The product, with what `f` says (NULL: nothing) behind it. */
static brink_status encode_row(gpu_program *g, const gpu_nbits *p, const gpu_fusion *f, bool *done)
{
    bool gated = f != NULL && f->gate != NULL;
    row_parameters r = {0};
    gpu_text_head h = {.used = 0};
    gpu_dispatch d = {.head = h.text,
                      .body = gpu_source_row_nbits,
                      .written = 1,
                      .parameters = &r,
                      .bytes = sizeof r};
    int64_t columns = 0;
    if (!gpu_arena(g, &d.bindings[0]) || !place_inputs(g, p, &r) || !place_outputs(g, p, f, &r))
        return BRINK_OK;
    for (uint32_t i = 0; i < p->count; i++)
        columns += p->parts[i].n;
    uint64_t most = gpu_nbits_bound(g->d, (uint64_t)(p->k * p->bits / 8), columns);
    if (most == 0)
        return BRINK_OK;
    bool bytes = !p->exact && p->k % 32 == 0;
    shape s = choose(p, columns, bytes, gated, f != NULL && f->lora[0] != NULL);
    PUT(&h, "%s", gpu_source_functions);
    PUT(&h,
        "const threads = %uu;\nconst lanes = %uu;\nconst columns = %uu;\nconst steps = %uu;\n"
        "const k_ = %uu;\nconst blocks_ = %uu;\nconst block_ = %uu;\nconst parts_ = %uu;\n",
        s.threads, s.lanes, s.columns, s.steps, (uint32_t)p->k, (uint32_t)p->blocks,
        (uint32_t)__builtin_ctzll((uint64_t)(p->block * p->bits / 128)), p->count);
    gpu_binding w, scale = {0}, zero = {0};
    d.count = 2;
    TRY(put_weights(g, p, &h, &d, &w, &scale, &zero));
    PUT(&h, "%s", bytes ? gpu_source_row_i8 : gpu_source_row_f32);
    if (bytes)
        put_stage(&h, s, p->bits);
    else
        PUT(&h, "const fetches = 1u;\n");
    put_round(&h, s);
    put_norms(&h, g->fusion, p->bits != 16, &d);
    if (most >= (uint64_t)columns)
        PUT(&h, "fn count_of_columns() -> u32 { return %uu; }\n",
            (uint32_t)(gated ? columns / 2 : columns));
    else
        PUT(&h, "fn count_of_columns() -> u32 { return p.n; }\n");
    put_parts(g, &h, &d);
    put_gate(&h, f);
    TRY(put_lora(g, p, f, s, &h, &d));
    const uint64_t all = (uint64_t)columns;
    for (uint64_t n = 0; n < all; n += most) {
        uint64_t some = all - n < most ? all - n : most;
        d.bindings[1] = gpu_nbits_share(&w, all, n, some);
        if (scale.buffer != NULL)
            d.bindings[2] = gpu_nbits_share(&scale, all, n, some);
        if (zero.buffer != NULL)
            d.bindings[3] = gpu_nbits_share(&zero, all, n, some);
        r.n = (uint32_t)(gated ? some / 2 : some);
        r.first = (uint32_t)n;
        uint32_t heads = s.threads / s.lanes * s.columns;
        d.groups = (some + heads - 1) / heads;
        TRY(gpu_encode(g, &d));
    }
    *done = true;
    return BRINK_OK;
}

/* x · downᵀ of each product's change, before them. */
static brink_status encode_low(gpu_program *g, const gpu_nbits *p, bool *done)
{
    gpu_nbits low = {.x = p->x,
                     .bits = 16,
                     .block = 8,
                     .k = p->k,
                     .blocks = p->k / 8,
                     .exact = true,
                     .count = p->count};
    for (uint32_t i = 0; i < p->count; i++) {
        const kernel_args *a = g->fusion->lora[i];
        low.parts[i] = (gpu_nbits_part){.w = a->in[2], .out = a->out[1], .n = a->in[2]->dims[0]};
    }
    return encode_row(g, &low, NULL, done);
}

brink_status gpu_row(gpu_program *g, const gpu_nbits *p, bool *done)
{
    const gpu_fusion *f = g->fusion;
    if (!gpu_row_takes(g, p))
        return BRINK_OK;
    if (f != NULL && f->lora[0] != NULL && is_far(f)) {
        TRY(encode_low(g, p, done));
        if (!*done)
            return BRINK_OK;
        *done = false;
    }
    return encode_row(g, p, f, done);
}
