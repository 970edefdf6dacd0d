// product.wgsl: y[b, m, n] = x[b, m, k] w[b, k, n] (+ y's addend), tiled: 64 by 64 of y a workgroup,
// 4 by 4 an invocation, 16 steps of k at a time through workgroup memory (10 KiB), vectors along k.
// Bound by compute from some 32 rows on.
//
// What comes before says where weights come from: fn quad(base, k, n), those of k to k + 3, and const
// along_k: whether they lie close together along k, or along n; and what is added at the end:
// fn addend(m, n).

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
const stride = depth / 4u + 1u; // vectors of a row: neighbours fall into different banks
var<workgroup> xs: array<vec4<f32>, tile * stride>; // vectors along k
var<workgroup> ws: array<vec4<f32>, tile * stride>;

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
    let column = local % 16u;
    // what this invocation brings: a vector of a row of x, and of a column of w
    let x_row = local / 4u;
    let x_quad = local % 4u;
    let w_column = select(local % tile, local / 4u, along_k);
    let w_quad = select(local / tile, local % 4u, along_k);
    var sum0 = vec4<f32>(); // four rows of a column each
    var sum1 = vec4<f32>();
    var sum2 = vec4<f32>();
    var sum3 = vec4<f32>();
    for (var k0 = 0u; k0 < p.k; k0 += depth) {
        var value = vec4<f32>();
        let k = k0 + 4u * x_quad;
        if (inside && m0 + x_row < p.m && k < p.k) {
            let at = x_at + (m0 + x_row) * p.x_row + k * p.x_step;
            value.x = x[at];
            if (k + 1u < p.k) { value.y = x[at + p.x_step]; }
            if (k + 2u < p.k) { value.z = x[at + 2u * p.x_step]; }
            if (k + 3u < p.k) { value.w = x[at + 3u * p.x_step]; }
        }
        xs[x_row * stride + x_quad] = value;
        value = vec4<f32>();
        if (inside && n0 + w_column < p.n && k0 + 4u * w_quad < p.k) {
            value = quad(w_at, k0 + 4u * w_quad, n0 + w_column);
        }
        ws[w_column * stride + w_quad] = value;
        workgroupBarrier();
        for (var q = 0u; q < depth / 4u; q++) {
            let i = row * stride + q;
            let x0 = xs[i];
            let x1 = xs[i + stride];
            let x2 = xs[i + 2u * stride];
            let x3 = xs[i + 3u * stride];
            let j = column * stride + q;
            let w0 = ws[j];
            let w1 = ws[j + 16u * stride];
            let w2 = ws[j + 32u * stride];
            let w3 = ws[j + 48u * stride];
            sum0 += vec4<f32>(dot(x0, w0), dot(x1, w0), dot(x2, w0), dot(x3, w0));
            sum1 += vec4<f32>(dot(x0, w1), dot(x1, w1), dot(x2, w1), dot(x3, w1));
            sum2 += vec4<f32>(dot(x0, w2), dot(x1, w2), dot(x2, w2), dot(x3, w2));
            sum3 += vec4<f32>(dot(x0, w3), dot(x1, w3), dot(x2, w3), dot(x3, w3));
        }
        workgroupBarrier();
    }
    for (var c = 0u; c < 4u; c++) {
        let n = n0 + column + 16u * c;
        var sum = sum0;
        if (c == 1u) { sum = sum1; }
        if (c == 2u) { sum = sum2; }
        if (c == 3u) { sum = sum3; }
        for (var r = 0u; r < 4u; r++) {
            let m = m0 + row + r;
            if (inside && m < p.m && n < p.n) {
                y[(batch * p.m + m) * p.y_row + p.y_at + n] = p.alpha * sum[r] + addend(m, n);
            }
        }
    }
}
