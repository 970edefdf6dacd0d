// advance.wgsl: the end of a repeated step, one workgroup: the highest of the stretches of highest.wgsl
// becomes the next step's token and is noted, and every parameter that counts positions counts one more.

struct Advance {
    stretches: u32, // at most 256
    words: u32,     // parameters that count positions
    token_words: u32,
    ring: u32, // tokens that are kept
}
@group(0) @binding(0) var<uniform> p: Advance;
@group(0) @binding(1) var<storage, ACCESS_1> best: array<vec2<u32>>;
@group(0) @binding(2) var<storage, ACCESS_2> token: array<u32>;
@group(0) @binding(3) var<storage, ACCESS_3> parameters: array<u32>;
@group(0) @binding(4) var<storage, ACCESS_4> places: array<u32>; // of the words
@group(0) @binding(5) var<storage, ACCESS_5> tokens: array<u32>; // how many so far, then the ring

var<workgroup> values: array<f32, 256>;
var<workgroup> indices: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    let own = best[min(local, p.stretches - 1u)];
    values[local] = bitcast<f32>(own.x);
    indices[local] = own.y;
    for (var i = local; i < p.words; i += 256u) {
        parameters[places[i]] += 1u;
    }
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (local < half) {
            let v = values[local + half];
            let i = indices[local + half];
            if (v > values[local] || (v == values[local] && i < indices[local])) {
                values[local] = v;
                indices[local] = i;
            }
        }
        workgroupBarrier();
    }
    if (local != 0u) {
        return;
    }
    let index = indices[0];
    token[0] = index;
    if (p.token_words == 2u) {
        token[1] = 0u;
    }
    let count = tokens[0];
    tokens[1u + count % p.ring] = index;
    tokens[0] = count + 1u;
}
