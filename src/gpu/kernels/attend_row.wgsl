// attend_row.wgsl: one new position of one sequence: its key and value go into the cache, and its
// queries attend to what is there; a workgroup a query head. Keys are read by four invocations each,
// 256 at a time, with a running maximum (Milakov and Gimelshein, "Online normalizer calculation for
// softmax", 2018), values by all. The new key is not read from the cache, where another workgroup is
// writing it. Bound by reading the cache.
// What comes before: const heads_, kv_heads_, d_, half_, interleaved_, window_ and whether there is a
// softcap_, of the parameters, known to the compiler; norm_queries, norm_keys, steps (vectors of a row
// that an invocation reads), even, splits.
//
// Where the product behind it joins parts (row.c), several workgroups share a head's keys, and each
// keeps its sum of values, highest score and sum of weights (Dao et al., "Flash-Decoding", 2023):
// vectors [heads, splits, d / 4 + 1], the last of them the score and the sum.

const threads = 256u;
var<workgroup> raw: array<f32, 512>; // query, key
var<workgroup> turned: array<f32, 512>;
var<workgroup> query: array<vec4<f32>, 64>;
var<workgroup> own: array<f32, 64>;
var<workgroup> quarters: array<f32, 1024>;
var<workgroup> weights: array<f32, 256>;
var<workgroup> rows: array<vec4<f32>, 256>;
var<workgroup> few: array<f32, 16>;

fn most_of(local: u32, value: f32) -> f32 {
    weights[local] = value;
    workgroupBarrier();
    if (local < 16u) {
        var top = weights[local];
        for (var i = local + 16u; i < threads; i += 16u) {
            top = max(top, weights[i]);
        }
        few[local] = top;
    }
    workgroupBarrier();
    var top = few[0];
    for (var i = 1u; i < 16u; i++) {
        top = max(top, few[i]);
    }
    return top;
}

fn sum_of(local: u32, value: f32) -> f32 {
    weights[local] = value;
    workgroupBarrier();
    if (local < 16u) {
        var sum = 0.0;
        for (var i = local; i < threads; i += 16u) {
            sum += weights[i];
        }
        few[local] = sum;
    }
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < 16u; i++) {
        sum += few[i];
    }
    workgroupBarrier();
    return sum;
}

// Cosine and sine for element i; asked for before they are needed.
fn turn_of(i: u32) -> vec2<f32> {
    if (i >= 2u * half_) {
        return vec2<f32>(1.0, 0.0);
    }
    let k = p.position * half_ + select(i % half_, i / 2u, interleaved_ != 0u);
    return vec2<f32>(cosine(k), sine(k));
}

fn rotated_row(base: u32, i: u32, turn: vec2<f32>) -> f32 {
    if (i >= 2u * half_) {
        return raw[base + i];
    }
    let first = select(i < half_, i % 2u == 0u, interleaved_ != 0u);
    let apart = select(half_, 1u, interleaved_ != 0u);
    let other = raw[base + select(i - apart, i + apart, first)];
    return raw[base + i] * turn.x + select(other, -other, first) * turn.y;
}

fn weight_of(n: u32, count: u32) -> f32 {
    return select(0.0, weights[min(n, threads - 1u)], n < count);
}

fn capped(score: f32) -> f32 {
    if (!softcap_) {
        return score;
    }
    return p.softcap * tanh(clamp(score / p.softcap, -10.0, 10.0));
}

// A key's share of this invocation, asked for before the query is there, where it is short.
const early = even && steps <= 4u;
struct Key {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

fn hold(at: u32) -> Key {
    var r = Key();
    if (early) {
        r.a = keys[at];
        if (steps > 1u) { r.b = keys[at + 4u]; }
        if (steps > 2u) { r.c = keys[at + 8u]; }
        if (steps > 3u) { r.d = keys[at + 12u]; }
    }
    return r;
}

fn meet(r: Key, quarter: u32) -> f32 {
    var score = dot(query[quarter], r.a);
    if (steps > 1u) { score += dot(query[quarter + 4u], r.b); }
    if (steps > 2u) { score += dot(query[quarter + 8u], r.c); }
    if (steps > 3u) { score += dot(query[quarter + 12u], r.d); }
    return score;
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let index = group.x + group.y * groups.x;
    let head = index / splits;
    let split = index % splits;
    if (head >= heads_) {
        return;
    }
    let shared_by = heads_ / kv_heads_;
    let kv = head / shared_by;
    let wide = d_ / 4u; // vectors of a row
    // this invocation's share: a quarter of four keys, a column of the values
    let quarter = local % 4u;
    let cell = (p.cache_at + kv * p.capacity * d_) / 4u;
    let begin = select(0u, p.past + 1u - window_, window_ != 0u && p.past + 1u > window_);
    let part = (p.past - min(begin, p.past) + splits - 1u) / splits;
    let first = begin + split * part;
    let end = min(first + part, p.past);
    let reach = max(end, 1u) - 1u; // the last key
    let k1 = first + local / 4u;
    var b1 = hold(cell + min(k1, reach) * wide + quarter);
    var b2 = hold(cell + min(k1 + 64u, reach) * wide + quarter);
    var b3 = hold(cell + min(k1 + 128u, reach) * wide + quarter);
    var b4 = hold(cell + min(k1 + 192u, reach) * wide + quarter);
    let q_at = p.q_at + head * d_;
    let k_at = p.k_at + kv * d_;
    let v_at = p.v_at + kv * d_;
    var q_scale = p.scale;
    var k_scale = 1.0;
    let inside = local < d_;
    var q = 0.0;
    var k = 0.0;
    var turn = vec2<f32>();
    var v_new = vec4<f32>();
    if (inside) {
        q = arena[q_at + local];
        k = arena[k_at + local];
        turn = turn_of(local);
    }
    if (local < wide) {
        let i = v_at + 4u * local;
        v_new = vec4<f32>(arena[i], arena[i + 1u], arena[i + 2u], arena[i + 3u]);
    }
    if (norm_queries) {
        q_scale = p.scale / sqrt(sum_of(local, q * q) / f32(d_) + p.q_epsilon);
    }
    if (norm_keys) {
        k_scale = 1.0 / sqrt(sum_of(local, k * k) / f32(d_) + p.k_epsilon);
    }
    if (inside) {
        raw[local] = q * query_scale(local) * q_scale;
        raw[256u + local] = k * key_scale(local) * k_scale;
    }
    workgroupBarrier();
    if (inside) {
        turned[local] = rotated_row(0u, local, turn);
        turned[256u + local] = rotated_row(256u, local, turn);
    }
    workgroupBarrier();
    if (split == 0u && head % shared_by == 0u && local < wide) {
        let i = 4u * local;
        keys[cell + p.past * wide + local] = vec4<f32>(turned[256u + i], turned[257u + i],
                                                       turned[258u + i], turned[259u + i]);
        values[cell + p.past * wide + local] = v_new;
    }
    if (local < wide) {
        let i = 4u * local;
        let v = vec4<f32>(turned[i], turned[i + 1u], turned[i + 2u], turned[i + 3u]);
        query[local] = v;
        own[local] = dot(v, vec4<f32>(turned[256u + i], turned[257u + i], turned[258u + i],
                                      turned[259u + i]));
    }
    workgroupBarrier();
    var score_new = 0.0;
    for (var i = 0u; i < wide; i++) {
        score_new += own[i];
    }
    var top = select(-0x1.fffffep+127f, capped(score_new), split == 0u);
    let column = local % wide;
    let share = local / wide;
    let shares = threads / wide;
    var y = select(vec4<f32>(), v_new, split == 0u);
    var sum = select(0.0, 1.0, share == 0u && split == 0u); // of the weights of this share
    for (var tile = first; tile < end; tile += threads) {
        let count = min(threads, end - tile);
        let last = count - 1u;
        var scores = vec4<f32>();
        if (early) {
            if (tile != first) {
                let k = tile + local / 4u;
                b1 = hold(cell + min(k, reach) * wide + quarter);
                b2 = hold(cell + min(k + 64u, reach) * wide + quarter);
                b3 = hold(cell + min(k + 128u, reach) * wide + quarter);
                b4 = hold(cell + min(k + 192u, reach) * wide + quarter);
            }
            scores = vec4<f32>(meet(b1, quarter), meet(b2, quarter), meet(b3, quarter),
                               meet(b4, quarter));
        } else {
            let k = local / 4u;
            let a1 = cell + (tile + min(k, last)) * wide + quarter;
            let a2 = cell + (tile + min(k + 64u, last)) * wide + quarter;
            let a3 = cell + (tile + min(k + 128u, last)) * wide + quarter;
            let a4 = cell + (tile + min(k + 192u, last)) * wide + quarter;
            for (var j = 0u; j < steps; j++) {
                let i = 4u * j;
                if (even || quarter + i < wide) {
                    let q_ = query[quarter + i];
                    scores += vec4<f32>(dot(q_, keys[a1 + i]), dot(q_, keys[a2 + i]),
                                        dot(q_, keys[a3 + i]), dot(q_, keys[a4 + i]));
                }
            }
        }
        quarters[local] = scores.x;
        quarters[local + 256u] = scores.y;
        quarters[local + 512u] = scores.z;
        quarters[local + 768u] = scores.w;
        let at = cell + tile * wide + column; // values, on their way while the scores meet
        var v1 = values[at + min(share, last) * wide];
        var v2 = values[at + min(share + shares, last) * wide];
        var v3 = values[at + min(share + 2u * shares, last) * wide];
        var v4 = values[at + min(share + 3u * shares, last) * wide];
        var v5 = values[at + min(share + 4u * shares, last) * wide];
        var v6 = values[at + min(share + 5u * shares, last) * wide];
        var v7 = values[at + min(share + 6u * shares, last) * wide];
        var v8 = values[at + min(share + 7u * shares, last) * wide];
        workgroupBarrier();
        var score = -0x1.fffffep+127f;
        if (local < count) {
            let i = 4u * local;
            score = capped(quarters[i] + quarters[i + 1u] + quarters[i + 2u] + quarters[i + 3u]);
        }
        let highest = max(top, most_of(local, score));
        let rescale = exp(top - highest);
        let weight = select(0.0, exp(score - highest), local < count);
        top = highest;
        sum *= rescale;
        y *= rescale;
        workgroupBarrier();
        weights[local] = weight;
        workgroupBarrier();
        if (share < shares) {
            for (var n = share; n < count; n += 8u * shares) {
                if (n != share) {
                    v1 = values[at + n * wide];
                    v2 = values[at + min(n + shares, last) * wide];
                    v3 = values[at + min(n + 2u * shares, last) * wide];
                    v4 = values[at + min(n + 3u * shares, last) * wide];
                    v5 = values[at + min(n + 4u * shares, last) * wide];
                    v6 = values[at + min(n + 5u * shares, last) * wide];
                    v7 = values[at + min(n + 6u * shares, last) * wide];
                    v8 = values[at + min(n + 7u * shares, last) * wide];
                }
                let a = vec4<f32>(weight_of(n, count), weight_of(n + shares, count),
                                  weight_of(n + 2u * shares, count),
                                  weight_of(n + 3u * shares, count));
                let b = vec4<f32>(weight_of(n + 4u * shares, count),
                                  weight_of(n + 5u * shares, count),
                                  weight_of(n + 6u * shares, count),
                                  weight_of(n + 7u * shares, count));
                y += a.x * v1 + a.y * v2 + a.z * v3 + a.w * v4 + b.x * v5 + b.y * v6 + b.z * v7 +
                     b.w * v8;
                let both = a + b;
                sum += both.x + both.y + both.z + both.w;
            }
        }
        workgroupBarrier();
    }
    rows[local] = y;
    if (column == 0u && share < shares) {
        quarters[share] = sum;
    }
    workgroupBarrier();
    if (local < wide) {
        var total = quarters[0];
        for (var i = 1u; i < shares; i++) {
            y += rows[i * wide + local];
            total += quarters[i];
        }
        if (splits > 1u) {
            keep(index * (wide + 1u) + local, y);
            if (local == 0u) {
                keep(index * (wide + 1u) + wide, vec4<f32>(top, total, 0.0, 0.0));
            }
            return;
        }
        let at = p.y_at + head * d_ + 4u * local;
        y /= total;
        arena[at] = y.x;
        arena[at + 1u] = y.y;
        arena[at + 2u] = y.z;
        arena[at + 3u] = y.w;
    }
}
