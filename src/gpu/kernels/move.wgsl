// move.wgsl: strided copies of elements of one word or two (E). Bound by memory.

struct Move {
    count: u32,
    rank: u32,
    source: u32,
    to: u32,
    dims: array<vec4<u32>, 2>,
    target_strides: array<vec4<u32>, 2>, // negative ones wrap around
    source_strides: array<vec4<u32>, 2>,
}
@group(0) @binding(0) var<uniform> copy: Move;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<E>;
@group(0) @binding(2) var<storage, ACCESS_2> x: array<E>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = (group.x + group.y * groups.x) * 64u + local;
    if (i >= copy.count) {
        return;
    }
    var rest = i;
    var source = copy.source;
    var to = copy.to;
    for (var d = copy.rank; d > 0u; d--) {
        let v = (d - 1u) / 4u;
        let l = (d - 1u) % 4u;
        let k = rest % copy.dims[v][l];
        source += k * copy.source_strides[v][l];
        to += k * copy.target_strides[v][l];
        rest /= copy.dims[v][l];
    }
    y[to] = x[source];
}
