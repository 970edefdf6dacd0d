// attend_mask.wgsl: softmax(q kT scale + mask) v by tiles of 64 keys with a running maximum (Milakov and
// Gimelshein, "Online normalizer calculation for softmax", 2018), a workgroup a row and head; operands
// lie anyhow. What comes before says bias(at) and seen(at) of the mask. Bound by reading keys and values.

struct Attend {
    units: u32, // batch * heads * rows
    heads: u32,
    by: u32,     // query heads of a key head
    rows: u32,
    keys: u32,
    d: u32,
    dv: u32,
    offset: u32, // the key that row 0 stands at
    left: u32,   // keys seen before it and behind it; 0xffffffff: all
    right: u32,
    scale: f32,
    softcap: f32, // 0: none
    q_at: vec4<u32>, // strides of batch, head and row
    k_at: vec4<u32>,
    v_at: vec4<u32>,
    y_at: vec4<u32>,
    mask_at: vec4<u32>,
}
@group(0) @binding(0) var<uniform> p: Attend;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> q: array<f32>;
@group(0) @binding(3) var<storage, ACCESS_3> k: array<f32>;
@group(0) @binding(4) var<storage, ACCESS_4> v: array<f32>;

const lowest = -0x1.fffffep+127f;
var<workgroup> vector: array<f32, 256>;
var<workgroup> weights: array<f32, 64>;
var<workgroup> part: array<f32, 64>;

fn at(s: vec4<u32>, batch: u32, head: u32, row: u32) -> u32 {
    return batch * s.x + head * s.y + row * s.z;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let index = group.x + group.y * groups.x;
    if (index >= p.units) {
        return;
    }
    let row = index % p.rows;
    let head = index / p.rows % p.heads;
    let batch = index / (p.rows * p.heads);
    let from_q = at(p.q_at, batch, head, row);
    let from_k = at(p.k_at, batch, head / p.by, 0u);
    let from_v = at(p.v_at, batch, head / p.by, 0u);
    let from_mask = at(p.mask_at, batch, head, row);
    for (var i = local; i < p.d; i += 64u) {
        vector[i] = q[from_q + i] * p.scale;
    }
    workgroupBarrier();
    let position = p.offset + row;
    var end = p.keys;
    if (p.right != 0xffffffffu) {
        end = min(end, position + p.right + 1u);
    }
    var begin = 0u;
    if (p.left != 0xffffffffu && position > p.left) {
        begin = min(position - p.left, end);
    }
    var top = lowest;
    var sum = 0.0;
    var y_ = array<f32, 4>();
    for (var tile = begin; tile < end; tile += 64u) {
        let key = tile + local;
        var score = lowest;
        var there = false;
        if (key < end) {
            there = seen(from_mask + key);
            score = 0.0;
            for (var i = 0u; i < p.d; i++) {
                score += vector[i] * k[from_k + key * p.k_at.z + i];
            }
            if (p.softcap != 0.0) {
                score = p.softcap * tanh_(score / p.softcap);
            }
            score = select(lowest, score + bias(from_mask + key), there);
        }
        part[local] = score;
        workgroupBarrier();
        for (var half = 32u; half > 0u; half /= 2u) {
            if (local < half) {
                part[local] = max(part[local], part[local + half]);
            }
            workgroupBarrier();
        }
        let highest = max(top, part[0]);
        workgroupBarrier();
        let weight = select(0.0, exp(max(score - highest, -110.0)), there);
        let rescale = exp(max(top - highest, -110.0));
        top = highest;
        weights[local] = weight;
        part[local] = weight;
        workgroupBarrier();
        for (var half = 32u; half > 0u; half /= 2u) {
            if (local < half) {
                part[local] += part[local + half];
            }
            workgroupBarrier();
        }
        sum = sum * rescale + part[0];
        let count = min(64u, end - tile);
        for (var j = 0u; j < 4u; j++) {
            let i = local + 64u * j;
            if (i < p.dv) {
                var add = 0.0;
                for (var n = 0u; n < count; n++) {
                    add += weights[n] * v[from_v + (tile + n) * p.v_at.z + i];
                }
                y_[j] = y_[j] * rescale + add;
            }
        }
        workgroupBarrier();
    }
    for (var j = 0u; j < 4u; j++) {
        let i = local + 64u * j;
        if (i < p.dv) {
            y[at(p.y_at, batch, head, row) + i] = select(0.0, y_[j] / sum, sum > 0.0);
        }
    }
}
