"""The `tokenizers` side of tokenizers.mjs, natively: the lines of tokenizers_brink.c.

encode_batch_fast() is its quickest form: it leaves offsets out. One thread, as on the other side.
"""

import json
import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"


def main() -> None:
    from tokenizers import Tokenizer

    texts = tokenizer = None
    print("{}", flush=True)
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        answer = {}
        if command == "load":
            tokenizer = Tokenizer.from_file(f"{argument}/tokenizer.json")
        elif command == "texts":
            with open(argument, "rb") as file:
                texts = [text.decode() for text in file.read().split(b"\0")[:-1]]
            answer = {"texts": len(texts)}
        elif command == "run":
            start = time.perf_counter()
            tokens = sum(len(e.ids) for e in tokenizer.encode_batch_fast(texts))
            answer = {"ms": (time.perf_counter() - start) * 1e3, "tokens": tokens}
        print(json.dumps(answer), flush=True)


main()
