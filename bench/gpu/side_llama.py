"""llama.cpp's side: python side_llama.py FOLDER MODEL.gguf PROMPT… , answers with one line of JSON.

FOLDER holds the libraries of npm's @node-llama-cpp/linux-x64-vulkan. The two structures of
parameters are taken by value at the end of the arguments, so a buffer longer than they are serves for
them: their defaults put every layer on the GPU, and only n_ctx, the first member of the second, is
changed. What came of that is checked in the log and by llama_n_ctx.

Timed is llama_decode to the end of llama_synchronize, with tokens chosen beforehand: no choosing of
tokens is counted.
"""

import ctypes
import json
import random
import re
import sys
import time
from pathlib import Path

from options import side_options


class Parameters(ctypes.Structure):
    _fields_ = [("words", ctypes.c_uint32 * 128)]


class Batch(ctypes.Structure):  # 56 bytes; longer does no harm
    _fields_ = [("words", ctypes.c_uint64 * 16)]


LOG = []


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def keep(_level, text, _data):
    LOG.append(text.decode(errors="replace"))


def only(folder, pattern):
    found = sorted(folder.glob(pattern))
    if not found:
        sys.exit(f"{folder}: there is no {pattern}")
    return found[0]


def declare(library, name, result, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


def main():
    o = side_options("folder")
    folder, pointer, whole = Path(o.folder), ctypes.c_void_p, ctypes.c_int32
    ctypes.CDLL(only(folder, "libggml-base.so"), ctypes.RTLD_GLOBAL)
    ggml = ctypes.CDLL(only(folder, "libggml.*.so"), ctypes.RTLD_GLOBAL)
    llama = ctypes.CDLL(only(folder, "libllama.*.so"), ctypes.RTLD_GLOBAL)
    start = time.perf_counter()
    declare(llama, "llama_log_set", None, type(keep), pointer)(keep, None)
    declare(ggml, "ggml_backend_load_all_from_path", None, ctypes.c_char_p)(bytes(folder))
    model_parameters = declare(llama, "llama_model_default_params", Parameters)()
    parameters = declare(llama, "llama_context_default_params", Parameters)()
    if list(parameters.words[1:4]) != [2048, 512, 1]:  # n_batch, n_ubatch, n_seq_max
        sys.exit(f"llama_context_params begins {list(parameters.words[:8])}: not as expected")
    parameters.words[0] = o.context
    model = declare(llama, "llama_model_load_from_file", pointer, ctypes.c_char_p, Parameters)(
        str(o.model).encode(), model_parameters)
    if not model:
        sys.exit("".join(LOG[-20:]))
    context = declare(llama, "llama_init_from_model", pointer, pointer, Parameters)(
        model, parameters)
    if not context:
        sys.exit("".join(LOG[-20:]))
    load_ms = (time.perf_counter() - start) * 1e3
    if declare(llama, "llama_n_ctx", ctypes.c_uint32, pointer)(context) < o.context:
        sys.exit("the context is shorter than what was asked for")
    log = "".join(LOG)
    layers = re.findall(r"offloaded (\d+)/(\d+) layers to GPU", log)
    if not layers or layers[-1][0] != layers[-1][1]:
        sys.exit(f"not all layers are on the GPU: {layers}")

    ids = declare(llama, "llama_batch_get_one", Batch, ctypes.POINTER(whole), whole)
    decode = declare(llama, "llama_decode", whole, pointer, Batch)
    wait = declare(llama, "llama_synchronize", None, pointer)
    memory = declare(llama, "llama_get_memory", pointer, pointer)(context)
    clear = declare(llama, "llama_memory_clear", None, pointer, ctypes.c_bool)
    vocab = declare(llama, "llama_model_get_vocab", pointer, pointer)(model)
    count = declare(llama, "llama_vocab_n_tokens", whole, pointer)(vocab)
    rng = random.Random(1)

    def step(number):
        tokens = (whole * number)(*(rng.randrange(count) for _ in range(number)))
        if decode(context, ids(tokens, number)) != 0:
            sys.exit("llama_decode failed: " + "".join(LOG[-5:]))
        wait(context)

    def timed(*numbers):
        start = time.perf_counter()
        for number in numbers:
            step(number)
        return time.perf_counter() - start

    clear(memory, True)
    first_ms = timed(o.short, 1) * 1e3
    answer = {"load_ms": load_ms, "first_ms": first_ms, "prefill": [], "decode": []}
    timed(*[1] * 4)
    clear(memory, True)
    answer["steady_ms"] = timed(o.short, 1) * 1e3
    for i in range(o.repeat + 1):
        clear(memory, True)
        prefill = timed(o.prompt)
        clear(memory, True)
        timed(o.short)
        took = timed(*[1] * o.tokens)
        if i:  # the first is to warm up
            answer["prefill"].append(o.prompt / prefill)
            answer["decode"].append(o.tokens / took)
    device = re.findall(r"ggml_vulkan: \d+ = (.*)", "".join(LOG))
    answer["device"] = device[0].strip() if device else ""
    print(json.dumps(answer))


main()
