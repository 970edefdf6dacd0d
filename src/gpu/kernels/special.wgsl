// special.wgsl: functions that few operators need; put behind functions.wgsl. WGSL leaves inverse
// trigonometric functions and pow coarse; these are Moshier's (Cephes, single precision).

fn nan_of_(bad: bool, x: f32) -> f32 { return select(x, bitcast<f32>(0x7fc00000u + zero_), bad); }
// x tanh(log(1 + e^x)) without the logarithm
fn mish_(x: f32) -> f32 {
    let e = exp_(min_(x, 20.0));
    return x * (e * (e + 2.0) / (e * (e + 2.0) + 2.0));
}
fn sign_(x: f32) -> f32 { return select(select(select(0.0, -1.0, x < 0.0), 1.0, x > 0.0), x, nan_(x)); }
fn atan_(x: f32) -> f32 {
    let a = abs(x);
    let far = a > 2.4142135;
    let mid = a > 0.41421357;
    let t = select(select(a, (a - 1.0) / (a + 1.0), mid), -1.0 / a, far);
    let s = t * t;
    let y = select(select(0.0, 0.78539816, mid), 1.5707964, far) + (((8.05374449538e-2 * s -
        1.38776856032e-1) * s + 1.99777106478e-1) * s - 3.33329491539e-1) * s * t + t;
    return select(select(y, -y, x < 0.0), x, nan_(x));
}
// of 0 to 0.5
fn asin_near_(t: f32) -> f32 {
    let s = t * t;
    return ((((4.2163199048e-2 * s + 2.4181311049e-2) * s + 4.5470025998e-2) * s +
        7.4953002686e-2) * s + 1.6666752422e-1) * s * t + t;
}
fn asin_(x: f32) -> f32 {
    let a = abs(x);
    let y = select(asin_near_(a), 1.5707964 - 2.0 * asin_near_(sqrt(0.5 * (1.0 - min(a, 1.0)))),
                   a > 0.5);
    return nan_of_(a > 1.0 || nan_(x), select(y, -y, x < 0.0));
}
fn acos_(x: f32) -> f32 {
    let a = abs(x);
    let far = 2.0 * asin_near_(sqrt(0.5 * (1.0 - min(a, 1.0))));
    let y = select(select(1.5707964 - asin_(x), 3.1415927 - far, x < -0.5), far, x > 0.5);
    return nan_of_(a > 1.0 || nan_(x), y);
}
fn sinh_(x: f32) -> f32 {
    let a = abs(x);
    let e = expm1_(min(a, 80.0));
    let h = exp(0.5 * a);
    let y = select(0.5 * (e + e / (e + 1.0)), 0.5 * h * h, a > 80.0);
    return select(select(y, -y, x < 0.0), x, nan_(x));
}
fn cosh_(x: f32) -> f32 {
    let h = exp(0.5 * abs(x));
    return select(0.5 * h * h + 0.5 / (h * h), x, nan_(x));
}
fn asinh_(x: f32) -> f32 {
    let a = abs(x);
    let s = a * a;
    let near = a * (1.0 + s * (-0.16666667 + s * (0.075 + s * (-0.044642857 + s * (0.030381944 -
        s * 0.022372159)))));
    let far = log_(select(a + sqrt(s + 1.0), 2.0 * a, a > 1e9));
    let y = select(far, near, a < 0.25);
    return select(select(y, -y, x < 0.0), x, nan_(x));
}
fn acosh_(x: f32) -> f32 {
    let y = select(2.0 * asinh_(sqrt(max(0.5 * (x - 1.0), 0.0))), log_(2.0 * x), x > 1e9);
    return nan_of_(x < 1.0 || nan_(x), y);
}
fn atanh_(x: f32) -> f32 {
    if (abs(x) == 1.0) { return x * bitcast<f32>(0x7f800000u + zero_); }
    return nan_of_(abs(x) > 1.0 || nan_(x), asinh_(x / sqrt(max((1.0 - x) * (1.0 + x), 0.0))));
}
fn times_(a: f32, count: u32) -> f32 {
    var r = 1.0;
    var square = a;
    for (var n = count; n > 0u; n >>= 1u) {
        r = select(r, r * square, (n & 1u) == 1u);
        square *= square;
    }
    return r;
}
// Whole exponents are multiplied out; others go through the logarithm.
fn pow_(x: f32, y: f32) -> f32 {
    let size = bitcast<u32>(y) & 0x7fffffffu; // bits, since subnormal numbers may compare as zero
    let below = bitcast<u32>(x) > 0x7fffffffu;
    let falling = bitcast<u32>(y) > 0x7fffffffu;
    if (size == 0u || x == 1.0) { return 1.0; }
    if (nan_(x) || nan_(y)) { return bitcast<f32>(0x7fc00000u + zero_); }
    if (y == 0.5 && x > 0.0) { return sqrt(x); }
    let whole = abs(y) >= 8388608.0 || (size >= 0x00800000u && floor(y) == y);
    let odd = whole && abs(y) < 16777216.0 && (u32(abs(y)) & 1u) == 1u;
    let a = abs(x);
    var r = 1.0;
    let small = bitcast<u32>(a) < 0x00800000u;
    if (whole && abs(y) <= 64.0 && !(falling && small)) {
        r = times_(a, u32(abs(y)));
        if (falling) { // a subnormal r may have no reciprocal
            r = select(1.0 / r, times_(1.0 / a, u32(abs(y))), bitcast<u32>(r) < 0x00800000u);
        }
    } else if (a == 1.0) {
        r = 1.0;
    } else if (bitcast<u32>(a) == 0u) {
        r = select(0.0, bitcast<f32>(0x7f800000u + zero_), falling);
    } else {
        // the fraction's logarithm is small, and the whole exponent is exact
        let bits = select(bitcast<u32>(a), bitcast<u32>(f32(bitcast<u32>(a))), small);
        let e = f32(i32(bits >> 23u) - select(127, 276, small));
        let m = bitcast<f32>((bits & 0x7fffffu) | 0x3f800000u);
        let infinite = bitcast<u32>(a) == 0x7f800000u;
        r = exp2(clamp(y * select(e + log2(m), 1000.0, infinite), -1000.0, 1000.0));
        r = select(r, select(bitcast<f32>(0x7f800000u + zero_), 0.0, falling), infinite);
    }
    let complex_ = below && !whole && bitcast<u32>(a) != 0u && bitcast<u32>(a) != 0x7f800000u;
    return nan_of_(complex_, select(r, -r, odd && below));
}
