// attend.wgsl: softmax(q kT scale) v over the cache, by tiles of 64 keys with a running maximum
// (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018); a workgroup a position
// and query head. Bound by reading the cache.

var<workgroup> weights: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let index = group.x + group.y * groups.x;
    let head = index % p.heads;
    let row = index / p.heads;
    if (row >= p.rows) {
        return;
    }
    let q = p.q_at + row * p.q_stride + head * p.d;
    var inverse = 1.0;
    if (norm_queries) {
        var squares = 0.0;
        for (var i = local; i < p.d; i += 64u) {
            squares += query(q + i) * query(q + i);
        }
        inverse = 1.0 / sqrt(total(local, squares) / f32(p.d) + p.q_epsilon);
    }
    for (var i = local; i < p.d; i += 64u) {
        vector[i] = query(q + i) * query_scale(i) * inverse;
    }
    workgroupBarrier();
    var turned = array<f32, 4>();
    for (var j = 0u; j < 4u; j++) {
        let i = local + 64u * j;
        if (i < p.d) {
            turned[j] = rotated(i, p.position + row) * p.scale;
        }
    }
    workgroupBarrier();
    for (var j = 0u; j < 4u; j++) {
        let i = local + 64u * j;
        if (i < p.d) {
            vector[i] = turned[j];
        }
    }
    workgroupBarrier();
    let end = select(p.past + p.rows, p.past + row + 1u, p.causal != 0u);
    var begin = 0u;
    if (p.window != 0u && p.past + row + 1u > p.window) {
        begin = p.past + row + 1u - p.window;
    }
    let cell = p.cache_at + head / (p.heads / p.kv_heads) * p.capacity * p.d;
    var top = -0x1.fffffep+127f;
    var sum = 0.0;
    var y_ = array<f32, 4>();
    for (var tile = begin; tile < end; tile += 64u) {
        let k = tile + local;
        var score = -0x1.fffffep+127f;
        if (k < end) {
            let at = cell + k * p.d;
            score = 0.0;
            for (var i = 0u; i < p.d; i++) {
                score += vector[i] * keys[at + i];
            }
            if (p.softcap != 0.0) {
                score = p.softcap * tanh(clamp(score / p.softcap, -10.0, 10.0));
            }
        }
        let highest = max(top, largest(local, score));
        let weight = select(0.0, exp(score - highest), k < end);
        let rescale = exp(top - highest);
        top = highest;
        sum = sum * rescale + total(local, weight);
        weights[local] = weight;
        workgroupBarrier();
        let count = min(64u, end - tile);
        for (var j = 0u; j < 4u; j++) {
            let i = local + 64u * j;
            if (i < p.d) {
                var add = 0.0;
                for (var n = 0u; n < count; n++) {
                    add += weights[n] * values[cell + (tile + n) * p.d + i];
                }
                y_[j] = y_[j] * rescale + add;
            }
        }
        workgroupBarrier();
    }
    for (var j = 0u; j < 4u; j++) {
        let i = local + 64u * j;
        if (i < p.d) {
            y[p.y_at + (row * p.heads + head) * p.d + i] = y_[j] / sum;
        }
    }
}
