// append.wgsl: new keys and values behind those of the cache, keys normed and rotated; a workgroup a
// position and key-value head. Rows past the last new one become zero. Bound by memory.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let index = group.x + group.y * groups.x;
    let head = index % p.kv_heads;
    let row = index / p.kv_heads;
    if (row >= p.rows + p.tail) {
        return;
    }
    let cell = p.cache_at + (head * p.capacity + p.past + row) * p.d;
    if (row >= p.rows) {
        for (var i = local; i < p.d; i += 64u) {
            keys[cell + i] = 0.0;
            values[cell + i] = 0.0;
        }
        return;
    }
    let k = p.k_at + row * p.kv_stride + head * p.d;
    let v = p.v_at + row * p.kv_stride + head * p.d;
    var inverse = 1.0;
    if (norm_keys) {
        var squares = 0.0;
        for (var i = local; i < p.d; i += 64u) {
            squares += key(k + i) * key(k + i);
        }
        inverse = 1.0 / sqrt(total(local, squares) / f32(p.d) + p.k_epsilon);
    }
    for (var i = local; i < p.d; i += 64u) {
        vector[i] = key(k + i) * key_scale(i) * inverse;
    }
    workgroupBarrier();
    for (var i = local; i < p.d; i += 64u) {
        keys[cell + i] = rotated(i, p.position + row);
        values[cell + i] = value(v + i);
    }
}
