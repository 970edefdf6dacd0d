// softmax.wgsl: a workgroup a row of n elements, `inner` apart. The largest is taken off first.

struct Softmax {
    rows: u32,
    n: u32,
    inner: u32,
    log: u32,
}
@group(0) @binding(0) var<uniform> p: Softmax;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> x: array<f32>;

var<workgroup> part: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let r = group.x + group.y * groups.x;
    if (r >= p.rows) {
        return;
    }
    let at = r / p.inner * p.n * p.inner + r % p.inner;
    var top = -0x1.fffffep+127f;
    for (var i = local; i < p.n; i += 64u) {
        top = max_(top, x[at + i * p.inner]);
    }
    part[local] = top;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if (local < half) {
            part[local] = max_(part[local], part[local + half]);
        }
        workgroupBarrier();
    }
    top = part[0];
    workgroupBarrier();
    var sum = 0.0;
    for (var i = local; i < p.n; i += 64u) {
        sum += exp_(x[at + i * p.inner] - top);
    }
    part[local] = sum;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if (local < half) {
            part[local] += part[local + half];
        }
        workgroupBarrier();
    }
    sum = part[0];
    for (var i = local; i < p.n; i += 64u) {
        let z = x[at + i * p.inner] - top;
        y[at + i * p.inner] = select(exp_(z) / sum, z - log_(sum), p.log != 0u);
    }
}
