// range.wgsl: scale and zero point of DynamicQuantizeLinear, from the smallest and the largest element and
// 0; one workgroup. Bound by memory.
//
// What comes before: functions.wgsl, since a quotient that is off by a unit moves a tie.

@group(0) @binding(0) var<uniform> count: vec4<u32>;
@group(0) @binding(1) var<storage, ACCESS_1> scale: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> zero: array<u32>;
@group(0) @binding(3) var<storage, ACCESS_3> x: array<f32>;

var<workgroup> part: array<vec2<f32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    var low = 0.0;
    var high = 0.0;
    for (var i = local; i < count.x; i += 256u) {
        low = min(low, x[i]);
        high = max(high, x[i]);
    }
    part[local] = vec2<f32>(low, high);
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (local < half) {
            part[local] = vec2<f32>(min(part[local].x, part[local + half].x),
                                    max(part[local].y, part[local + half].y));
        }
        workgroupBarrier();
    }
    if (local == 0u) {
        let s = div_(part[0].y - part[0].x, 255.0);
        let step = select(s, 1.0, s == 0.0);
        scale[0] = step;
        zero[0] = u32(round(clamp(div_(-part[0].x, step), 0.0, 255.0)));
    }
}
