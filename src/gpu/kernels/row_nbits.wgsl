// row_nbits.wgsl: one row of x times block-quantised weights (MatMulNBits), up to three products of one
// input, as in decoding. What surrounds a product in a decoder is computed with it: before it
//
//     x' = norm(x) + skip, kept for later;  x'' = x' / rms(x') * scale
//
// (each part where there is one; by every workgroup anew, since rows are short and dispatches dear),
// and behind it the gate that joins two products. `lanes` invocations share a column, each has `columns`
// of them, so that what was read of x serves several weights; 1 / rms multiplies the finished sums. All
// weights of a round are asked for before x is. Bound by reading them.
//
// An adapter adds up (down x) to a product (graph/lora.h). Where `down` is small, every workgroup computes
// down x of the products that its columns belong to, `rank` numbers each, from what it staged of x; else a
// dispatch before (`far`) did, of this kernel with the halves of `down` for weights of 16 bits.
//
// What comes before: fn count_of_columns (of all products; gated: of one), const k_, blocks_ (scales of a column), block_ (logarithm of its units),
// known to the compiler as most loops hang on them; const splits, wide (vectors of a head), fn part_of(i); const bits, threads, lanes, columns, normed, pre_normed, skips, keeps, gated;
// fn scale_of(i), zero_of(n, block), bias_of(n), gate(x, y), scale_before(v), scale_pre(v); const parts_,
// rank (0: no adapter), far, early, asks, fn down_of(i) (eight halves), up_of(i), columns_of(product), and
// written out by row.c structs Downs of `asks` eights and Ups of `rank` numbers, fn load_down, take_down,
// load_up, change; and
// row_f32.wgsl or row_i8.wgsl: fn stage, struct Unit, fn read_unit, fn product, fn eight_by; and, written out by
// row.c, const fetches; struct Weights, fn load(n0, u, end) and fn apply(weights, u, rest) of const steps units a lane.

struct Row {
    n: u32,
    x_at: u32,
    skip_at: u32,
    sum_at: u32,
    first: u32, // column of the first product that w begins with
    ends: vec2<u32>, // where the first and the second product end
    epsilon: f32,
    pre_epsilon: f32,
    y_at: vec4<u32>, // of each product
    low_at: vec4<u32>, // far: of each product's down x
}
@group(0) @binding(0) var<uniform> p: Row;
@group(0) @binding(1) var<storage, ACCESS_1> arena: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> w: array<vec4<u32>>;

const unit = 128u / bits; // weights of one vector
const chunk = lanes * steps; // units of a round
const heads = threads / lanes * columns; // columns of a workgroup
const tier = min(8u, max(1u, threads / heads)); // invocations of a column at the end
var<workgroup> part: array<f32, threads * max(columns, fetches)>;
var<workgroup> factors: array<f32, 256>; // heads * splits
var<workgroup> squares: array<f32, threads>;
var<workgroup> total: array<f32, 16>;
var<workgroup> low: array<f32, max(rank * parts_, 1u)>; // down x, of each product

fn at(base: u32, v: u32) -> vec4<f32> {
    let i = base + 4u * v;
    return vec4<f32>(arena[i], arena[i + 1u], arena[i + 2u], arena[i + 3u]);
}

// What attend_row.wgsl left in parts: each counts by exp(its highest score) times its sum of weights.
fn weigh_parts(local: u32) {
    for (var head = local; head < k_ / (4u * wide); head += threads) {
        var top = part_form(head * splits).x;
        for (var s = 1u; s < splits; s++) {
            top = max(top, part_form(head * splits + s).x);
        }
        var sum = 0.0;
        for (var s = 0u; s < splits; s++) {
            let form_ = part_form(head * splits + s);
            sum += exp(form_.x - top) * form_.y;
        }
        for (var s = 0u; s < splits; s++) {
            factors[head * splits + s] = exp(part_form(head * splits + s).x - top) / sum;
        }
    }
    workgroupBarrier();
}

fn joined(v: u32) -> vec4<f32> {
    let first = v / wide * splits;
    var x = vec4<f32>();
    for (var s = 0u; s < splits; s++) {
        x += factors[first + s] * part_of((first + s) * (wide + 1u) + v % wide);
    }
    return x;
}

fn part_form(i: u32) -> vec2<f32> {
    return part_of(i * (wide + 1u) + wide).xy;
}

// Vector v of x' (kept by the first workgroup).
fn input(v: u32, before: f32, keep: bool) -> vec4<f32> {
    if (splits > 1u) {
        return joined(v);
    }
    var x = at(p.x_at, v);
    if (pre_normed) {
        x *= before * scale_pre(v);
    }
    if (skips) {
        x += at(p.skip_at, v);
    }
    if (keeps && keep) {
        let i = p.sum_at + 4u * v;
        arena[i] = x.x;
        arena[i + 1u] = x.y;
        arena[i + 2u] = x.z;
        arena[i + 3u] = x.w;
    }
    return x;
}

fn sum_squares(local: u32) {
    if (local < 16u) {
        var sum = 0.0;
        for (var i = local; i < threads; i += 16u) {
            sum += squares[i];
        }
        total[local] = sum;
    }
}

fn sum_total() -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < 16u; i++) {
        sum += total[i];
    }
    return sum;
}

// The row of w behind place n: products that meet in a gate alternate.
fn row_of(n: u32) -> u32 {
    return select(n, n / 2u + (n % 2u) * count_of_columns(), gated);
}

// Scale and zero point of unit u of row n.
fn form(n: u32, u: u32) -> vec2<f32> {
    let b = u >> block_;
    return vec2<f32>(scale_of(n * blocks_ + b), zero_of(n, b));
}

// Which product column `whole` is of, and where the product begins.
fn product_of(whole: u32) -> vec2<u32> {
    let which = u32(whole >= p.ends.x) + u32(whole >= p.ends.y);
    return vec2<u32>(which, select(select(0u, p.ends.x, which == 1u), p.ends.y, which == 2u));
}

const low_rows = rank * select(1u, 2u, gated); // products that meet in a gate: of both at once
const low_lanes = threads / max(low_rows, 1u); // of a row of down

// What a round adds to this invocation's share of row local / low_lanes of a product's down x; of the first
// it has asked before.
fn low_share(local: u32, which: u32, u0: u32, count: u32, asked: bool, before: Downs) -> f32 {
    let eights = count * unit / 8u;
    var begin = local % low_lanes;
    var d = before;
    if (!asked) {
        d = load_down(local, which, u0, begin, eights);
    }
    var sum = take_down(d, begin, eights);
    for (begin += asks * low_lanes; begin < eights; begin += asks * low_lanes) {
        sum += take_down(load_down(local, which, u0, begin, eights), begin, eights);
    }
    return select(0.0, sum, local / low_lanes < low_rows);
}

// The i-th eight of a row of down in a round, none beyond.
fn down_at(local: u32, which: u32, u0: u32, i: u32, eights: u32) -> vec4<u32> {
    let row = which * rank + min(local / low_lanes, max(low_rows, 1u) - 1u);
    return down_of(row * (k_ / 8u) + u0 * unit / 8u + min(i, eights - 1u));
}

fn sum_low(local: u32, which: u32, share: f32) {
    workgroupBarrier();
    part[local] = share;
    workgroupBarrier();
    if (local < low_rows) {
        var sum = 0.0;
        for (var i = 0u; i < low_lanes; i++) {
            sum += part[local * low_lanes + i];
        }
        low[which * rank + local] = sum;
    }
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let index = group.x + group.y * groups.x;
    let lane = local % lanes;
    let n0 = index * heads + local / lanes * columns;
    let units = k_ / unit;
    let end = select(count_of_columns(), 2u * count_of_columns(), gated);
    var weights = load(n0, lane, end - 1u, units - 1u);
    if (splits > 1u) {
        weigh_parts(local);
    }
    var before = 1.0;
    if (pre_normed) {
        var sum = 0.0;
        for (var v = local; v < k_ / 4u; v += threads) {
            let x = at(p.x_at, v);
            sum += dot(x, x);
        }
        squares[local] = sum;
        workgroupBarrier();
        sum_squares(local);
        workgroupBarrier();
        before = 1.0 / sqrt(sum_total() / f32(k_) + p.pre_epsilon);
        workgroupBarrier();
    }
    var square = 0.0;
    var sums = vec4<f32>();
    var shares = vec3<f32>();
    let first_product = select(product_of(p.first + index * heads).x, 0u, gated);
    let last_product = select(product_of(p.first + min(index * heads + heads, end) - 1u).x, 0u, gated);
    const step = select(1u, 2u, gated);
    let n = index * heads + local * step; // of w's rows, in their order here
    let all = count_of_columns();
    let mine = select(product_of(p.first + min(n, end - 1u)), vec2<u32>(), gated);
    let column = select(p.first + min(n, end - 1u) - mine.y, min(n, end - 1u) / 2u, gated);
    let width = select(columns_of(mine.x), all, gated);
    var downs: Downs;
    var ups: Ups;
    var other_ups: Ups;
    if (rank > 0u && !far) {
        downs = load_down(local, first_product, 0u, local % low_lanes, min(chunk, units) * unit / 8u);
    }
    if (rank > 0u && early) {
        ups = load_up(mine.y, width, column);
        if (gated) { other_ups = load_up(all, all, column); }
    }
    if (far && local < rank * parts_) {
        low[local] = arena[p.low_at[local / max(rank, 1u)] + local % max(rank, 1u)];
    }
    for (var u0 = 0u; u0 < units; u0 += chunk) {
        if (u0 != 0u) {
            workgroupBarrier();
            weights = load(n0, u0 + lane, end - 1u, units - 1u);
        }
        let count = min(chunk, units - u0);
        square += stage(local, u0, count, before, index == 0u);
        if (normed) {
            squares[local] = square;
        }
        workgroupBarrier();
        if (normed) {
            sum_squares(local);
        }
        sums += apply(weights, lane, count);
        if (rank > 0u && !far) {
            if (first_product == 0u) { shares.x += low_share(local, 0u, u0, count, u0 == 0u, downs); }
            if (first_product <= 1u && last_product >= 1u) { shares.y += low_share(local, 1u, u0, count, u0 == 0u && first_product == 1u, downs); }
            if (last_product == 2u) { shares.z += low_share(local, 2u, u0, count, u0 == 0u && first_product == 2u, downs); }
        }
    }
    if (rank > 0u && !far) {
        if (first_product == 0u) { sum_low(local, 0u, shares.x); }
        if (first_product <= 1u && last_product >= 1u) { sum_low(local, 1u, shares.y); }
        if (last_product == 2u) { sum_low(local, 2u, shares.z); }
        workgroupBarrier();
    }
    part[local * columns] = sums.x;
    if (columns > 1u) { part[local * columns + 1u] = sums.y; }
    if (columns > 2u) { part[local * columns + 2u] = sums.z; }
    if (columns > 3u) { part[local * columns + 3u] = sums.w; }
    workgroupBarrier();
    // the lanes' sums of a column: `tier` of them at a time, so that no invocation adds many
    var tiers = lanes;
    if (lanes >= 32u) {
        let column = local / tier;
        let lane0 = local % tier * (lanes / tier);
        var value = 0.0;
        if (column < heads) {
            let base = column / columns * lanes * columns + column % columns;
            for (var i = 0u; i < lanes / tier; i++) {
                value += part[base + (lane0 + i) * columns];
            }
        }
        workgroupBarrier();
        if (column < heads) {
            part[column / columns * tier * columns + local % tier * columns + column % columns] =
                value;
        }
        workgroupBarrier();
        tiers = tier;
    }
    if (local * step >= heads || n >= end) {
        return;
    }
    let inverse = select(1.0, 1.0 / sqrt(sum_total() / f32(k_) + p.epsilon), normed);
    let low_by = select(inverse, 1.0, far); // what was computed before is normed
    if (rank > 0u && !early) {
        ups = load_up(mine.y, width, column);
        if (gated) { other_ups = load_up(all, all, column); }
    }
    let begin = local * step / columns * tiers * columns + local * step % columns;
    var value = 0.0;
    var other = 0.0;
    for (var i = 0u; i < tiers; i++) {
        value += part[begin + i * columns];
        if (gated) {
            other += part[begin + i * columns + 1u];
        }
    }
    if (gated) {
        arena[p.y_at.x + column] =
            gate(value * inverse + bias_of(column) + change(0u, ups) * low_by,
                 other * inverse + bias_of(all + column) + change(1u, other_ups) * low_by);
        return;
    }
    arena[p.y_at[mine.x] + column] =
        value * inverse + bias_of(n) + change(mine.x, ups) * low_by;
}
