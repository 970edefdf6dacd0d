// row_i8.wgsl: for row_nbits.wgsl, x quantised to 8 bits in blocks of 32 (the policy "fast"): dot
// products of four bytes at a time, exact in 32 bits. The error stays under 1/254 of a block's largest
// value, as on the CPU. k is a multiple of 32. row.c writes fn stage out.

var<workgroup> xs: array<vec2<u32>, chunk * unit / 8u>; // eight values each: as the codes lie, see pack
var<workgroup> wide_xs: array<vec4<f32>, select(1u, chunk * unit / 4u, wide_x)>; // x as it is, for an adapter: of each eight the first four, then the others
var<workgroup> x_scale: array<f32, (chunk * unit + 31u) / 32u>;

// Four bits a code put even and odd elements apart; eight leave them in order.
fn pack(a: vec4<f32>, b: vec4<f32>, inverse: f32) -> vec2<u32> {
    let x = vec4<i32>(round(a * inverse));
    let y = vec4<i32>(round(b * inverse));
    if (bits == 4u) {
        return vec2<u32>(bytes(vec4<i32>(x.x, x.z, y.x, y.z)), bytes(vec4<i32>(x.y, x.w, y.y, y.w)));
    }
    return vec2<u32>(bytes(x), bytes(y));
}

fn bytes(x: vec4<i32>) -> u32 {
    let b = vec4<u32>(x & vec4<i32>(255));
    return b.x | (b.y << 8u) | (b.z << 16u) | (b.w << 24u);
}

struct Part {
    a: vec4<f32>,
    b: vec4<f32>,
    square: f32,
}

// Eight values of the round that begins with unit u0; stage asks for all of its own before it goes on.
fn fetch(i: u32, parts: u32, u0: u32, before: f32, keep: bool) -> Part {
    var r = Part(vec4<f32>(), vec4<f32>(), 0.0);
    if (i < parts) {
        let v = u0 * unit / 4u + 2u * i;
        r.a = input(v, before, keep);
        r.b = input(v + 1u, before, keep);
        if (normed) {
            r.square = dot(r.a, r.a) + dot(r.b, r.b);
            r.a *= scale_before(v);
            r.b *= scale_before(v + 1u);
        }
    }
    return r;
}

fn note(i: u32, r: Part) {
    let most = max(abs(r.a), abs(r.b));
    part[i] = max(max(most.x, most.y), max(most.z, most.w));
}

fn settle(i: u32, parts: u32, r: Part) {
    let j = i / 4u * 4u;
    let top = max(max(part[j], part[j + 1u]), max(part[j + 2u], part[j + 3u]));
    if (i < parts) {
        xs[i] = pack(r.a, r.b, select(0.0, 127.0 / top, top > 0.0));
        if (wide_x) {
            wide_xs[i] = r.a;
            wide_xs[i + chunk * unit / 8u] = r.b;
        }
        if (i % 4u == 0u) {
            x_scale[i / 4u] = top / 127.0;
        }
    }
}

struct Unit {
    a: vec2<u32>,
    b: vec2<u32>,
    c: vec2<u32>,
    d: vec2<u32>,
    sum: f32,
    scale: f32,
}

fn read_unit(u: u32) -> Unit {
    const ones = 0x01010101u;
    let i = u * unit / 8u;
    var x = Unit(xs[i], xs[i + 1u], vec2<u32>(), vec2<u32>(), 0.0, x_scale[i / 4u]);
    var sum = dot4I8Packed(x.a.x, ones) + dot4I8Packed(x.a.y, ones) + dot4I8Packed(x.b.x, ones) +
              dot4I8Packed(x.b.y, ones);
    if (bits == 4u) {
        x.c = xs[i + 2u];
        x.d = xs[i + 3u];
        sum += dot4I8Packed(x.c.x, ones) + dot4I8Packed(x.c.y, ones) + dot4I8Packed(x.d.x, ones) +
               dot4I8Packed(x.d.y, ones);
    }
    x.sum = f32(sum);
    return x;
}

fn eight(word: u32, x: vec2<u32>) -> i32 {
    return dot4I8Packed(word & 0x0f0f0f0fu, x.x) + dot4I8Packed((word >> 4u) & 0x0f0f0f0fu, x.y);
}

fn product(codes: vec4<u32>, form_: vec2<f32>, x: Unit) -> f32 {
    if (bits == 8u) { // codes less 128
        let c = codes ^ vec4<u32>(0x80808080u);
        let sum = dot4I8Packed(c.x, x.a.x) + dot4I8Packed(c.y, x.a.y) + dot4I8Packed(c.z, x.b.x) +
                  dot4I8Packed(c.w, x.b.y);
        return form_.x * x.scale * (f32(sum) - (form_.y - 128.0) * x.sum);
    }
    let sum = eight(codes.x, x.a) + eight(codes.y, x.b) + eight(codes.z, x.c) + eight(codes.w, x.d);
    return form_.x * x.scale * (f32(sum) - form_.y * x.sum);
}

// Eight halves times the i-th eight of x.
fn eight_by(halves: vec4<u32>, i: u32) -> f32 {
    let p0 = unpack2x16float(halves.x);
    let p1 = unpack2x16float(halves.y);
    let p2 = unpack2x16float(halves.z);
    let p3 = unpack2x16float(halves.w);
    var a = vec4<f32>(p0, p1);
    var b = vec4<f32>(p2, p3);
    if (wide_x) {
        return dot(a, wide_xs[i]) + dot(b, wide_xs[i + chunk * unit / 8u]);
    }
    if (bits == 4u) {
        a = vec4<f32>(p0.x, p1.x, p2.x, p3.x);
        b = vec4<f32>(p0.y, p1.y, p2.y, p3.y);
    }
    return x_scale[i / 4u] * (dot(a, four(xs[i].x)) + dot(b, four(xs[i].y)));
}

fn four(word: u32) -> vec4<f32> {
    return vec4<f32>((vec4<i32>(vec4<u32>(word) << vec4<u32>(24u, 16u, 8u, 0u))) >> vec4<u32>(24u));
}
