// elementwise.wgsl: one element of the output an invocation. What comes before this names the storage
// and says `value(i)`. Bound by memory.

// Dimensions and, for each of three operands, their strides in elements; the last dimension is the
// fastest. A chain's operand has its run and period in the first two of its strides.
struct Walk {
    count: u32,    // elements of the output, or words of it where four bytes make one
    rank: u32,
    elements: u32,
    dims: array<vec4<u32>, 2>,
    strides: array<vec4<u32>, 12>,
}
@group(0) @binding(0) var<uniform> walk: Walk;

// Where operand `o` has the element that output element i meets.
fn at(i: u32, o: u32) -> u32 {
    var rest = i;
    var offset = 0u;
    for (var d = walk.rank; d > 0u; d--) {
        let dim = walk.dims[(d - 1u) / 4u][(d - 1u) % 4u];
        offset += rest % dim * walk.strides[2u * o + (d - 1u) / 4u][(d - 1u) % 4u];
        rest /= dim;
    }
    return offset;
}

fn repeated(i: u32, o: u32) -> u32 {
    let s = walk.strides[o];
    return i / s.x % s.y;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = (group.x + group.y * groups.x) * 64u + local;
    if (i < walk.count) {
        y[i] = value(i);
    }
}
