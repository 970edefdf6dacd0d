// gather_nbits.wgsl: rows of a block-quantised table by their numbers (GatherBlockQuantized), an element
// an invocation. A number outside the table gives zeros. Bound by memory.
//
// What comes before: const bits; fn scale_of(i), zero_of(n, block).

struct Table {
    count: u32,
    inner: u32, // elements of a row
    bound: u32, // rows
    words: u32, // of one number
    block: u32,
    blocks: u32, // of a row
}
@group(0) @binding(0) var<uniform> p: Table;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> indices: array<i32>;
@group(0) @binding(3) var<storage, ACCESS_3> codes: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = (group.x + group.y * groups.x) * 64u + local;
    if (i >= p.count) {
        return;
    }
    var row = indices[i / p.inner * p.words];
    row += select(0, i32(p.bound), row < 0);
    var value = 0.0;
    if (row >= 0 && row < i32(p.bound)) {
        let column = i % p.inner;
        let n = u32(row);
        let at = n * p.inner + column;
        let code = extractBits(codes[at * bits / 32u], at * bits % 32u, bits);
        let b = column / p.block;
        value = (f32(code) - zero_of(n, b)) * scale_of(n * p.blocks + b);
    }
    y[i] = value;
}
