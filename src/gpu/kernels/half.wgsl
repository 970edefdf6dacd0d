// half.wgsl: rounding to float16 and bfloat16, to nearest, ties to even (IEEE 754-2019, 4.3.1), by the
// bits: drivers may flush small numbers, and leave large ones open. As core/half.h.

fn half_(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let sign = bits & 0x80000000u;
    let a = bits & 0x7fffffffu;
    if (a > 0x7f800000u) { return x; }
    if (a >= 0x477ff000u) { return bitcast<f32>(sign | (0x7f800000u + zero_)); }
    if (a >= 0x38800000u) {
        return bitcast<f32>(sign | ((a + 0xfffu + ((a >> 13u) & 1u)) & 0xffffe000u));
    }
    let e = a >> 23u;
    if (e < 102u) { return bitcast<f32>(sign); } // below half of 2^-24
    let m = (a & 0x7fffffu) | 0x800000u;
    let shift = 126u - e; // to multiples of 2^-24
    let whole = m >> shift;
    let rest = m & ((1u << shift) - 1u);
    let middle = 1u << (shift - 1u);
    let up = rest > middle || (rest == middle && (whole & 1u) == 1u);
    let y = f32(whole + select(0u, 1u, up)) * 5.9604645e-8;
    return bitcast<f32>(sign | bitcast<u32>(y));
}
fn brain_(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) { return x; }
    return bitcast<f32>((bits + 0x7fffu + ((bits >> 16u) & 1u)) & 0xffff0000u);
}
