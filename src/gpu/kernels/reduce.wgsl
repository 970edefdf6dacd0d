// reduce.wgsl: an output a workgroup, whose invocations take every 64th of the elements behind it. What
// comes before says the reduction: start(), take(sum, v), join(a, b), finish(sum). Bound by memory.

struct Reduce {
    outputs: u32,
    count: u32, // of elements behind each
    kept_rank: u32,
    rank: u32,
    kept_dims: array<vec4<u32>, 2>,
    kept_strides: array<vec4<u32>, 2>,
    dims: array<vec4<u32>, 2>,
    strides: array<vec4<u32>, 2>,
}
@group(0) @binding(0) var<uniform> p: Reduce;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> x: array<f32>;

var<workgroup> part: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let o = group.x + group.y * groups.x;
    if (o >= p.outputs) {
        return;
    }
    var rest = o;
    var base = 0u;
    for (var d = p.kept_rank; d > 0u; d--) {
        let dim = p.kept_dims[(d - 1u) / 4u][(d - 1u) % 4u];
        base += rest % dim * p.kept_strides[(d - 1u) / 4u][(d - 1u) % 4u];
        rest /= dim;
    }
    var sum = start();
    for (var i = local; i < p.count; i += 64u) {
        rest = i;
        var at = base;
        for (var d = p.rank; d > 0u; d--) {
            let dim = p.dims[(d - 1u) / 4u][(d - 1u) % 4u];
            at += rest % dim * p.strides[(d - 1u) / 4u][(d - 1u) % 4u];
            rest /= dim;
        }
        sum = take(sum, x[at]);
    }
    part[local] = sum;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if (local < half) {
            part[local] = join(part[local], part[local + half]);
        }
        workgroupBarrier();
    }
    if (local == 0u) {
        y[o] = finish(part[0]);
    }
}
