// sample.wgsl: draws the next token from the logits, as text/sampler.c does: temperature, top-k, top-p, min-p, and
// a draw that is a hash of the seed and the token's place. One workgroup; behind highest.wgsl, whose stretches'
// maxima it replaces by its choice. A threshold is found by digits of eight bits from the top, by count or, in
// units of 2^-30 of the whole, by weight. Bound by the latency of some six passes over the logits.

struct Sample {
    count: u32,
    stretches: u32, // at most 256
    top_k: u32,     // 0: all
    place: u32,     // of the first token that is repeated, in the reply
    seed: vec2<u32>,
    temperature: f32,
    top_p: f32,     // 0, 1: all
    log_min_p: f32, // LOWEST: all
}
@group(0) @binding(0) var<uniform> p: Sample;
@group(0) @binding(1) var<storage, ACCESS_1> best: array<vec2<u32>>; // bits of the value, index
@group(0) @binding(2) var<storage, ACCESS_2> x: array<f32>;
@group(0) @binding(3) var<storage, ACCESS_3> tokens: array<u32>; // how many so far, then the ring

const LOWEST = -0x1.fffffep+127f;
const WHOLE = 1073741824f; // 2^30

var<workgroup> buckets: array<atomic<u32>, 256>;
var<workgroup> sums: array<f32, 256>;
var<workgroup> digit: u32;
var<workgroup> wanting: u32;
var<workgroup> chosen: u32;

fn key_of(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    return select(bits | 0x80000000u, ~bits, (bits >> 31u) != 0u);
}

fn value_of(key: u32) -> f32 {
    return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) != 0u));
}

// A logit over the temperature; what is no number never comes.
fn z_of(i: u32) -> f32 {
    let value = x[i];
    let none = (bitcast<u32>(value) & 0x7fffffffu) >= 0x7f800000u;
    return select(value / p.temperature, LOWEST, none);
}

fn mass_of(z: f32, top: f32, least: f32) -> f32 {
    return select(0.0, exp(max(z - top, -87.0)), z >= least && z - top > -87.0);
}

// The highest z from which up the tokens are `wanted`, or weigh it; LOWEST if all do not.
fn threshold(local: u32, wanted: u32, weighed: bool, top: f32, least: f32, scale: f32) -> f32 {
    var key = 0u;
    if (local == 0u) {
        wanting = wanted;
    }
    for (var step = 0u; step < 4u; step++) {
        let shift = 24u - 8u * step;
        atomicStore(&buckets[local], 0u);
        workgroupBarrier();
        for (var i = local; i < p.count; i += 256u) {
            let z = z_of(i);
            let own = key_of(z);
            if (step == 0u || (((own ^ key) >> shift) >> 8u) == 0u) {
                let weight = u32(mass_of(z, top, least) * scale + 0.5);
                atomicAdd(&buckets[(own >> shift) & 255u], select(1u, weight, weighed));
            }
        }
        workgroupBarrier();
        if (local == 0u) {
            var at = 256u;
            var rest = wanting;
            var reached = false;
            for (; at > 0u && !reached; at--) {
                let own = atomicLoad(&buckets[at - 1u]);
                reached = own >= rest;
                rest -= select(own, 0u, reached);
            }
            wanting = rest;
            digit = select(256u, at, reached);
        }
        let found = workgroupUniformLoad(&digit);
        if (found == 256u) {
            return LOWEST;
        }
        key |= found << shift;
    }
    return value_of(key);
}

// The sum of a value of each invocation.
fn sum_of(local: u32, value: f32) -> f32 {
    sums[local] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (local < half) {
            sums[local] += sums[local + half];
        }
        workgroupBarrier();
    }
    return workgroupUniformLoad(&sums[0]);
}

// pcg3d of Jarzynski and Olano, 2020.
fn draw(place: u32) -> f32 {
    var v = vec3<u32>(p.seed, place) * 1664525u + 1013904223u;
    v.x += v.y * v.z;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v ^= v >> vec3<u32>(16u);
    v.x += v.y * v.z;
    return f32(v.x >> 8u) * 0x1p-24f;
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    var highest = best[0];
    for (var i = 1u; i < p.stretches; i++) {
        let own = best[i];
        if (bitcast<f32>(own.x) > bitcast<f32>(highest.x)) {
            highest = own;
        }
    }
    let top = z_of(highest.y);
    var least = LOWEST;
    if (p.top_k != 0u && p.top_k < p.count) {
        least = threshold(local, p.top_k, false, top, least, 0.0);
    }
    if (p.top_p > 0.0 && p.top_p < 1.0) {
        var mass = 0.0;
        for (var i = local; i < p.count; i += 256u) {
            mass += mass_of(z_of(i), top, least);
        }
        let scale = WHOLE / sum_of(local, mass);
        least = max(least, threshold(local, u32(p.top_p * WHOLE), true, top, least, scale));
    }
    if (p.log_min_p > LOWEST) {
        least = max(least, top + p.log_min_p);
    }

    // the share of each invocation is a run of ids, so that the draw falls in their order
    let length = (p.count + 255u) / 256u;
    let begin = min(local * length, p.count);
    let end = min(begin + length, p.count);
    var own = 0.0;
    for (var i = begin; i < end; i++) {
        own += mass_of(z_of(i), top, least);
    }
    workgroupBarrier();
    sums[local] = own;
    workgroupBarrier();
    if (local == 0u) {
        var total = 0.0;
        for (var i = 0u; i < 256u; i++) {
            total += sums[i];
        }
        var rest = draw(p.place + tokens[0]) * total;
        var at = 0u;
        for (; at < 255u && rest >= sums[at]; at++) {
            rest -= sums[at];
        }
        chosen = highest.y; // where rounding leaves none
        for (var i = at * length; i < min(at * length + length, p.count); i++) {
            rest -= mass_of(z_of(i), top, least);
            if (rest < 0.0) {
                chosen = i;
                break;
            }
        }
        best[0] = vec2<u32>(0u, chosen);
    }
}
