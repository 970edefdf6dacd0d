// group_norm.wgsl: a workgroup a group of channels: mean, then variance around it, then a scale and a bias
// a channel. Bound by memory: three reads.

struct Group {
    units: u32, // groups of all batches
    groups: u32, // of a batch
    channels: u32, // of a group
    space: u32,
    by_group: u32, // one scale a group
    last: u32,     // channels are the last dimension
    silu: u32,     // v * sigmoid(v) at the end
    epsilon: f32,
}
@group(0) @binding(0) var<uniform> p: Group;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<f32>;
@group(0) @binding(2) var<storage, ACCESS_2> x: array<f32>;
@group(0) @binding(3) var<storage, ACCESS_3> scale: array<f32>;

var<workgroup> part: array<f32, 256>;

fn total(local: u32, value: f32) -> f32 {
    part[local] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (local < half) {
            part[local] += part[local + half];
        }
        workgroupBarrier();
    }
    let sum = part[0];
    workgroupBarrier();
    return sum;
}

// Element i of a group, and its channel in it.
fn place(unit: u32, i: u32) -> u32 {
    if (p.last == 0u) {
        return unit * p.channels * p.space + i;
    }
    let batch = unit / p.groups * p.groups * p.channels * p.space;
    return batch + i / p.channels * p.channels * p.groups + unit % p.groups * p.channels +
        i % p.channels;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let unit = group.x + group.y * groups.x;
    if (unit >= p.units) {
        return;
    }
    let n = p.channels * p.space;
    var sum = 0.0;
    for (var i = local; i < n; i += 256u) {
        sum += x[place(unit, i)];
    }
    let mean = total(local, sum) / f32(n);
    var squares = 0.0;
    for (var i = local; i < n; i += 256u) {
        let d = x[place(unit, i)] - mean;
        squares += d * d;
    }
    let inverse = 1.0 / sqrt(total(local, squares) / f32(n) + p.epsilon);
    for (var i = local; i < n; i += 256u) {
        let channel = select(i / p.space, i % p.channels, p.last != 0u);
        let which = select(unit % p.groups * p.channels + channel, unit % p.groups, p.by_group != 0u);
        let at = place(unit, i);
        var v = (x[at] - mean) * (scale[which] * inverse) + shift(which);
        if (p.silu != 0u) {
            v = v / (1.0 + exp(-v));
        }
        y[at] = v;
    }
}
