// highest.wgsl: where each of some stretches of x is highest, a workgroup a stretch: the lowest index
// among equals, as on the CPU. Bound by memory.

struct Highest {
    count: u32,
    stretch: u32, // elements of a workgroup
}
@group(0) @binding(0) var<uniform> p: Highest;
@group(0) @binding(1) var<storage, ACCESS_1> best: array<vec2<u32>>; // bits of the value, index
@group(0) @binding(2) var<storage, ACCESS_2> x: array<f32>;

var<workgroup> values: array<f32, 256>;
var<workgroup> indices: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let begin = group.x * p.stretch;
    let end = min(begin + p.stretch, p.count);
    var value = -0x1.fffffep+127f;
    var index = begin;
    for (var i = begin + local; i < end; i += 256u) {
        let v = x[i];
        if (v > value) {
            value = v;
            index = i;
        }
    }
    values[local] = value;
    indices[local] = index;
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
    if (local == 0u) {
        best[group.x] = vec2<u32>(bitcast<u32>(values[0]), indices[0]);
    }
}
