// gather.wgsl: rows of a table by their numbers, an element an invocation; E is an element and what
// comes before says element(i) of the table. Numbers outside, which the host has refused, meet the
// nearest row. Bound by memory.

struct Gather {
    count: u32,
    inner: u32,   // elements of a row
    numbers: u32, // in all
    bound: u32,   // rows
    words: u32,   // of one number
}
@group(0) @binding(0) var<uniform> p: Gather;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<E>;
@group(0) @binding(2) var<storage, ACCESS_2> indices: array<i32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = (group.x + group.y * groups.x) * 64u + local;
    if (i >= p.count) {
        return;
    }
    let outer = i / (p.inner * p.numbers);
    var row = indices[i / p.inner % p.numbers * p.words];
    row = clamp(select(row, row + i32(p.bound), row < 0), 0, i32(p.bound) - 1);
    y[i] = element((outer * p.bound + u32(row)) * p.inner + i % p.inner);
}
