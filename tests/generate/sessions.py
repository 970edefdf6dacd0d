"""Sessions with the default language model: drafts leave replies as they are; a saved session goes on as if it had
not been away, on the CPU, on the GPU and from one to the other; a full context shifts and says so; and what cannot
be loaded is refused by name."""

import random


def same_with_drafts(generate, expect):
    text = "The cat sat on the mat. The dog sat on the log. The cat sat on the mat. The dog"
    for options in ([], ["--exact"], ["--temperature", 0.8, "--seed", 3], ["--repeat-penalty", 1.1], ["--stop", "log"]):
        _, plain = generate("--prompt", text, "--max-tokens", 60, *options)
        status, drafted = generate("--prompt", text, "--max-tokens", 60, "--draft-tokens", 7, *options)
        expect(status == 0 and all(plain[key] == drafted[key] for key in ("tokens", "text", "finish_reason")), f"drafts {options}: {plain} {drafted}")
        expect(plain["draft_tokens"] == 0 and drafted["draft_tokens"] >= drafted["accepted_tokens"], f"drafts {options}: {drafted}")
    expect(generate("--prompt", text, "--max-tokens", 40, "--draft-tokens", 7)[1]["accepted_tokens"] > 0, "no draft was right")


def saved(generate, expect, folder, backends):
    prompt = "The three most important things about the sea are"
    chat = ["--chat", "--prompt", prompt, "--exact"]
    _, whole = generate(*chat, "--max-tokens", 24)
    for place in backends:
        file = folder / f"session-{place[-1]}"
        status, begun = generate(*chat, "--max-tokens", 9, "--save", file, backend=place)
        expect(status == 0 and begun["tokens"] == whole["tokens"][:9] and begun["cached_tokens"] == 0, f"saved: {begun}")
        for other in backends:
            status, rest = generate("--load", file, "--exact", "--max-tokens", 15, backend=other)
            expect(status == 0 and begun["tokens"] + rest["tokens"] == whole["tokens"], f"{place} to {other}: {begun} {rest} {whole}")
            status, again = generate(*chat, "--load", file, "--max-tokens", 24, backend=other)
            expect(status == 0 and again["tokens"] == whole["tokens"] and again["cached_tokens"] == again["prompt_tokens"] - 1,
                   f"{place} to {other}, the same prompt: {again}")
    return folder / "session-cpu"


def refused(generate, expect, folder, file):
    data = bytearray(file.read_bytes())
    bad = folder / "bad-session"
    generator = random.Random(1)
    cases = [(data[:40], "begin"), (data[:-4], "bytes"), (b"", "begin"), (data + b"0000", "bytes")]
    for _ in range(3):
        changed = bytearray(data)
        changed[generator.randrange(60, len(data))] ^= 4
        cases.append((changed, "saved session"))
    for content, reason in cases:
        bad.write_bytes(content)
        status, value = generate("--load", bad, "--prompt", "a")
        expect(status == 3 and bad.name in value and reason in value, f"{reason}: {status}, {value}")
    status, value = generate("--load", file, "--context", 8)
    expect(status == 3 and "context of 8" in value, f"context: {status}, {value}")
    for options in (["--load", folder / "nowhere", "--prompt", "a"], ["--save", folder / "nowhere/file", "--prompt", "a"]):
        status, value = generate(*options)
        expect(status == 3 and "nowhere" in value, f"{options}: {status}, {value}")
    for options in (["--keep", 4, "--prompt", "a"], ["--load", file, "--prompt", "a", "--tokens", "1"]):
        status, value = generate(*options)
        expect(status == 2, f"{options}: {status}, {value}")


def shifted(generate, expect):
    options = ["--prompt", "One, two, three, four,", "--max-tokens", 100, "--context", 64]
    status, full = generate(*options)
    expect(status == 0 and full["finish_reason"] == "length" and full["shifts"] == 0 and
           len(full["tokens"]) + full["prompt_tokens"] == 65, f"a full context: {full}")
    status, longer = generate(*options, "--shift", "--keep", 2)
    expect(status == 0 and longer["shifts"] > 0 and longer["dropped_tokens"] == 31 * longer["shifts"] and
           longer["tokens"][:len(full["tokens"])] == full["tokens"] and len(longer["tokens"]) > len(full["tokens"]), f"shifted: {longer}")
    status, value = generate("--prompt", "One, two, " * 40, "--context", 64)
    expect(status in (2, 3) and "context of 64" in value, f"a long prompt: {status}, {value}")
    status, value = generate("--prompt", "One, two, " * 40, "--context", 64, "--shift", "--max-tokens", 8)
    expect(status == 0 and value["shifts"] >= 1 and value["dropped_tokens"] >= 32, f"a long prompt, shifted: {value}")


def test(run, expect, folder, gpu):
    """run(*options, env) is brink generate; gpu: the environment in which there is one, or None."""
    def generate(*options, backend=("cpu",)):
        return run("--backend", backend[-1], *options, env=gpu if backend[-1] == "gpu" else None)
    same_with_drafts(generate, expect)
    shifted(generate, expect)
    file = saved(generate, expect, folder, [("cpu",), ("gpu",)] if gpu else [("cpu",)])
    refused(generate, expect, folder, file)
    if gpu:
        text = "The cat sat on the mat. The dog sat on the log. The cat sat on the mat. The dog"
        replies = [generate("--prompt", text, "--exact", "--max-tokens", 20, *drafts, backend=("gpu",))
                   for drafts in ([], ["--draft-tokens", 7])]
        expect(replies[0][1]["tokens"] == replies[1][1]["tokens"] and replies[1][1]["draft_tokens"] == 0, f"drafts on the GPU: {replies}")
        shifts = [generate("--prompt", text, "--exact", "--max-tokens", 60, "--context", 48, "--shift", backend=(b,)) for b in ("cpu", "gpu")]
        expect(shifts[0][1]["tokens"] == shifts[1][1]["tokens"] and shifts[1][1]["shifts"] > 0, f"shifts on the GPU: {shifts}")
