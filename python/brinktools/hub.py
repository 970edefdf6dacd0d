"""Models from the hub, for users who are online: hub:org/name[@revision] over plain HTTPS.

The host is HF_ENDPOINT. A repository with ONNX graphs is taken as it is (of several precisions one
is chosen, see `choose`); one with safetensors only is converted to q4. Sums that the hub
publishes are checked; files without one are checked by length.
"""

import json
import os
import re
import socket
import urllib.error
import urllib.parse
import urllib.request

from .convert import convert_into
from .errors import BrinkError, UsageError
from .fetch import check_sum

TIMEOUT_S = 30
SIDE_FILES = re.compile(
    r"^(config|genai_config|generation_config|tokenizer|tokenizer_config|special_tokens_map|"
    r"preprocessor_config|processor_config|modules|sentence_bert_config|added_tokens|"
    r"streaming_config|chat_template)\.json$|^(vocab\.txt|vocab\.json|merges\.txt|"
    r"tokenizer\.model|chat_template\.jinja|1_Pooling/config\.json|LICEN[CS]E.*|NOTICE.*)$")
SUFFIXES = ("_q4", "_int8", "_quantized", "_uint8", "", "_fp16", "_q4f16", "_bnb4")  # best first


def endpoint():
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def parse(name):
    """The manifest entry that stands for hub:org/name[@revision]."""
    found = re.fullmatch(r"hub:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", name)
    if not found or ".." in name:
        raise UsageError(f"{name}: expected hub:org/name or hub:org/name@revision")
    return {"name": name, "hub": found[1], "revision": found[2] or "main", "kind": "hub",
            "purpose": "a model from the hub", "licence": "see the model's page"}


def _open(url, title):
    request = urllib.request.Request(url, headers={"User-Agent": "brinktools"})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        reason = {401: "the hub asks for a login", 403: "the hub refuses access",
                  404: "not found on the hub"}.get(error.code, f"the hub answers {error.code}")
        raise BrinkError(f"{title}: {reason}") from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, socket.timeout):
            reason = "timed out"
        raise BrinkError(f"{title}: no network, or {endpoint()} does not answer ({reason})"
                         ) from None


def listing(entry):
    """Every file of the repository: name to its size and sha256, where the hub says."""
    quoted = urllib.parse.quote(entry["revision"], safe="")
    url = f"{endpoint()}/api/models/{entry['hub']}/revision/{quoted}?blobs=true"
    try:
        with _open(url, entry["name"]) as reply:
            value = json.load(reply)
        files = {item["rfilename"]: (item.get("size"), (item.get("lfs") or {}).get("sha256"))
                 for item in value["siblings"]}
    except (ValueError, KeyError, TypeError, OSError):
        raise BrinkError(f"{entry['name']}: the hub's list of files cannot be read") from None
    tags = (value.get("cardData") or {}).get("license")
    return files, value.get("sha"), tags


def choose(names):
    """Which files to fetch: side files, and one precision of each graph, or the safetensors."""
    chosen = [name for name in names if SIDE_FILES.match(name)]
    graphs = [name for name in names if name.endswith(".onnx") and "/" not in name]
    if not graphs:
        stems = {}
        for name in names:
            if name.startswith("onnx/") and name.endswith(".onnx"):
                base = name.removeprefix("onnx/").removesuffix(".onnx")
                suffix = max((s for s in SUFFIXES if s and base.endswith(s)), key=len, default="")
                stems.setdefault(base.removesuffix(suffix), set()).add(suffix)
        if "decoder_model_merged" in stems:
            for part in ("decoder_model", "decoder_with_past_model"):
                stems.pop(part, None)
        graphs = [f"onnx/{stem}{min(found, key=SUFFIXES.index)}.onnx"
                  for stem, found in sorted(stems.items())]
    if not graphs:
        return chosen + [name for name in names
                         if name.endswith(".safetensors") and "/" not in name], False
    data = [name for name in names if any(name.startswith((g + ".data", g + "_data"))
                                          for g in graphs)]
    return chosen + graphs + data, True


def install(entry, stage, work):
    files, commit, licence = listing(entry)
    for name in files:
        if name.startswith("/") or ".." in name.split("/"):
            raise BrinkError(f"{entry['name']}: the hub lists a file named {name}")
    chosen, ready = choose(list(files))
    if not ready and not any(name.endswith(".safetensors") for name in chosen):
        raise BrinkError(f"{entry['name']}: has neither ONNX graphs nor safetensors")
    target = stage if ready else work
    for name in chosen:
        _fetch(entry, commit or entry["revision"], name, *files[name], target / name)
    if not ready:
        convert_into(work, stage, "q4")
    entry["licence"] = licence or entry["licence"]
    return [f"hub: {entry['hub']} at {commit or entry['revision']}"]


def _fetch(entry, revision, name, size, digest, path):
    title = f"{entry['name']}: {name}"
    url = (f"{endpoint()}/{entry['hub']}/resolve/{urllib.parse.quote(revision, safe='')}/"
           f"{urllib.parse.quote(name)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open(url, title) as reply:
        try:
            with open(path, "wb") as out:
                while chunk := reply.read(1 << 20):
                    out.write(chunk)
        except OSError as error:
            raise BrinkError(f"{title}: {error.strerror or error}") from None
    found = path.stat().st_size
    if size is not None and found != size:
        raise BrinkError(f"{title}: {found} bytes came of {size}")
    if digest:
        check_sum(path, digest, title)
