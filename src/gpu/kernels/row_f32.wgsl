// row_f32.wgsl: for row_nbits.wgsl, x as it is. Codes become floats by their bits: 0x3f800000 | code <<
// (23 - bits) is 1 + code / 2^bits, and what the ones add to a dot product is known from the sum of x.

const vectors = unit / 4u;
const stride = vectors + 1u; // of a unit of x: neighbours fall into different banks
var<workgroup> xs: array<vec4<f32>, chunk * stride>;

fn stage(local: u32, u0: u32, count: u32, before: f32, keep: bool) -> f32 {
    var square = 0.0;
    for (var v = local; v < count * vectors; v += threads) {
        let i = u0 * vectors + v;
        var x = input(i, before, keep);
        if (normed) {
            square += dot(x, x);
            x *= scale_before(i);
        }
        xs[v / vectors * stride + v % vectors] = x;
    }
    return square;
}

// The second half is zero where codes have 8 bits.
struct Unit {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
    e: vec4<f32>,
    f: vec4<f32>,
    g: vec4<f32>,
    h: vec4<f32>,
    sum: f32,
}

fn read_unit(u: u32) -> Unit {
    let i = u * stride;
    if (bits == 16u) {
        let none = vec4<f32>();
        return Unit(xs[i], xs[i + 1u], none, none, none, none, none, none, 0.0);
    }
    var x = Unit(xs[i], xs[i + 1u], xs[i + 2u], xs[i + 3u], vec4<f32>(), vec4<f32>(), vec4<f32>(),
                 vec4<f32>(), 0.0);
    var all = x.a + x.b + x.c + x.d;
    if (bits == 4u) {
        x.e = xs[i + 4u];
        x.f = xs[i + 5u];
        x.g = xs[i + 6u];
        x.h = xs[i + 7u];
        all += x.e + x.f + x.g + x.h;
    }
    x.sum = all.x + all.y + all.z + all.w;
    return x;
}

fn decoded(word: u32, high: bool) -> vec4<f32> {
    if (bits == 8u) {
        return bitcast<vec4<f32>>((vec4<u32>(word << 15u, word << 7u, word >> 1u, word >> 9u) &
                                   vec4<u32>(0x7f8000u)) | vec4<u32>(0x3f800000u));
    }
    let codes = select(vec4<u32>(word << 19u, word << 15u, word << 11u, word << 7u),
                       vec4<u32>(word << 3u, word >> 1u, word >> 5u, word >> 9u), high);
    return bitcast<vec4<f32>>((codes & vec4<u32>(0x780000u)) | vec4<u32>(0x3f800000u));
}

fn product(codes: vec4<u32>, form_: vec2<f32>, x: Unit) -> f32 {
    var sum = 0.0;
    if (bits == 16u) {
        return dot(vec4<f32>(unpack2x16float(codes.x), unpack2x16float(codes.y)), x.a) +
               dot(vec4<f32>(unpack2x16float(codes.z), unpack2x16float(codes.w)), x.b);
    }
    if (bits == 8u) {
        sum = dot(decoded(codes.x, false), x.a) + dot(decoded(codes.y, false), x.b) +
              dot(decoded(codes.z, false), x.c) + dot(decoded(codes.w, false), x.d);
    } else {
        sum = dot(decoded(codes.x, false), x.a) + dot(decoded(codes.x, true), x.b) +
              dot(decoded(codes.y, false), x.c) + dot(decoded(codes.y, true), x.d) +
              dot(decoded(codes.z, false), x.e) + dot(decoded(codes.z, true), x.f) +
              dot(decoded(codes.w, false), x.g) + dot(decoded(codes.w, true), x.h);
    }
    return form_.x * (f32(1u << bits) * (sum - x.sum) - form_.y * x.sum);
}

// Eight halves times the i-th eight of x.
fn eight_by(halves: vec4<u32>, i: u32) -> f32 {
    let v = 2u * i;
    let at = v / vectors * stride + v % vectors;
    return dot(vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y)), xs[at]) +
           dot(vec4<f32>(unpack2x16float(halves.z), unpack2x16float(halves.w)), xs[at + 1u]);
}
