// conv_tiled.wgsl: a convolution as the product of weights [outputs, channels taps] and the image's
// patches [channels taps, pixels], which are put together as tiles are read: 64 by 64 of the result a
// workgroup, 4 by 4 an invocation, 16 steps at a time through workgroup memory (8 KiB). What comes before
// names bias(m), more(i) and finish(v). Bound by compute from some 16 outputs on.

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

const tile = 64u;
const depth = 16u;
var<workgroup> ws: array<array<f32, tile>, depth>;
var<workgroup> xs: array<array<f32, tile>, depth>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let pixels = p.result.x * p.result.y * p.result.z;
    let taps = p.kernel.x * p.kernel.y * p.kernel.z;
    let steps = p.channels * taps;
    let across = (pixels + tile - 1u) / tile;
    let down = (p.outputs + tile - 1u) / tile;
    let index = group.x + group.y * groups.x;
    let plane = index / (across * down); // batch, group
    let n0 = index % across * tile;
    let m0 = index / across % down * tile;
    let first = plane % p.groups * p.outputs; // output of the group
    let inside = plane * p.outputs * pixels < p.count; // a folded grid may reach past the end
    let image = p.image.x * p.image.y * p.image.z;
    let from_x = plane * p.channels * image;
    let row = local / 16u * 4u;
    let column = local % 16u * 4u;
    // the pixel that this invocation loads, for four of the steps
    let n = n0 + local % tile;
    let r = vec3<u32>(n / (p.result.z * p.result.y), n / p.result.z % p.result.y, n % p.result.z);
    var sum = array<vec4<f32>, 4>();
    for (var k0 = 0u; k0 < steps; k0 += depth) {
        for (var i = local; i < tile * depth; i += 256u) {
            let m = m0 + i / depth;
            let k = k0 + i % depth;
            var value = 0.0;
            if (inside && m < p.outputs && k < steps) {
                value = w[(first + m) * steps + k];
            }
            ws[i % depth][i / depth] = value;
        }
        for (var i = local / tile; i < depth; i += 256u / tile) {
            let k = k0 + i;
            let tap = k % taps;
            let ia = r.x * p.stride.x + tap / (p.kernel.z * p.kernel.y) * p.dilation.x - p.before.x;
            let ib = r.y * p.stride.y + tap / p.kernel.z % p.kernel.y * p.dilation.y - p.before.y;
            let id = r.z * p.stride.z + tap % p.kernel.z * p.dilation.z - p.before.z;
            var value = 0.0;
            if (inside && n < pixels && k < steps && ia < p.image.x && ib < p.image.y &&
                id < p.image.z) {
                value = x[from_x + k / taps * image + (ia * p.image.y + ib) * p.image.z + id];
            }
            xs[i][local % tile] = value;
        }
        workgroupBarrier();
        for (var k = 0u; k < depth; k++) {
            let v = vec4<f32>(xs[k][column], xs[k][column + 1u], xs[k][column + 2u],
                              xs[k][column + 3u]);
            for (var t = 0u; t < 4u; t++) {
                sum[t] += ws[k][row + t] * v;
            }
        }
        workgroupBarrier();
    }
    for (var t = 0u; t < 4u; t++) {
        let m = m0 + row + t;
        for (var c = 0u; c < 4u; c++) {
            let to = n0 + column + c;
            if (inside && m < p.outputs && to < pixels) {
                let i = (plane * p.outputs + m) * pixels + to;
                y[i] = finish(sum[t][c] + bias(first + m) + more(i));
            }
        }
    }
}
