// low.wgsl: low[m, rank] = x[m, k] downᵀ for the few rows of down [rank, k] that an adapter has, halves two a
// word: a workgroup takes a row of x, 16 invocations share a row of down. Bound by reading them; k is even.

struct Low {
    m: u32,
    k: u32,
    rank: u32,
}
@group(0) @binding(0) var<uniform> p: Low;
@group(0) @binding(1) var<storage, ACCESS_1> low: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> x: array<f32>;
@group(0) @binding(3) var<storage, ACCESS_3> down: array<u32>;

const lanes = 16u;
const rows = 16u;
var<workgroup> part: array<f32, lanes * rows>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let m = min(group.x + group.y * groups.x, p.m - 1u); // a folded grid may reach past the end
    for (var r0 = 0u; r0 < p.rank; r0 += rows) {
        let row = min(r0 + local / lanes, p.rank - 1u);
        var sum = 0.0;
        for (var i = local % lanes; i < p.k / 2u; i += lanes) {
            let pair = unpack2x16float(down[row * p.k / 2u + i]);
            sum += pair.x * x[m * p.k + 2u * i] + pair.y * x[m * p.k + 2u * i + 1u];
        }
        workgroupBarrier();
        part[local] = sum;
        workgroupBarrier();
        if (local < rows && r0 + local < p.rank) {
            var total = 0.0;
            for (var i = 0u; i < lanes; i++) {
                total += part[local * lanes + i];
            }
            low[m * p.rank + r0 + local] = total;
        }
    }
}
