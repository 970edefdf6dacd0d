// conv_transpose.wgsl: a transposed convolution in one to three dimensions, an output an invocation: of
// each channel the inputs whose taps reach it. What comes before names bias(m) and finish(v). Bound by
// loads; the plain form.

struct Conv {
    count: u32, // outputs of all batches
    outputs: u32, // of a group
    channels: u32, // of a group
    groups: u32,
    image: vec4<u32>, // the output's last three dimensions, absent ones 1
    kernel: vec4<u32>,
    result: vec4<u32>, // the input's
    stride: vec4<u32>,
    dilation: vec4<u32>,
    before: vec4<u32>, // padding
}
@group(0) @binding(0) var<uniform> p: Conv;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> x: array<f32>;
@group(0) @binding(3) var<storage, ACCESS_3> w: array<f32>;

// The input that reaches output i by tap k, in one dimension; past the end where none does.
fn source(i: u32, k: u32, d: u32) -> u32 {
    let t = i32(i + p.before[d]) - i32(k * p.dilation[d]);
    let s = i32(p.stride[d]);
    return select(0xffffffffu, u32(t / s), t >= 0 && t % s == 0);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = (group.x + group.y * groups.x) * 64u + local;
    if (i >= p.count) {
        return;
    }
    let at = vec3<u32>(i / (p.image.z * p.image.y) % p.image.x, i / p.image.z % p.image.y,
                       i % p.image.z);
    let plane = i / (p.image.x * p.image.y * p.image.z); // batch, output
    let m = plane % (p.outputs * p.groups);
    let group_of = m / p.outputs;
    let first = (plane / (p.outputs * p.groups) * p.groups + group_of) * p.channels;
    let input = p.result.x * p.result.y * p.result.z;
    let taps = p.kernel.x * p.kernel.y * p.kernel.z;
    var sum = bias(m);
    for (var a = 0u; a < p.kernel.x; a++) {
        let ia = source(at.x, a, 0u);
        for (var b = 0u; b < p.kernel.y; b++) {
            let ib = source(at.y, b, 1u);
            for (var d = 0u; d < p.kernel.z; d++) {
                let id = source(at.z, d, 2u);
                if (ia >= p.result.x || ib >= p.result.y || id >= p.result.z) {
                    continue;
                }
                let tap = (a * p.kernel.y + b) * p.kernel.z + d;
                let place = (ia * p.result.y + ib) * p.result.z + id;
                for (var c = 0u; c < p.channels; c++) {
                    let weight = ((group_of * p.channels + c) * p.outputs + m % p.outputs) * taps;
                    sum += x[(first + c) * input + place] * w[weight + tap];
                }
            }
        }
    }
    y[i] = finish(sum);
}
