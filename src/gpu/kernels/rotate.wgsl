// rotate.wgsl: rotary embedding (Su et al., "RoFormer", 2021), an element an invocation. What comes
// before says line(batch, row): the row of the tables that a position has. Bound by memory.

struct Rotate {
    count: u32,
    heads: u32,
    rows: u32,
    d: u32,
    turned: u32,  // elements of a row that turn; the others are copied
    columns: u32, // of the tables: turned, or half of it
    pairs: u32,   // neighbours turn together, not halves
    offset: u32,  // lines from one batch to the next
    x_at: vec4<u32>, // strides of batch, head and row
    y_at: vec4<u32>,
}
@group(0) @binding(0) var<uniform> p: Rotate;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> x: array<f32>;
@group(0) @binding(3) var<storage, ACCESS_3> cosine: array<f32>;
@group(0) @binding(4) var<storage, ACCESS_4> sine: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = (group.x + group.y * groups.x) * 64u + local;
    if (i >= p.count) {
        return;
    }
    let k = i % p.d;
    let row = i / p.d % p.rows;
    let head = i / (p.d * p.rows) % p.heads;
    let batch = i / (p.d * p.rows * p.heads);
    let source = batch * p.x_at.x + head * p.x_at.y + row * p.x_at.z;
    let to = batch * p.y_at.x + head * p.y_at.y + row * p.y_at.z + k;
    if (k >= p.turned) {
        y[to] = x[source + k];
        return;
    }
    let half = p.turned / 2u;
    let first = select(k < half, k % 2u == 0u, p.pairs != 0u);
    let apart = select(half, 1u, p.pairs != 0u);
    let other = x[source + select(k - apart, k + apart, first)];
    var column = k;
    if (p.columns == half) {
        column = select(k % half, k / 2u, p.pairs != 0u);
    }
    let t = line(batch, row) * p.columns + column;
    y[to] = x[source + k] * cosine[t] + select(other, -other, first) * sine[t];
}
