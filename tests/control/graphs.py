"""The graphs of ./run: name to (text, sets of inputs)."""

import numpy as np

rng = np.random.default_rng(7)
HEAD = '<ir_version: 9, opset_import: ["" : 20, "local" : 1]>'


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


GRAPHS = {
    # A computed condition, both ways; branches capture what is outside.
    "if_computed": (HEAD + """
        g (float[N] x, float[N] w) => (float[M] y) {
            total = ReduceSum <keepdims = 0> (x)
            zero = Constant <value = float {0}> ()
            positive = Greater (total, zero)
            scaled = Mul (x, w)
            y = If (positive) <
                then_branch = t () => (float[P] a) { a = Add (scaled, w) },
                else_branch = e () => (float[Q] b) { b = Concat <axis = 0> (scaled, x) }
            >
        }""", [[f32(5) + 3, f32(5)], [f32(5) - 3, f32(5)]]),

    # A branch on a length that is found while running.
    "if_on_nonzero": (HEAD + """
        g (float[N] x) => (float[M] y) {
            zero = Constant <value = float {0}> ()
            picked = Greater (x, zero)
            at = NonZero (picked)
            flat = Squeeze (at)
            some = Gather (x, flat)
            size = Size (some)
            three = Constant <value = int64 {3}> ()
            many = Greater (size, three)
            y = If (many) <
                then_branch = t () => (float[P] a) { a = Neg (some) },
                else_branch = e () => (float[Q] b) { b = Exp (x) }
            >
        }""", [[np.abs(f32(9))], [np.array([1, -1, 2, -2, -3], np.float32)],
               [-np.abs(f32(6))]]),

    # Segments that feed one another.
    "nonzero_chain": (HEAD + """
        g (float[N, K] x) => (float[A] y, int64[2, B] z) {
            zero = Constant <value = float {0}> ()
            mask = Less (x, zero)
            z = NonZero (mask)
            zt = Transpose <perm = [1, 0]> (z)
            v = GatherND (x, zt)
            half = Constant <value = float {-0.5}> ()
            low = Less (v, half)
            y = Compress <axis = 0> (v, low)
        }""", [[f32(4, 7)], [np.abs(f32(2, 3))], [f32(0, 3)], [f32(40, 30)]]),

    # State, a captured value, a condition of the body's own, scan outputs.
    "loop_until": (HEAD + """
        g (float[N] x, int64 most) => (float[N] last, float[S, N] all) {
            yes = Constant <value = bool {1}> ()
            half = Constant <value = float {0.5}> ()
            scaled = Mul (x, half)
            last, all = Loop (most, yes, x) <
                body = b (int64 i, bool go, float[N] s) => (bool more, float[N] t, float[N] u) {
                    t = Add (s, scaled)
                    norm = ReduceL2 <keepdims = 0> (t)
                    limit = Constant <value = float {6}> ()
                    more = Less (norm, limit)
                    u = Mul (t, t)
                }
            >
        }""", [[np.ones(4, np.float32), i64(20).reshape(())],
               [np.ones(4, np.float32), i64(2).reshape(())],
               [np.ones(4, np.float32), i64(1).reshape(())]]),

    # State that grows, so that each iteration has other shapes; and the iteration number as a size.
    "loop_growing": (HEAD + """
        g (float[N] x, int64 n) => (float[M] y) {
            yes = Constant <value = bool {1}> ()
            y = Loop (n, yes, x) <
                body = b (int64 i, bool go, float[K] s) => (bool more, float[L] t) {
                    more = Identity (go)
                    one = Constant <value = int64[1] {1}> ()
                    size = Reshape (i, one)
                    zeros = ConstantOfShape <value = float[1] {2.5}> (size)
                    t = Concat <axis = 0> (s, zeros)
                }
            >
        }""", [[f32(3), i64(0).reshape(())], [f32(3), i64(4).reshape(())]]),

    # A loop in a loop, a branch inside, segments inside the body.
    "loop_nested": (HEAD + """
        g (float[N] x, int64 n) => (float[N] y, int64[S] counts) {
            yes = Constant <value = bool {1}> ()
            y, counts = Loop (n, yes, x) <
                body = outer (int64 i, bool go, float[N] s) => (bool more, float[N] t, int64 c) {
                    more = Identity (go)
                    zero = Constant <value = float {0}> ()
                    above = Greater (s, zero)
                    where = NonZero (above)
                    c = Size (where)
                    t = Loop (c, go, s) <
                        body = inner (int64 k, bool keep, float[N] p) => (bool again, float[N] q) {
                            again = Identity (keep)
                            kf = Cast <to = 1> (k)
                            moved = Sub (p, kf)
                            odd = Constant <value = int64 {2}> ()
                            rest = Mod (k, odd)
                            zero_i = Constant <value = int64 {0}> ()
                            even = Equal (rest, zero_i)
                            q = If (even) <
                                then_branch = a () => (float[N] qa) { qa = Add (moved, x) },
                                else_branch = b () => (float[N] qb) { qb = Identity (moved) }
                            >
                        }
                    >
                }
            >
        }""", [[f32(5), i64(3).reshape(())], [-np.abs(f32(5)), i64(2).reshape(())]]),

    # Half-precision state.
    "loop_half": (HEAD + """
        g (float16[N] x, int64 n) => (float16[N] y, float16[S, N] all) {
            yes = Constant <value = bool {1}> ()
            y, all = Loop (n, yes, x) <
                body = b (int64 i, bool go, float16[N] s) => (bool more, float16[N] t, float16[N] u) {
                    more = Identity (go)
                    t = Add (s, x)
                    u = Sub (s, x)
                }
            >
        }""", [[f32(6).astype(np.float16), i64(3).reshape(())]]),

    # Scan along other axes, backward, and with a captured value.
    "scan_axes": (HEAD + """
        g (float[N, 4] first, float[N, T] x, float[T, N, 2] z) => (float[N, 4] s, float[N, T] y) {
            s, y = Scan (first, x, z) <
                num_scan_inputs = 2, scan_input_axes = [1, 0], scan_input_directions = [1, 0],
                scan_output_axes = [1], scan_output_directions = [1],
                body = b (float[N, 4] p, float[N] a, float[N, 2] c) => (float[N, 4] q, float[N] o) {
                    ax = Constant <value = int64[1] {1}> ()
                    column = Unsqueeze (a, ax)
                    q = Add (p, column)
                    cs = ReduceSum <keepdims = 0> (c, ax)
                    o = Mul (a, cs)
                }
            >
        }""", [[f32(3, 4), f32(3, 5), f32(5, 3, 2)], [f32(2, 4), f32(2, 1), f32(1, 2, 2)]]),

    # Functions, one calling the other, with attributes passed on.
    "functions": (HEAD + """
        g (float[N] x) => (float[N] y, float[N] z) {
            y = local.twice <slope = 0.25> (x)
            z = local.leaky <alpha = 0.5> (y)
        }
        <domain: "local", opset_import: ["" : 20, "local" : 1]>
        twice <slope> (a) => (b) {
            t = local.leaky <alpha : float = @slope> (a)
            b = Add (t, t)
        }
        <domain: "local", opset_import: ["" : 20]>
        leaky <alpha> (p) => (q) {
            q = LeakyRelu <alpha : float = @alpha> (p)
        }""", [[f32(8)]]),

    # Sequences: split, changed, joined, on both sides of a segment's end.
    "sequences": (HEAD + """
        g (float[N, 4] x, int64 k) => (float[A, 4] y, float[N, 2, 2] z, int64 length) {
            two = Constant <value = int64 {2}> ()
            pairs = SplitToSequence <axis = 1> (x, two)
            z = ConcatFromSequence <axis = 1, new_axis = 1> (pairs)
            rows = SplitToSequence <axis = 0, keepdims = 0> (x)
            zero = Constant <value = int64 {0}> ()
            first = SequenceAt (rows, zero)
            picked = SequenceAt (rows, k)
            fz = Constant <value = float {0}> ()
            above = Greater (first, fz)
            where = NonZero (above)
            flat = Squeeze (where)
            count = Size (where)
            last = Constant <value = int64 {-1}> ()
            shorter = SequenceErase (rows, last)
            longer = SequenceInsert (shorter, picked, zero)
            again = SequenceInsert (longer, first)
            y = ConcatFromSequence <axis = 0, new_axis = 1> (again)
            n = SequenceLength (again)
            length = Add (n, count)
        }""", [[f32(3, 4), i64(1).reshape(())], [f32(5, 4), i64(-2).reshape(())]]),

    # A size that depends on a large input and on nothing computed.
    "nonzero_of_input": (HEAD + """
        g (float[N] x, int64[M] u) => (int64[1, A] y, int64[B] z) {
            y = NonZero (x)
            z = Unique (u)
        }""", [[f32(3000).round(), rng.integers(0, 50, 2000)], [f32(0), i64(3)]]),
}
