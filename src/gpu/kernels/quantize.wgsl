// quantize.wgsl: x in 8 bits, in blocks of 32 with a scale each, for the products of product_i8.wgsl:
// eight values an invocation. Bound by memory.
//
// What comes before: const bits: 4 puts even and odd elements apart, as codes of 4 bits lie.

struct Quantize {
    parts: u32, // of eight values
}
@group(0) @binding(0) var<uniform> p: Quantize;
@group(0) @binding(1) var<storage, ACCESS_1> q: array<vec2<u32>>;
@group(0) @binding(2) var<storage, ACCESS_2> scales: array<vec2<f32>>; // and the sum of the block's codes
@group(0) @binding(3) var<storage, ACCESS_3> x: array<vec4<f32>>;

const threads = 256u;
var<workgroup> highest: array<f32, threads>;
var<workgroup> sums: array<i32, threads>;

fn bytes(x_: vec4<i32>) -> u32 {
    let b = vec4<u32>(x_ & vec4<i32>(255));
    return b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = (group.x + group.y * groups.x) * threads + local;
    let at = min(i, p.parts - 1u);
    let a = x[2u * at];
    let b = x[2u * at + 1u];
    let most = max(abs(a), abs(b));
    highest[local] = max(max(most.x, most.y), max(most.z, most.w));
    workgroupBarrier();
    let j = local / 4u * 4u;
    let top = max(max(highest[j], highest[j + 1u]), max(highest[j + 2u], highest[j + 3u]));
    let inverse = select(0.0, 127.0 / top, top > 0.0);
    let c = vec4<i32>(round(a * inverse));
    let d = vec4<i32>(round(b * inverse));
    let all = c + d;
    sums[local] = all.x + all.y + all.z + all.w;
    workgroupBarrier();
    if (i >= p.parts) {
        return;
    }
    if (bits == 4u) {
        q[i] = vec2<u32>(bytes(vec4<i32>(c.x, c.z, d.x, d.z)), bytes(vec4<i32>(c.y, c.w, d.y, d.w)));
    } else {
        q[i] = vec2<u32>(bytes(c), bytes(d));
    }
    if (i % 4u == 0u) {
        scales[i / 4u] = vec2<f32>(top / 127.0,
                                   f32(sums[j] + sums[j + 1u] + sums[j + 2u] + sums[j + 3u]));
    }
}
