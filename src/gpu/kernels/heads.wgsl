// heads.wgsl: what append.wgsl and attend.wgsl share, put before each: the parameters of one sequence
// and the rotary embedding (Su et al., "RoFormer", 2021) of a vector in workgroup memory.

struct Heads {
    rows: u32, // new positions
    heads: u32,
    kv_heads: u32,
    d: u32,
    q_stride: u32, // from one position to the next
    kv_stride: u32,
    q_at: u32, // where this sequence begins
    k_at: u32,
    v_at: u32,
    y_at: u32,
    cache_at: u32,
    capacity: u32, // rows from one head of the cache to the next
    past: u32,     // rows before the new ones
    tail: u32,     // rows to clear behind them
    position: u32, // of the first new row
    half: u32,     // of what is rotated; 0: nothing
    interleaved: u32,
    causal: u32,
    window: u32, // 0: none
    scale: f32,
    softcap: f32, // 0: none
    q_epsilon: f32,
    k_epsilon: f32,
}
@group(0) @binding(0) var<uniform> p: Heads;

var<workgroup> vector: array<f32, 256>;
var<workgroup> part: array<f32, 64>;

fn total(local: u32, value: f32) -> f32 {
    part[local] = value;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if (local < half) {
            part[local] += part[local + half];
        }
        workgroupBarrier();
    }
    let sum = part[0];
    workgroupBarrier();
    return sum;
}

fn largest(local: u32, value: f32) -> f32 {
    part[local] = value;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if (local < half) {
            part[local] = max(part[local], part[local + half]);
        }
        workgroupBarrier();
    }
    let top = part[0];
    workgroupBarrier();
    return top;
}

fn rotated(i: u32, position: u32) -> f32 {
    if (i >= 2u * p.half) {
        return vector[i];
    }
    if (p.interleaved != 0u) {
        let c = cosine(position * p.half + i / 2u);
        let s = sine(position * p.half + i / 2u);
        return select(vector[i] * c + vector[i - 1u] * s, vector[i] * c - vector[i + 1u] * s,
                      i % 2u == 0u);
    }
    let k = i % p.half;
    let c = cosine(position * p.half + k);
    let s = sine(position * p.half + k);
    return select(vector[i] * c + vector[k] * s, vector[i] * c - vector[k + p.half] * s,
                  i < p.half);
}
