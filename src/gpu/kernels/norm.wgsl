// norm.wgsl: LayerNorm and RMSNorm of rows of n, a workgroup each. What comes before says what a row
// is, input(at, i) (which may store a residual sum), and shift(i). The variance is taken around the
// mean, not as a difference of squares. Bound by memory.

struct Norm {
    rows: u32,
    n: u32,
    skip_rows: u32,
    centred: u32, // 0: RMSNorm
    epsilon: f32,
}
@group(0) @binding(0) var<uniform> p: Norm;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> x: array<f32>;
@group(0) @binding(3) var<storage, ACCESS_3> scale: array<f32>;

var<workgroup> part: array<f32, 64>;

fn total(local: u32, value: f32) -> f32 {
    part[local] = value;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if (local < half) {
            part[local] += part[local + half];
        }
        workgroupBarrier();
    }
    let sum = part[0];
    workgroupBarrier();
    return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let r = group.x + group.y * groups.x;
    if (r >= p.rows) {
        return;
    }
    let at = r * p.n;
    var mean = 0.0;
    if (p.centred != 0u) {
        var sum = 0.0;
        for (var i = local; i < p.n; i += 64u) {
            sum += input(r, i);
        }
        mean = total(local, sum) / f32(p.n);
    }
    var squares = 0.0;
    for (var i = local; i < p.n; i += 64u) {
        let d = input(r, i) - mean;
        squares += d * d;
    }
    let inverse = 1.0 / sqrt(total(local, squares) / f32(p.n) + p.epsilon);
    for (var i = local; i < p.n; i += 64u) {
        y[at + i] = (keep(r, i) - mean) * inverse * scale[i] + shift(i);
    }
}
