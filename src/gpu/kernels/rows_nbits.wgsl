// rows_nbits.wgsl: a few rows of x times block-quantised weights (MatMulNBits), up to three products of
// one input; a workgroup computes `columns` columns, `lanes` invocations each, from chunks of x in
// workgroup memory. Bound by reading the weights, 32 of them a step and invocation.
//
// What comes before: const rows, bits; fn scale_of(i), zero_of(n, block).

struct Rows {
    k: u32,
    n: u32, // columns of all products
    units: u32, // of 32 weights in a column
    block: u32, // units of one scale
    blocks: u32, // scales of a column
    x_at: u32,
    ends: vec2<u32>, // where the first and the second product end
    y_at: vec4<u32>, // of each product
    widths: vec4<u32>, // columns of each
}
@group(0) @binding(0) var<uniform> p: Rows;
@group(0) @binding(1) var<storage, ACCESS_1> arena: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> w: array<vec4<u32>>;

const lanes = 8u;
const columns = 8u;
const chunk = 64u / rows; // units of x at a time: 8 KiB
var<workgroup> xs: array<vec4<f32>, rows * chunk * 8u>;
var<workgroup> sums: array<f32, rows * chunk>;
var<workgroup> part: array<array<f32, rows>, lanes * columns>;

fn spread(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>((1u << bits) - 1u));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let n = (group.x + group.y * groups.x) * columns + local / lanes;
    let lane = local % lanes;
    var sum = array<f32, rows>();
    for (var u0 = 0u; u0 < p.units; u0 += chunk) {
        let count = min(chunk, p.units - u0);
        // vectors of x as the weights lie: 4 bits a weight put even and odd elements apart
        for (var i = local; i < rows * count * 8u; i += 64u) {
            let r = i / (count * 8u);
            let v = i % (count * 8u);
            let at = p.x_at + r * p.k + u0 * 32u;
            if (bits == 4u) {
                let e = at + v / 2u * 8u + v % 2u;
                xs[r * chunk * 8u + v] =
                    vec4<f32>(arena[e], arena[e + 2u], arena[e + 4u], arena[e + 6u]);
            } else {
                let e = at + v * 4u;
                xs[r * chunk * 8u + v] =
                    vec4<f32>(arena[e], arena[e + 1u], arena[e + 2u], arena[e + 3u]);
            }
        }
        workgroupBarrier();
        for (var i = local; i < rows * count; i += 64u) {
            let at = (i / count * chunk + i % count) * 8u;
            var total = vec4<f32>();
            for (var v = 0u; v < 8u; v++) {
                total += xs[at + v];
            }
            sums[i / count * chunk + i % count] = total.x + total.y + total.z + total.w;
        }
        workgroupBarrier();
        if (n < p.n) {
            for (var u = lane; u < count; u += lanes) {
                let b = (u0 + u) / p.block;
                let s = scale_of(n * p.blocks + b);
                let z = zero_of(n, b);
                var dots = array<f32, rows>();
                for (var i = 0u; i < bits / 4u; i++) {
                    let words = w[(n * p.units + u0 + u) * (bits / 4u) + i];
                    for (var j = 0u; j < 4u; j++) {
                        if (bits == 4u) {
                            let low = spread(words[j]);
                            let high = spread(words[j] >> 4u);
                            for (var r = 0u; r < rows; r++) {
                                let at = (r * chunk + u) * 8u + 2u * j;
                                dots[r] += dot(low, xs[at]) + dot(high, xs[at + 1u]);
                            }
                        } else {
                            let codes = spread(words[j]);
                            for (var r = 0u; r < rows; r++) {
                                dots[r] += dot(codes, xs[(r * chunk + u) * 8u + 4u * i + j]);
                            }
                        }
                    }
                }
                for (var r = 0u; r < rows; r++) {
                    sum[r] += s * (dots[r] - z * sums[r * chunk + u]);
                }
            }
        }
        workgroupBarrier();
    }
    part[local] = sum;
    workgroupBarrier();
    if (lane == 0u && n < p.n) {
        let which = u32(n >= p.ends.x) + u32(n >= p.ends.y);
        let first = select(select(0u, p.ends.x, which == 1u), p.ends.y, which == 2u);
        for (var r = 0u; r < rows; r++) {
            var value = 0.0;
            for (var i = 0u; i < lanes; i++) {
                value += part[local + i][r];
            }
            arena[p.y_at[which] + r * p.widths[which] + n - first] = value;
        }
    }
}
