// functions.wgsl: functions that WGSL lacks, or that drivers get wrong; put before kernels that use
// them. NaN is told by its bits, since compilers may assume that there is none.

var<private> zero_: u32 = 0u; // so that no literal is infinite or NaN to the compiler

fn nan_(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
// Moshier's expf (Cephes): WGSL allows 3 + 2 |x| units in the last place. 2^n in two factors.
fn exp_(x: f32) -> f32 {
    let v = clamp(x, -104.0, 89.0);
    let n = round(v * 1.44269504);
    let r = (v - n * 0.693359375) + n * 2.12194440e-4;
    let y = ((((((1.9875691500e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r +
        4.1665795894e-2) * r + 1.6666665459e-1) * r + 5.0000001201e-1) * r) * r + r + 1.0;
    let half = i32(n) / 2;
    let rest = i32(n) - half;
    let a = bitcast<f32>(u32(half + 127) << 23u);
    let b = bitcast<f32>(u32(rest + 127) << 23u);
    return select(y * a * b, x, nan_(x));
}
// a / b rounded to nearest, for numbers of common size: drivers may be off by some units. The rest of the
// division is exact with factors of 12 bits (Dekker, 1971).
fn div_(a: f32, b: f32) -> f32 {
    let q = a / b;
    let qh = bitcast<f32>(bitcast<u32>(q) & 0xfffff000u);
    let bh = bitcast<f32>(bitcast<u32>(b) & 0xfffff000u);
    let rest = ((a - qh * bh) - qh * (b - bh) - (q - qh) * bh) - (q - qh) * (b - bh);
    return q + rest / b;
}
// e^x - 1 without cancelling near zero (its series to x^6)
fn expm1_(x: f32) -> f32 {
    let near = x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666668 + x * (0.008333334 +
        x * 0.0013888889)))));
    return select(exp_(x) - 1.0, near, abs(x) < 0.25);
}
// of a subnormal by its bits: drivers may take it for 0
fn log_(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    if (nan_(x) || (bits > 0x80000000u)) { return bitcast<f32>(0x7fc00000u + zero_); }
    if ((bits & 0x7fffffffu) == 0u) { return bitcast<f32>(0xff800000u + zero_); }
    if (bits < 0x00800000u) { return log(f32(bits)) - 103.27893; }
    return log(x);
}
fn min_(x: f32, y: f32) -> f32 { return select(select(min(x, y), y, nan_(y)), x, nan_(x)); }
fn max_(x: f32, y: f32) -> f32 { return select(select(max(x, y), y, nan_(y)), x, nan_(x)); }
// Its series near zero, else Press et al., "Numerical Recipes", section 6.2 (1.2e-7 everywhere).
fn erf_(x: f32) -> f32 {
    let a = abs(x);
    if (a < 0.5) {
        let s = x * x;
        return x * (1.1283791671 + s * (-0.3761263890 + s * (0.1128379167 + s * (-0.0268661706 +
            s * (0.0052239776 + s * (-0.0008548327 + s * (0.0001205533 + s * -0.0000149257)))))));
    }
    let t = 1.0 / (1.0 + 0.5 * a);
    let r = t * exp(-a * a - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 +
        t * (-0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 +
        t * (-0.82215223 + t * 0.17087277)))))))));
    return select(r - 1.0, 1.0 - r, x >= 0.0);
}
// Moshier's tanhf (Cephes)
fn tanh_(x: f32) -> f32 {
    let a = min(abs(x), 10.0);
    let s = x * x;
    let near = ((((-5.70498872745e-3 * s + 2.06390887954e-2) * s - 5.37397155531e-2) * s +
        1.33314422036e-1) * s - 3.33332819422e-1) * s * x + x;
    let far = 1.0 - 2.0 / (exp(2.0 * a) + 1.0);
    return select(select(select(far, -far, x < 0.0), near, a < 0.625), x, nan_(x));
}
fn sigmoid_(x: f32) -> f32 { return 1.0 / (1.0 + exp_(-x)); }
// sin(x + quarter * pi / 2). Drivers may give 2^-11: this is Moshier's sinf and cosf (Cephes), reduced by
// pi / 2 in three parts.
fn sin_(x: f32, quarter: i32) -> f32 {
    if (abs(x) > 30000.0) { return select(sin(x), cos(x), quarter == 1); }
    let n = round(x * 0.636619772);
    let r = ((x - n * 1.5703125) - n * 4.8351288e-4) - n * 3.1385570e-7;
    let s = r * r;
    let k = i32(n) + quarter;
    let a = r + r * s * (-1.6666654611e-1 + s * (8.3321608736e-3 + s * -1.9515295891e-4));
    let b = 1.0 + s * (-0.5 + s * (4.166664568298827e-2 + s * (-1.388731625493765e-3 +
        s * 2.443315711809948e-5)));
    let y = select(a, b, (k & 1) != 0);
    return select(y, -y, (k & 2) != 0);
}
