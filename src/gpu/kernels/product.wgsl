// product.wgsl: y[b, m, n] = x[b, m, k] w[b, k, n] (+ y's addend), tiled: 64 by 64 of y a workgroup,
// 4 by 4 an invocation, 16 steps of k at a time through workgroup memory (8 KiB). What comes before
// says where weights come from: weight(base, k, n), and what is added at the end: addend(m, n).
// Bound by compute from some 32 rows on.

struct Product {
    m: u32,
    n: u32,
    k: u32,
    batch_rank: u32,
    x_row: u32,
    x_step: u32, // along k
    w_row: u32,  // along k
    w_step: u32, // along n
    alpha: f32,
    beta: f32,
    block: u32, // of quantised weights
    c_row: u32, // of an addend
    batch: array<vec4<u32>, 2>,
    x_batch: array<vec4<u32>, 2>,
    w_batch: array<vec4<u32>, 2>,
    c_step: u32,
    y_row: u32,
    y_at: u32, // the first column of y that is computed
}
@group(0) @binding(0) var<uniform> p: Product;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> x: array<f32>;

const tile = 64u;
const depth = 16u;
var<workgroup> xs: array<array<f32, tile>, depth>;
var<workgroup> ws: array<array<f32, tile>, depth>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let across = (p.n + tile - 1u) / tile;
    let down = (p.m + tile - 1u) / tile;
    let index = group.x + group.y * groups.x;
    let batch = index / (across * down);
    let n0 = index % across * tile;
    let m0 = index / across % down * tile;
    var rest = batch;
    var x_at = 0u;
    var w_at = 0u;
    for (var d = p.batch_rank; d > 0u; d--) {
        let v = (d - 1u) / 4u;
        let l = (d - 1u) % 4u;
        let i = rest % p.batch[v][l];
        x_at += i * p.x_batch[v][l];
        w_at += i * p.w_batch[v][l];
        rest /= p.batch[v][l];
    }
    let inside = rest == 0u; // a folded grid may reach past the end
    let row = local / 16u * 4u;
    let column = local % 16u * 4u;
    var sum = array<vec4<f32>, 4>();
    for (var k0 = 0u; k0 < p.k; k0 += depth) {
        for (var i = local; i < tile * depth; i += 256u) {
            let m = m0 + i / depth;
            let k = k0 + i % depth;
            var value = 0.0;
            if (inside && m < p.m && k < p.k) {
                value = x[x_at + m * p.x_row + k * p.x_step];
            }
            xs[i % depth][i / depth] = value;
        }
        for (var i = local; i < tile * depth; i += 256u) {
            let n = n0 + i % tile;
            let k = k0 + i / tile;
            var value = 0.0;
            if (inside && n < p.n && k < p.k) {
                value = weight(w_at, k, n);
            }
            ws[i / tile][i % tile] = value;
        }
        workgroupBarrier();
        for (var k = 0u; k < depth; k++) {
            let w = vec4<f32>(ws[k][column], ws[k][column + 1u], ws[k][column + 2u],
                              ws[k][column + 3u]);
            for (var r = 0u; r < 4u; r++) {
                sum[r] += xs[k][row + r] * w;
            }
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) {
        let m = m0 + row + r;
        for (var c = 0u; c < 4u; c++) {
            let n = n0 + column + c;
            if (inside && m < p.m && n < p.n) {
                y[(batch * p.m + m) * p.y_row + p.y_at + n] = p.alpha * sum[r][c] + addend(m, n);
            }
        }
    }
}
