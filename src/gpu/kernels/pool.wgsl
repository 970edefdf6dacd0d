// pool.wgsl: MaxPool, AveragePool and LpPool in one to three dimensions, an output an invocation. What
// comes before names start(), take(s, v) and finish(s, n), where n are the elements that count. Bound by
// memory.

struct Pool {
    count: u32,
    padded: u32, // padding counts as elements
    unused: vec2<u32>,
    image: vec4<u32>, // of the last three dimensions, absent ones 1
    kernel: vec4<u32>,
    result: vec4<u32>,
    stride: vec4<u32>,
    dilation: vec4<u32>,
    before: vec4<u32>, // padding
    after: vec4<u32>,
}
@group(0) @binding(0) var<uniform> p: Pool;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> x: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = (group.x + group.y * groups.x) * 64u + local;
    if (i >= p.count) {
        return;
    }
    let r = vec3<u32>(i / (p.result.z * p.result.y) % p.result.x, i / p.result.z % p.result.y,
                      i % p.result.z);
    let plane = i / (p.result.x * p.result.y * p.result.z) * p.image.x * p.image.y * p.image.z;
    var s = start();
    var counted = vec3<u32>();
    for (var d = 0u; d < 3u; d++) {
        for (var k = 0u; k < p.kernel[d]; k++) {
            let at = i32(r[d] * p.stride[d] + k * p.dilation[d] - p.before[d]);
            let inside = at >= 0 && at < i32(p.image[d]);
            let near = p.padded != 0u && at < i32(p.image[d] + p.after[d]);
            counted[d] += select(0u, 1u, inside || near);
        }
    }
    for (var a = 0u; a < p.kernel.x; a++) {
        let ia = r.x * p.stride.x + a * p.dilation.x - p.before.x; // wraps below zero
        for (var b = 0u; b < p.kernel.y; b++) {
            let ib = r.y * p.stride.y + b * p.dilation.y - p.before.y;
            for (var d = 0u; d < p.kernel.z; d++) {
                let id = r.z * p.stride.z + d * p.dilation.z - p.before.z;
                if (ia < p.image.x && ib < p.image.y && id < p.image.z) {
                    s = take(s, x[plane + (ia * p.image.y + ib) * p.image.z + id]);
                }
            }
        }
    }
    y[i] = finish(s, f32(counted.x * counted.y * counted.z));
}
