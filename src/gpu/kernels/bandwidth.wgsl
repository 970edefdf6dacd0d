// bandwidth.wgsl: a copy, to measure what memory gives: 16 bytes read and written an invocation.

@group(0) @binding(0) var<uniform> count: vec4<u32>;
@group(0) @binding(1) var<storage, ACCESS_1> y: array<vec4<u32>>;
@group(0) @binding(2) var<storage, ACCESS_2> x: array<vec4<u32>>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = (group.x + group.y * groups.x) * 256u + local;
    if (i < count.x) {
        y[i] = x[i];
    }
}
