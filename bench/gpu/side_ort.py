"""onnxruntime's side: python side_ort.py FOLDER [--capture], answers with one line of JSON.

onnxruntime-genai runs the folder with the plug-in provider of onnxruntime-ep-webgpu. Prefill ends with
the first token chosen. Decode is timed from the fifth token on: capturing the graph, which a new
generator does anew, is not counted.
"""

import json
import random
import time

import onnxruntime_ep_webgpu as plugin
import onnxruntime_genai as og
from options import side_options

o = side_options()
SKIPPED = 4
start = time.perf_counter()
og.register_execution_provider_library("webgpu", plugin.get_library_path())
config = og.Config(o.model)
config.clear_providers()
config.append_provider("webgpu")
config.set_provider_option("webgpu", "enableGraphCapture", "1" if o.capture else "0")
config.set_provider_option("webgpu", "validationMode", "disabled")
model = og.Model(config)
load_ms = (time.perf_counter() - start) * 1e3
vocabulary = json.loads(open(f"{o.model}/config.json").read())["vocab_size"]
rng = random.Random(1)


def generate(prompt, tokens):
    """(seconds to the first token, seconds of each token after it)"""
    parameters = og.GeneratorParams(model)
    length = prompt + tokens + 1
    # max_length fixes the length of the cache; min_length keeps an end token from ending it early
    parameters.set_search_options(do_sample=False, max_length=o.context, min_length=length)
    generator = og.Generator(model, parameters)
    ids = [rng.randrange(vocabulary) for _ in range(prompt)]
    start = time.perf_counter()
    generator.append_tokens(ids)
    generator.generate_next_token()
    generator.get_next_tokens()
    first = time.perf_counter() - start
    steps = []
    for _ in range(tokens):
        start = time.perf_counter()
        generator.generate_next_token()
        steps.append(time.perf_counter() - start)
    return first, steps


def run(prompt, tokens):
    first, steps = generate(prompt, tokens)
    return (first + sum(steps)) * 1e3


answer = {"load_ms": load_ms, "first_ms": run(o.short, 1), "prefill": [], "decode": []}
run(o.short, 4)
answer["steady_ms"] = run(o.short, 1)
for i in range(o.repeat + 1):
    first, _ = generate(o.prompt, 0)
    _, steps = generate(o.short, o.tokens + SKIPPED)
    if i:  # the first is to warm up
        answer["prefill"].append(o.prompt / first)
        answer["decode"].append(o.tokens / sum(steps[SKIPPED:]))
print(json.dumps(answer))
