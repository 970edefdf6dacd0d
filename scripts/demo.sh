#!/usr/bin/env bash
# make demo, last part: a language model answers in the terminal, then in a headless browser tab.
# The tab gets the same prompt and says whether its tokens are the same; a picture of it is saved.
# Both compute in f32 (--exact): with 8-bit activations a rounding that differs in the last bit may
# tip a token. What the terminal printed with --json is in build/demo-tokens.json.
set -euo pipefail
cd "$(dirname "$0")/.."
model=${BRINK_MODELS:-build/models}/smollm2
prompt=${DEMO_PROMPT:-Why is the sky blue? Answer in two sentences.}
max_tokens=${DEMO_TOKENS:-64}

(cd web && npm run --silent build)

printf '\n── in the terminal ──────────────────────────────────────\n%s\n\n' "$prompt"
build/brink generate "$model" --chat --exact --prompt "$prompt" --max-tokens "$max_tokens" \
    --json --quiet >build/demo-tokens.json
.venv/bin/python - "$prompt" "$max_tokens" <<'PYTHON'
import json, sys
path = "build/demo-tokens.json"
with open(path) as file:
    result = json.load(file)
print(result["text"].strip())
print(f"\n{len(result['tokens'])} tokens; prefill {result['prefill_tokens_per_s']:.0f} tokens/s, "
      f"decode {result['decode_tokens_per_s']:.0f} tokens/s, "
      f"first token after {result['first_token_ms']:.0f} ms")
result.update(prompt=sys.argv[1], max_tokens=int(sys.argv[2]))
with open(path, "w") as file:
    json.dump(result, file)
PYTHON

printf '\n── in a browser tab ─────────────────────────────────────\n'
exec node web/demo/run.mjs --chat --exact --max-tokens "$max_tokens" \
    --tokens-file build/demo-tokens.json --screenshot build/demo.png
