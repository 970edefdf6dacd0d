/* tensor.ts — typed arrays and ONNX's element types. */
import { InvalidArgumentError } from "./errors.js";
import { elementTypes, maxRank } from "./layout.js";
import type { Tensor, TensorData, TensorType } from "./types.js";

/** A tensor ready for the wasm heap: the element type as ONNX numbers it, and the bytes. */
export interface RawTensor {
  name: string;
  type: number;
  shape: number[];
  bytes: Uint8Array<ArrayBuffer>;
}

const numbers = new Map<string, number>([...elementTypes].map(([n, t]) => [t.name, n]));

type ArrayClass = new (buffer: ArrayBuffer) => TensorData;
const arrayClasses: Record<TensorType, ArrayClass> = {
  float32: Float32Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  bool: Uint8Array,
  float16: Uint16Array,
  float64: Float64Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bfloat16: Uint16Array,
  uint4: Uint8Array,
  int4: Uint8Array,
};

function typeOf(name: string, tensor: Tensor): TensorType {
  if (tensor.type !== undefined) {
    if (!numbers.has(tensor.type))
      throw new InvalidArgumentError(`input "${name}": "${String(tensor.type)}" is not a tensor type`);
    return tensor.type;
  }
  const tag = Object.prototype.toString.call(tensor.data).slice(8, -1); // "Float32Array"
  const type = tag.replace(/^Big/, "").replace(/(Clamped)?Array$/, "").toLowerCase();
  if (!numbers.has(type))
    throw new InvalidArgumentError(`input "${name}": data must be a typed array, not ${tag}`);
  return type as TensorType;
}

/** Checks and copies a tensor, so that its bytes can be transferred. */
export function packTensor(name: string, tensor: Tensor): RawTensor {
  const type = typeOf(name, tensor);
  const number = numbers.get(type)!;
  const shape = [...tensor.shape];
  if (shape.length > maxRank)
    throw new InvalidArgumentError(`input "${name}": ${shape.length} dimensions, at most ${maxRank} are possible`);
  if (shape.some((n) => !Number.isSafeInteger(n) || n < 0))
    throw new InvalidArgumentError(`input "${name}": shape [${shape}] must be whole numbers from 0`);
  const elements = shape.reduce((a, b) => a * b, 1);
  const size = Math.ceil((elements * elementTypes.get(number)!.bits) / 8);
  const { data } = tensor;
  if (data.byteLength !== size)
    throw new InvalidArgumentError(
      `input "${name}": ${type} of shape [${shape}] takes ${size} bytes, the data has ${data.byteLength}`,
    );
  const bytes = new Uint8Array(size);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, size));
  return { name, type: number, shape, bytes };
}

export function unpackTensor(raw: RawTensor): { name: string; type: TensorType; shape: number[]; data: TensorData } {
  const type = elementTypes.get(raw.type)?.name ?? "uint8";
  return { name: raw.name, type, shape: raw.shape, data: new arrayClasses[type](raw.bytes.buffer) };
}
