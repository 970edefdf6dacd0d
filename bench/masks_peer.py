"""The peers' side of masks.mjs: the lines of tests/schema/driver.c's `time`.

    python masks_peer.py llguidance|xgrammar TOKENIZER

The first line out is {"version"}, or {"missing": why}. Then for each {"schema", "ids"} a line
{"compile_us", "masks": [microseconds]}, or {"error"}. All of it in this thread's processor time. What
it takes to look a token up in the mask, and Python's own fraction of a microsecond a call, are in.
"""

import importlib.metadata
import json
import sys
import time

import numpy as np


class Refused(Exception):
    pass


class LLGuidance:
    def __init__(self, tokenizer):
        import llguidance
        import llguidance.numpy

        self.library, self.fill = llguidance, llguidance.numpy.fill_next_token_bitmask
        self.tokenizer = llguidance.LLTokenizer(
            open(tokenizer, encoding="utf-8").read(), slices=llguidance.LLTokenizer.json_slices())
        self.bits = llguidance.numpy.allocate_token_bitmask(1, self.tokenizer.vocab_size)

    def compile(self, schema):
        grammar = self.library.LLMatcher.grammar_from_json_schema(schema)
        self.matcher = self.library.LLMatcher(self.tokenizer, grammar)
        if self.matcher.is_error():
            raise Refused(self.matcher.get_error())

    def begin(self):
        self.matcher.reset()

    def mask(self):
        self.fill(self.matcher, self.bits, 0)

    def take(self, token):
        return self.matcher.consume_token(token)


class XGrammar:
    def __init__(self, tokenizer):
        import xgrammar
        from transformers import PreTrainedTokenizerFast

        self.library = xgrammar
        tokens = PreTrainedTokenizerFast(tokenizer_file=tokenizer)
        info = xgrammar.TokenizerInfo.from_huggingface(tokens, stop_token_ids=[2])
        self.compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
        self.bitmask = xgrammar.allocate_token_bitmask(1, info.vocab_size)
        self.bits = self.bitmask.numpy()

    def compile(self, schema):
        try:
            compiled = self.compiler.compile_json_schema(schema, strict_mode=False)
        except RuntimeError as error:
            raise Refused(str(error)) from error
        self.matcher = self.library.GrammarMatcher(compiled)

    def begin(self):
        self.matcher.reset()

    def mask(self):
        self.matcher.fill_next_token_bitmask(self.bitmask)

    def take(self, token):
        return self.matcher.accept_token(token)


def measure(peer, request):
    start = time.thread_time_ns()
    peer.compile(request["schema"])
    compiled = (time.thread_time_ns() - start) / 1e3
    masks = []
    for ids in request["ids"]:
        peer.begin()
        for token in ids:
            start = time.thread_time_ns()
            peer.mask()
            masks.append((time.thread_time_ns() - start) / 1e3)
            allowed = int(np.uint32(peer.bits[0][token >> 5])) >> (token & 31) & 1
            if not allowed or not peer.take(token):
                raise Refused("a document is refused")
    return {"compile_us": compiled, "masks": masks}


def main(name, tokenizer):
    try:
        peer = {"llguidance": LLGuidance, "xgrammar": XGrammar}[name](tokenizer)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), flush=True)
        return
    print(json.dumps({"version": importlib.metadata.version(name)}), flush=True)
    for line in sys.stdin:
        try:
            answer = measure(peer, json.loads(line))
        except (Refused, ValueError) as error:
            answer = {"error": str(error).splitlines()[0][:200]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
