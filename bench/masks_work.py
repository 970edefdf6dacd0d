"""What masks.mjs measures over: schemas, and documents of theirs in SmolLM2's tokens.

    python masks_work.py TOKENIZER OUT

A JSON object a line: {"name", "schema" (text), "ids": [[ID…]…]}. The schemas are those of
tests/schema with examples and the first ones of tests/schema/published.py; a document is tokenised
as the model's own tokenizer does it, in one line and indented by one.
"""

import json
import sys
from pathlib import Path

from tokenizers import Tokenizer

TESTS = Path(__file__).resolve().parent.parent / "tests" / "schema"
PUBLISHED = 140
sys.path.insert(0, str(TESTS))
from published import documents, published  # noqa: E402


def main(tokenizer: str, out: str) -> None:
    tokens = Tokenizer.from_file(tokenizer)
    work = [(case["name"], case["schema"], case["examples"])
            for case in json.loads((TESTS / "schemas.json").read_text(encoding="utf-8"))
            if "examples" in case]
    work += [(name, schema, documents(schema, 2)) for name, schema in published(PUBLISHED)]
    with open(out, "w", encoding="utf-8") as file:
        for name, schema, instances in work:
            texts = [text for one in instances for text in
                     (json.dumps(one, ensure_ascii=False), json.dumps(one, ensure_ascii=False, indent=1))]
            ids = [tokens.encode(text, add_special_tokens=False).ids for text in texts]
            if ids:
                file.write(json.dumps({"name": name, "schema": json.dumps(schema), "ids": ids}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
