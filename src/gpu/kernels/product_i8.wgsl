// product_i8.wgsl: rows of x in 8 bits (quantize.wgsl) times block-quantised weights, up to three
// products of one input: 64 by 64 of the result a workgroup, 4 by 4 an invocation, 64 steps of k at a
// time through workgroup memory. Sums of a block are exact integers; scales are applied in f32. Bound by
// the dot products of four bytes.
//
// What comes before: const bits; fn scale_of(i), zero_of(n, block), bias_of(n).

struct Tiles {
    m: u32,
    n: u32,      // columns of all products that w holds
    k: u32,      // a multiple of 32
    blocks: u32, // scales of a column
    block: u32,  // blocks of 32 of one scale
    first: u32,  // column of the first product that w begins with
    ends: vec2<u32>,
    y_at: vec4<u32>,
    widths: vec4<u32>,
}
@group(0) @binding(0) var<uniform> p: Tiles;
@group(0) @binding(1) var<storage, ACCESS_1> arena: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> w: array<vec4<u32>>;
@group(0) @binding(3) var<storage, ACCESS_3> q: array<vec4<u32>>;
@group(0) @binding(4) var<storage, ACCESS_4> scales: array<vec2<f32>>;

const stride = 5u; // vectors of a row of 64 steps: neighbours fall into different banks
var<workgroup> xs: array<vec4<u32>, 64u * stride>;
var<workgroup> ws: array<vec4<u32>, 64u * stride>;
var<workgroup> x_scale: array<vec2<f32>, 128>; // by block, row: scale, sum
var<workgroup> w_scale: array<vec2<f32>, 128>; // scale, zero point

fn dots(a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>) -> i32 {
    return dot4I8Packed(a.x, c.x) + dot4I8Packed(a.y, c.y) + dot4I8Packed(a.z, c.z) +
           dot4I8Packed(a.w, c.w) + dot4I8Packed(b.x, d.x) + dot4I8Packed(b.y, d.y) +
           dot4I8Packed(b.z, d.z) + dot4I8Packed(b.w, d.w);
}

fn load_weights(local: u32, n0: u32, k0: u32) {
    if (bits == 4u) {
        if (local < 128u) {
            let column = local / 2u;
            let half = local % 2u; // which block
            var words = vec4<u32>();
            if (n0 + column < p.n && k0 + 32u * half < p.k) {
                words = w[(n0 + column) * (p.k / 32u) + k0 / 32u + half];
            }
            let low = words & vec4<u32>(0x0f0f0f0fu);
            let high = (words >> vec4<u32>(4u)) & vec4<u32>(0x0f0f0f0fu);
            ws[column * stride + 2u * half] = vec4<u32>(low.x, high.x, low.y, high.y);
            ws[column * stride + 2u * half + 1u] = vec4<u32>(low.z, high.z, low.w, high.w);
        }
        return;
    }
    let column = local / 4u;
    let v = local % 4u;
    var words = vec4<u32>();
    if (n0 + column < p.n && k0 + 16u * v < p.k) {
        words = w[(n0 + column) * (p.k / 16u) + k0 / 16u + v] ^ vec4<u32>(0x80808080u);
    }
    ws[column * stride + v] = words;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let across = (p.n + 63u) / 64u;
    let index = group.x + group.y * groups.x;
    let n0 = index % across * 64u;
    let m0 = index / across * 64u;
    let row = local / 16u * 4u;
    let column = local % 16u;
    let vectors = p.k / 16u; // of a row of q
    var y0 = vec4<f32>(); // four rows of a column each
    var y1 = vec4<f32>();
    var y2 = vec4<f32>();
    var y3 = vec4<f32>();
    for (var k0 = 0u; k0 < p.k; k0 += 64u) {
        let r = local / 4u;
        let v = local % 4u;
        var values = vec4<u32>();
        if (m0 + r < p.m && k0 + 16u * v < p.k) {
            values = q[(m0 + r) * vectors + k0 / 16u + v];
        }
        xs[r * stride + v] = values;
        load_weights(local, n0, k0);
        let block = k0 / 32u + local / 64u % 2u;
        let which = local % 64u;
        if (local < 128u) {
            var form = vec2<f32>();
            if (m0 + which < p.m && block * 32u < p.k) {
                form = scales[(m0 + which) * (p.k / 32u) + block];
            }
            x_scale[local] = form;
        } else {
            var form = vec2<f32>();
            if (n0 + which < p.n && block * 32u < p.k) {
                let b = block / p.block;
                let n = n0 + which;
                form = vec2<f32>(scale_of(n * p.blocks + b),
                                 zero_of(n, b) - select(0.0, 128.0, bits == 8u));
            }
            w_scale[local - 128u] = form;
        }
        workgroupBarrier();
        for (var b = 0u; b < 2u; b++) {
            let i = row * stride + 2u * b;
            let a0 = xs[i];
            let b0 = xs[i + 1u];
            let a1 = xs[i + stride];
            let b1 = xs[i + stride + 1u];
            let a2 = xs[i + 2u * stride];
            let b2 = xs[i + 2u * stride + 1u];
            let a3 = xs[i + 3u * stride];
            let b3 = xs[i + 3u * stride + 1u];
            let s = 64u * b + row;
            let f0 = x_scale[s];
            let f1 = x_scale[s + 1u];
            let f2 = x_scale[s + 2u];
            let f3 = x_scale[s + 3u];
            let scale = vec4<f32>(f0.x, f1.x, f2.x, f3.x);
            let sum = vec4<f32>(f0.y, f1.y, f2.y, f3.y);
            for (var c = 0u; c < 4u; c++) {
                let n = column + 16u * c;
                let wa = ws[n * stride + 2u * b];
                let wb = ws[n * stride + 2u * b + 1u];
                let form = w_scale[64u * b + n];
                let d = vec4<f32>(vec4<i32>(dots(a0, b0, wa, wb), dots(a1, b1, wa, wb),
                                            dots(a2, b2, wa, wb), dots(a3, b3, wa, wb)));
                let add = (d - form.y * sum) * (scale * form.x);
                if (c == 0u) { y0 += add; }
                if (c == 1u) { y1 += add; }
                if (c == 2u) { y2 += add; }
                if (c == 3u) { y3 += add; }
            }
        }
        workgroupBarrier();
    }
    for (var c = 0u; c < 4u; c++) {
        let n = n0 + column + 16u * c;
        if (n >= p.n) {
            continue;
        }
        var y = y0;
        if (c == 1u) { y = y1; }
        if (c == 2u) { y = y2; }
        if (c == 3u) { y = y3; }
        let whole = p.first + n;
        let which = u32(whole >= p.ends.x) + u32(whole >= p.ends.y);
        let own = select(select(0u, p.ends.x, which == 1u), p.ends.y, which == 2u);
        let at = p.y_at[which] + whole - own;
        for (var r = 0u; r < 4u; r++) {
            if (m0 + row + r < p.m) {
                arena[at + (m0 + row + r) * p.widths[which]] = y[r] + bias_of(n);
            }
        }
    }
}
