// product_integer.wgsl: y[b, m, n] = x[b, m, k] w[b, k, n] of bytes less their zero points, summed in 32
// bits: 32 by 32 of y a workgroup, 2 by 2 an invocation, 32 steps of k at a time. What comes before says
// code_x(at), code_w(at), zero_x(m) and zero_w(n). Bound by compute.

struct Product {
    m: u32,
    n: u32,
    k: u32,
    batch_rank: u32,
    batch: array<vec4<u32>, 2>,
    x_batch: array<vec4<u32>, 2>,
    w_batch: array<vec4<u32>, 2>,
}
@group(0) @binding(0) var<uniform> p: Product;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<i32>;

const tile = 32u;
var<workgroup> xs: array<array<i32, tile>, tile>;
var<workgroup> ws: array<array<i32, tile>, tile>;

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
    let row = local / 16u * 2u;
    let column = local % 16u * 2u;
    var sum = array<vec2<i32>, 2>();
    for (var k0 = 0u; k0 < p.k; k0 += tile) {
        for (var i = local; i < tile * tile; i += 256u) {
            let m = m0 + i / tile;
            let k = k0 + i % tile;
            var value = 0;
            if (inside && m < p.m && k < p.k) {
                value = code_x(x_at + m * p.k + k) - zero_x(m);
            }
            xs[i % tile][i / tile] = value;
        }
        for (var i = local; i < tile * tile; i += 256u) {
            let n = n0 + i % tile;
            let k = k0 + i / tile;
            var value = 0;
            if (inside && n < p.n && k < p.k) {
                value = code_w(w_at + k * p.n + n) - zero_w(n);
            }
            ws[i / tile][i % tile] = value;
        }
        workgroupBarrier();
        for (var k = 0u; k < tile; k++) {
            let w = vec2<i32>(ws[k][column], ws[k][column + 1u]);
            sum[0] += xs[k][row] * w;
            sum[1] += xs[k][row + 1u] * w;
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < 2u; r++) {
        let m = m0 + row + r;
        for (var c = 0u; c < 2u; c++) {
            let n = n0 + column + c;
            if (inside && m < p.m && n < p.n) {
                y[(batch * p.m + m) * p.n + n] = sum[r][c];
            }
        }
    }
}
