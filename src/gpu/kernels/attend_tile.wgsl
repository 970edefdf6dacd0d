// attend_tile.wgsl: softmax(q kT scale) v over the cache for several positions: `some` of them a
// workgroup and query head, and `keys_` keys at a time, which spread_ through workgroup memory with a
// running maximum (Dao, "FlashAttention-2", 2023). Bound by workgroup memory.
//
// What comes before: const some, keys_, wide (vectors of a row); keys and values are vectors.

const threads = 256u;
const stride = wide + 1u; // of a row in workgroup memory: neighbours fall into different banks
var<workgroup> rows_: array<vec4<f32>, some * stride>;
var<workgroup> tile: array<vec4<f32>, keys_ * stride>;
var<workgroup> scores: array<f32, some * keys_>;
var<workgroup> tops: array<f32, some>;
var<workgroup> rescales: array<f32, some>;
var<workgroup> inverses: array<f32, some>;
var<workgroup> squares: array<f32, threads>;

fn turned(at: u32, i: u32, position: u32, inverse: f32) -> f32 {
    let x = query(at + i) * query_scale(i) * inverse;
    if (i >= 2u * p.half) {
        return x;
    }
    let k = position * p.half + select(i % p.half, i / 2u, p.interleaved != 0u);
    let first = select(i < p.half, i % 2u == 0u, p.interleaved != 0u);
    let apart = select(p.half, 1u, p.interleaved != 0u);
    let j = select(i - apart, i + apart, first);
    let other = query(at + j) * query_scale(j) * inverse;
    return x * cosine(k) + select(other, -other, first) * sine(k);
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let index = group.x + group.y * groups.x;
    let head = index % p.heads;
    let row0 = index / p.heads * some;
    if (row0 >= p.rows) {
        return;
    }
    let last = p.rows - 1u;
    if (norm_queries) {
        let share = threads / some;
        let r = local / share;
        var sum = 0.0;
        if (r < some) {
            let at = p.q_at + min(row0 + r, last) * p.q_stride + head * p.d;
            for (var i = local % share; i < p.d; i += share) {
                sum += query(at + i) * query(at + i);
            }
        }
        squares[local] = sum;
        workgroupBarrier();
        if (local < some) {
            sum = 0.0;
            for (var i = 0u; i < share; i++) {
                sum += squares[local * share + i];
            }
            inverses[local] = 1.0 / sqrt(sum / f32(p.d) + p.q_epsilon);
        }
        workgroupBarrier();
    }
    for (var v = local; v < some * wide; v += threads) {
        let r = v / wide;
        let row = min(row0 + r, last);
        let at = p.q_at + row * p.q_stride + head * p.d;
        let i = v % wide * 4u;
        var inverse = p.scale;
        if (norm_queries) {
            inverse *= inverses[r];
        }
        let position = p.position + row;
        rows_[r * stride + v % wide] =
            vec4<f32>(turned(at, i, position, inverse), turned(at, i + 1u, position, inverse),
                      turned(at, i + 2u, position, inverse), turned(at, i + 3u, position, inverse));
    }
    if (local < some) {
        tops[local] = -0x1.fffffep+127f;
    }
    let cell = (p.cache_at + head / (p.heads / p.kv_heads) * p.capacity * p.d) / 4u;
    let end = select(p.past + p.rows, min(p.past + row0 + some, p.past + p.rows), p.causal != 0u);
    let begin = select(0u, p.past + row0 + 1u - p.window,
                       p.window != 0u && p.past + row0 + 1u > p.window);
    // this invocation's share of the result: a column of every `spread_`-th row
    const spread_ = threads / wide;
    let column = local % wide;
    let first = local / wide;
    var y0 = vec4<f32>();
    var y1 = vec4<f32>();
    var y2 = vec4<f32>();
    var y3 = vec4<f32>();
    var sums = vec4<f32>();
    for (var k0 = begin; k0 < end; k0 += keys_) {
        workgroupBarrier();
        for (var v = local; v < keys_ * wide; v += threads) {
            let k = min(k0 + v / wide, end - 1u);
            tile[v / wide * stride + v % wide] = keys[cell + k * wide + v % wide];
        }
        workgroupBarrier();
        for (var s = local; s < some * keys_; s += threads) {
            let r = s / keys_;
            let k = k0 + s % keys_;
            var score = 0.0;
            for (var i = 0u; i < wide; i++) {
                score += dot(rows_[r * stride + i], tile[s % keys_ * stride + i]);
            }
            if (p.softcap != 0.0) {
                score = p.softcap * tanh(clamp(score / p.softcap, -10.0, 10.0));
            }
            let own = p.past + row0 + r;
            let seen = k < end && (p.causal == 0u || k <= own) &&
                       (p.window == 0u || k + p.window > own);
            scores[s] = select(-0x1.fffffep+127f, score, seen);
        }
        workgroupBarrier();
        if (local < some) {
            var top = tops[local];
            for (var i = 0u; i < keys_; i++) {
                top = max(top, scores[local * keys_ + i]);
            }
            rescales[local] = exp(tops[local] - top);
            tops[local] = top;
        }
        for (var v = local; v < keys_ * wide; v += threads) {
            let k = min(k0 + v / wide, end - 1u);
            tile[v / wide * stride + v % wide] = values[cell + k * wide + v % wide];
        }
        workgroupBarrier();
        for (var s = local; s < some * keys_; s += threads) {
            let score = scores[s];
            scores[s] = select(0.0, exp(score - tops[s / keys_]), score > -0x1.fffffep+127f);
        }
        workgroupBarrier();
        for (var r = first; r < some && first < spread_; r += spread_) {
            var y = vec4<f32>();
            var sum = 0.0;
            for (var i = 0u; i < keys_; i++) {
                let weight = scores[r * keys_ + i];
                y += weight * tile[i * stride + column];
                sum += weight;
            }
            let rescale = rescales[r];
            let which = (r - first) / spread_;
            if (which == 0u) { y0 = y0 * rescale + y; sums.x = sums.x * rescale + sum; }
            if (which == 1u) { y1 = y1 * rescale + y; sums.y = sums.y * rescale + sum; }
            if (which == 2u) { y2 = y2 * rescale + y; sums.z = sums.z * rescale + sum; }
            if (which == 3u) { y3 = y3 * rescale + y; sums.w = sums.w * rescale + sum; }
        }
    }
    for (var r = first; r < some && first < spread_; r += spread_) {
        let which = (r - first) / spread_;
        var v = y0 / sums.x;
        if (which == 1u) { v = y1 / sums.y; }
        if (which == 2u) { v = y2 / sums.z; }
        if (which == 3u) { v = y3 / sums.w; }
        if (row0 + r < p.rows) {
            let at = p.y_at + ((row0 + r) * p.heads + head) * p.d + 4u * column;
            y[at] = v.x;
            y[at + 1u] = v.y;
            y[at + 2u] = v.z;
            y[at + 3u] = v.w;
        }
    }
}
