"""Recurrent networks, attention, signals: operators along a sequence."""

import numpy as np

from cases import F32, generator

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FUNCTIONS = ["Sigmoid", "Tanh", "Relu", "HardSigmoid", "Softsign", "Elu", "LeakyRelu",
             "ThresholdedRelu", "Softplus", "Affine", "ScaledTanh"]


@generator("RNN", "GRU", "LSTM")
def recurrent(g):
    schema = g.version()
    op, gates = g.op, GATES[g.op]
    steps, batch, size = g.int(1, 6), g.int(1, 3), g.int(1, 9)
    hidden = g.pick([1, 2, 3, 5, 8, 9, 16])
    way = g.pick(["forward", "reverse", "bidirectional"])
    d = 2 if way == "bidirectional" else 1
    rows = False    # batch first: neither reference has it
    state = (batch, d, hidden) if rows else (d, batch, hidden)

    def maybe(p, *shape):
        return g.floats(shape, scale=0.7, special=0) if g.chance(p) else None
    # mild, as Relu in a loop soon overflows, and to what is open
    inputs = [g.mild(*((batch, steps, size) if rows else (steps, batch, size))),
              g.floats((d, gates * hidden, size), scale=0.5, special=0),
              g.floats((d, gates * hidden, hidden), scale=0.5, special=0),
              maybe(0.6, d, 2 * gates * hidden),
              g.ints((batch,), np.int32, 1, steps) if g.chance(0.3) else None,
              maybe(0.4, *state)]
    if op == "LSTM":
        inputs += [maybe(0.4, *state), maybe(0.3, d, 3 * hidden)]
    more = {"hidden_size": hidden}
    if way != "forward" or g.chance(0.3):
        more["direction"] = way
    if rows:
        more["layout"] = 1
    if g.chance(0.15):
        more["clip"] = 0.5
    if op == "GRU" and g.chance(0.5):
        more["linear_before_reset"] = g.int(0, 1)
    if op == "LSTM" and g.chance(0.1):
        more["input_forget"] = 1
    if g.chance(0.2):
        each = {"RNN": 1, "GRU": 2, "LSTM": 3}[op]
        # an unbounded gate makes a recurrence grow without bound, where any two sums part
        more["activations"] = [g.pick(["Sigmoid", "Tanh", "Softsign", "HardSigmoid"])
                               for _ in range(each * d)]
    outputs = g.pick([[0], [0, 1], [1]] + ([[0, 1, 2], [1, 2], [2]] if op == "LSTM" else []))
    return g.case(op, inputs, more, outputs, rtol=1e-4, atol=1e-5)


@generator("Attention")
def attention(g):
    schema = g.version()
    b, q_heads = g.int(1, 2), g.pick([1, 2, 4, 6])
    kv_heads = g.pick([h for h in (1, 2, 3, 6, 4) if q_heads % h == 0])
    d, dv = g.pick([4, 8, 16]), g.pick([4, 8, 16])
    rows, keys, past = g.int(1, 6), g.int(1, 7), 0
    more = {}
    flat = g.chance(0.5)
    if flat:
        more |= {"q_num_heads": q_heads, "kv_num_heads": kv_heads}
        inputs = [g.mild(b, rows, q_heads * d),
                  g.mild(b, keys, kv_heads * d),
                  g.mild(b, keys, kv_heads * dv)]
    else:
        inputs = [g.mild(b, q_heads, rows, d),
                  g.mild(b, kv_heads, keys, d),
                  g.mild(b, kv_heads, keys, dv)]
    outputs = 1
    with_past = g.chance(0.35)
    if with_past:
        past = g.int(1, 5)
        outputs = 3
    mask = None
    if g.chance(0.5):
        lead = g.pick([(), (1,), (b,), (b, 1), (1, q_heads), (b, q_heads)])
        if len(lead) == 1:
            lead = (1, *lead) if lead == (1,) else (b, 1)
        shape = (*lead, rows, past + keys)
        if g.chance(0.5):
            mask = g.bools(shape)
            mask[..., 0] = True     # a row with nothing to look at has no defined result
        else:
            mask = g.floats(shape, scale=1.0, special=0)
    inputs.append(mask)
    if with_past:
        inputs += [g.mild(b, kv_heads, past, d),
                   g.mild(b, kv_heads, past, dv)]
    if g.chance(0.3):
        more["is_causal"] = 1
    if g.chance(0.3):
        more["scale"] = g.pick([0.3, 1.0])
    if g.chance(0.3):
        more["softcap"] = g.pick([1.0, 5.0])
    if outputs == 3 and g.chance(0.3):
        more["qk_matmul_output_mode"] = g.int(0, 3)
        outputs = 4
    return g.case("Attention", inputs, more, outputs, rtol=5e-5, atol=1e-5)


@generator("RotaryEmbedding")
def rotary(g):
    g.version()
    b, heads, rows = g.int(1, 2), g.int(1, 3), g.int(1, 5)
    size = g.pick([4, 8, 16])
    turn = g.pick([0, 0, size // 2])
    half = (turn or size) // 2
    flat = g.chance(0.5)
    more = g.attributes(interleaved=g.int(0, 1))
    if turn:
        more["rotary_embedding_dim"] = turn
    if flat:
        more["num_heads"] = heads
        x = g.floats((b, rows, heads * size), special=0)
    else:
        x = g.floats((b, heads, rows, size), special=0)
    if g.chance(0.5):
        top = g.int(rows, 12)
        inputs = [x, g.floats((top, half), special=0), g.floats((top, half), special=0),
                  g.ints((b, rows), np.int64, 0, top - 1)]
    else:
        inputs = [x, g.floats((b, rows, half), special=0), g.floats((b, rows, half), special=0)]
    return g.case("RotaryEmbedding", inputs, more, rtol=2e-5, atol=1e-6)


@generator("HannWindow", "HammingWindow", "BlackmanWindow")
def window(g):
    g.version()
    # a symmetric window of one point divides 0 by 0
    return g.case(g.op, [np.array(g.int(2, 60), np.int64)], g.attributes(periodic=g.int(0, 1)),
                  rtol=1e-5, atol=1e-6)


@generator("DFT")
def dft(g):
    schema = g.version()
    shape = [g.int(1, 3), *(g.int(1, 12) for _ in range(g.int(1, 2))), g.int(1, 2)]
    axis = g.int(1, len(shape) - 2)
    inverse = g.int(0, 1)
    onesided = int(not inverse and shape[-1] == 1 and g.chance(0.4))
    x = g.floats(shape, special=0)
    length = np.array(g.int(1, 14), np.int64) if g.chance(0.3) else None
    more = {"inverse": inverse, "onesided": onesided}
    if schema.since_version >= 20:
        return g.case("DFT", [x, length, np.array(axis, np.int64)], more, rtol=1e-4, atol=1e-4)
    return g.case("DFT", [x, length], {"axis": axis, **more}, rtol=1e-4, atol=1e-4)


@generator("STFT")
def stft(g):
    g.version()
    frame = g.int(2, 16)
    x = g.floats((g.int(1, 2), g.int(frame, 60), 1), special=0)
    with_window = g.chance(0.6)
    return g.case("STFT", [x, np.array(g.int(1, 8), np.int64),
                           g.floats((frame,), special=0) if with_window else None,
                           np.array(frame, np.int64) if not with_window or g.chance(0.5) else None],
                  g.attributes(onesided=g.int(0, 1)), rtol=1e-4, atol=1e-4)


@generator("MelWeightMatrix")
def mel(g):
    g.version()
    low = float(g.int(0, 300))
    return g.case("MelWeightMatrix", [
        np.array(g.int(1, 10), np.int64), np.array(g.pick([16, 64, 128, 400]), np.int64),
        np.array(g.pick([8000, 16000]), np.int64), np.array(low, np.float32),
        np.array(low + g.int(500, 3500), np.float32)], rtol=1e-4, atol=1e-4)
