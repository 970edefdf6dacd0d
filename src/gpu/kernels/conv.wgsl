// conv.wgsl: a convolution in one to three dimensions, an output an invocation: each channel's taps in
// turn. What comes before names bias(m), more(i) and finish(v). Bound by loads; the plain form.

struct Conv {
    count: u32, // outputs of all batches
    outputs: u32, // of a group
    channels: u32, // of a group
    groups: u32,
    image: vec4<u32>, // of the last three dimensions, absent ones 1
    kernel: vec4<u32>,
    result: vec4<u32>,
    stride: vec4<u32>,
    dilation: vec4<u32>,
    before: vec4<u32>, // padding
}
@group(0) @binding(0) var<uniform> p: Conv;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> x: array<f32>;
@group(0) @binding(3) var<storage, ACCESS_3> w: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = (group.x + group.y * groups.x) * 64u + local;
    if (i >= p.count) {
        return;
    }
    let r = vec3<u32>(i / (p.result.z * p.result.y) % p.result.x, i / p.result.z % p.result.y,
                      i % p.result.z);
    let plane = i / (p.result.x * p.result.y * p.result.z); // batch, output
    let m = plane % (p.outputs * p.groups);
    let first = (plane / (p.outputs * p.groups) * p.groups + m / p.outputs) * p.channels;
    let image = p.image.x * p.image.y * p.image.z;
    var sum = bias(m);
    for (var c = 0u; c < p.channels; c++) {
        var tap = (m * p.channels + c) * p.kernel.x * p.kernel.y * p.kernel.z;
        for (var a = 0u; a < p.kernel.x; a++) {
            let ia = r.x * p.stride.x + a * p.dilation.x - p.before.x; // wraps below zero
            for (var b = 0u; b < p.kernel.y; b++) {
                let ib = r.y * p.stride.y + b * p.dilation.y - p.before.y;
                for (var d = 0u; d < p.kernel.z; d++) {
                    let id = r.z * p.stride.z + d * p.dilation.z - p.before.z;
                    if (ia < p.image.x && ib < p.image.y && id < p.image.z) {
                        let at = (first + c) * image + (ia * p.image.y + ib) * p.image.z + id;
                        sum += x[at] * w[tap];
                    }
                    tap++;
                }
            }
        }
    }
    y[i] = finish(sum + more(i));
}
