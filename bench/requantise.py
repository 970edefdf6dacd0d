"""Other quantisations of a GGUF file, so that a peer can be measured with the one that suits it.

    python requantise.py FILE.gguf TYPE…        (TYPE: q4_0, q8_0)

leaves FILE-TYPE.gguf beside it: every matrix of 4 or 5 bits a weight is dequantised and quantised
again as TYPE, everything else (embedding, norms, metadata) is carried over as it is. llama.cpp has
repacked products for Q4_0 and Q8_0, and for Q4_1 in fewer builds. Speed is what these files are
for; a matrix that was quantised twice is less accurate than one that was quantised once.
"""

import sys
from pathlib import Path

import gguf
from gguf import GGMLQuantizationType as Type

SMALL = {Type.Q4_0, Type.Q4_1, Type.Q4_K, Type.Q5_0, Type.Q5_1, Type.Q5_K}


def requantise(source: Path, kind: Type, target: Path) -> None:
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        data, type_ = tensor.data, tensor.tensor_type
        if type_ in SMALL and len(tensor.shape) == 2:
            values = gguf.quants.dequantize(data, type_)
            data, type_ = gguf.quants.quantize(values, kind), kind
        writer.add_tensor(tensor.name, data, raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(source: str, *kinds: str) -> int:
    path = Path(source)
    for kind in kinds:
        target = path.with_name(f"{path.stem}-{kind}.gguf")
        if target.exists() and target.stat().st_mtime >= path.stat().st_mtime:
            continue
        print(f"bench: making {target.name}", file=sys.stderr)
        part = target.with_suffix(".part")
        requantise(path, Type[kind.upper()], part)
        part.rename(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
