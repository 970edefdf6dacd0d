/* webgpu.ts — the functions of webgpu.h that the engine calls, over the browser's WebGPU, and those of
   src/gpu/api.h: a list of dispatches in one call, and how long each took.

   Objects are known to C by number: an index into a list whose free places are used again. What the
   browser answers later (promises, errors, a loss) is queued and told when C calls
   wgpuInstanceProcessEvents, so a callback never runs in the midst of anything else; `onAnswer` is called
   when something was queued. Nothing here throws into C: what the browser refuses at once becomes the
   device's error, and the object 0.

   Invariant: an instance that was released, and a device that was, hear nothing more; a buffer that is
   unmapped or destroyed while it is being mapped is answered for there and then, and once. */
import { Heap, type HeapExports } from "./heap.js";
import { at, is } from "./webgpu_layout.js";

export interface WebGpuExports extends HeapExports {
  __indirect_function_table: WebAssembly.Table;
}

/** A function of C with its two user pointers. */
interface Callback {
  entry: number;
  user: [number, number];
}
interface Instance {
  open: boolean;
  due: (() => void)[];
}
interface Adapter {
  instance: Instance;
  gpu: GPUAdapter;
}
interface Device {
  instance: Instance;
  gpu: GPUDevice;
  open: boolean;
  onError: Callback;
  /** What `time` measured: nanoseconds of each dispatch, and how many answers have yet to come. */
  times: number[];
  measuring: number;
}
interface Queue {
  instance: Instance;
  gpu: GPUQueue;
}
interface Buffer {
  instance: Instance;
  gpu: GPUBuffer;
  /** Being mapped: whom to tell. */
  waiting: Callback | undefined;
  /** A copy of the mapped range in the heap, or 0. */
  copy: number;
}

const features: Record<number, GPUFeatureName> = {
  [is.WGPUFeatureName_TimestampQuery]: "timestamp-query",
  [is.WGPUFeatureName_ShaderF16]: "shader-f16",
  [is.WGPUFeatureName_Subgroups]: "subgroups",
};
const bindings: Record<number, GPUBufferBindingType> = {
  [is.WGPUBufferBindingType_Uniform]: "uniform",
  [is.WGPUBufferBindingType_Storage]: "storage",
  [is.WGPUBufferBindingType_ReadOnlyStorage]: "read-only-storage",
};
const preferences: Record<number, GPUPowerPreference> = {
  [is.WGPUPowerPreference_LowPower]: "low-power",
  [is.WGPUPowerPreference_HighPerformance]: "high-performance",
};
const errors: Record<string, number> = {
  GPUValidationError: is.WGPUErrorType_Validation,
  GPUOutOfMemoryError: is.WGPUErrorType_OutOfMemory,
  GPUInternalError: is.WGPUErrorType_Internal,
};
const limits = Object.entries(at.WGPULimits) as [keyof typeof at.WGPULimits & keyof GPUSupportedLimits, number][];
const wide = new Set<string>(["maxUniformBufferBindingSize", "maxStorageBufferBindingSize", "maxBufferSize"]);
const undefinedLength = 0xffffffff;
const undefined32 = 0xffffffff;
const undefined64 = 0xffffffffffffffffn;

/** Adapters that compute on a CPU and do not always say so. */
const software = /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i;

const encoder = new TextEncoder();
const text = (error: unknown) => (error instanceof Error ? error.message : String(error));

export class WebGpu {
  /** The functions, for WebAssembly.instantiate(). */
  readonly imports: WebAssembly.ModuleImports;
  /** Answers that have yet to come. */
  pending = 0;
  #gpu: GPU | undefined;
  #onAnswer: () => void;
  #objects: unknown[] = [undefined]; // 0 is NULL
  #free: number[] = [];
  #heap!: Heap;
  #exports!: WebGpuExports;

  constructor(gpu: GPU | undefined, onAnswer: () => void) {
    this.#gpu = gpu;
    this.#onAnswer = onAnswer;
    this.imports = { ...this.#instances(), ...this.#adapters(), ...this.#devices(), ...this.#buffers(), ...this.#releases() };
  }

  /** Called with what the module exports before anything of it runs. */
  attach(memory: WebAssembly.Memory, exports: WebGpuExports): void {
    this.#exports = exports;
    this.#heap = new Heap(memory, exports);
  }

  /** Objects that C holds. */
  get held(): number {
    return this.#objects.length - 1 - this.#free.length;
  }

  /* ── Objects and text ── */

  #keep(object: unknown): number {
    const index = this.#free.pop() ?? this.#objects.length;
    this.#objects[index] = object;
    return index;
  }
  #get<T>(index: number): T {
    return this.#objects[index] as T;
  }
  #drop(index: number): void {
    if (index === 0) return;
    this.#objects[index] = undefined;
    this.#free.push(index);
  }

  #u32(pointer: number): number {
    return this.#heap.u32(pointer);
  }
  /** The text of a WGPUStringView. */
  #text(view: number): string {
    const data = this.#u32(view + at.WGPUStringView.data);
    const length = this.#u32(view + at.WGPUStringView.length);
    return length === undefinedLength ? this.#heap.text(data) : this.#heap.decode(data, data + length);
  }
  #callback(info: number, layout: { callback: number; userdata1: number; userdata2: number }): Callback {
    return {
      entry: this.#u32(info + layout.callback),
      user: [this.#u32(info + layout.userdata1), this.#u32(info + layout.userdata2)],
    };
  }

  /* ── Answers ── */

  /** Queues the call of a callback with what comes before its message. */
  #tell(instance: Instance, { entry, user }: Callback, before: number[], message = ""): void {
    if (!instance.open || entry === 0) return;
    instance.due.push(() => {
      const bytes = encoder.encode(message);
      const view = this.#exports.malloc(8 + bytes.length) >>> 0;
      if (view === 0) return;
      this.#heap.bytes.set(bytes, view + 8);
      this.#heap.setU32(view + at.WGPUStringView.data, view + 8);
      this.#heap.setU32(view + at.WGPUStringView.length, bytes.length);
      (this.#exports.__indirect_function_table.get(entry) as (...args: number[]) => void)(...before, view, ...user);
      this.#exports.free(view);
    });
    this.#onAnswer();
  }

  /** Waits for a promise of the browser's. `onAnswer` hears of it also where nobody is told any more. */
  #await<T>(promise: Promise<T>, done: (value: T) => void, failed: (message: string) => void): void {
    const settled = () => {
      this.pending--;
      this.#onAnswer();
    };
    this.pending++;
    promise.then(
      (value) => (settled(), done(value)),
      (error: unknown) => (settled(), failed(text(error))),
    );
  }

  /** Makes an object of a device; 0 and an error of the device where the browser refuses. */
  #make(device: Device, make: (gpu: GPUDevice) => unknown): number {
    try {
      return this.#keep(make(device.gpu));
    } catch (error) {
      this.#tell(device.instance, device.onError, [0, is.WGPUErrorType_Validation], text(error));
      return 0;
    }
  }

  /* ── Functions of webgpu.h. Pointers and sizes come signed: >>> 0; a WGPUFuture is a bigint. ── */

  #instances() {
    return {
      wgpuCreateInstance: (): number => this.#keep({ open: true, due: [] } satisfies Instance),
      wgpuInstanceProcessEvents: (index: number): void => {
        for (const call of this.#get<Instance>(index).due.splice(0)) call();
      },
      wgpuInstanceRelease: (index: number): void => {
        const instance = this.#get<Instance>(index);
        instance.open = false;
        instance.due = [];
        this.#drop(index);
      },
      wgpuInstanceRequestAdapter: (index: number, options: number, info: number): bigint => {
        const instance = this.#get<Instance>(index);
        const callback = this.#callback(info >>> 0, at.WGPURequestAdapterCallbackInfo);
        const { powerPreference, forceFallbackAdapter } = at.WGPURequestAdapterOptions;
        const wanted: GPURequestAdapterOptions = {};
        if (options !== 0) {
          const preference = preferences[this.#u32((options >>> 0) + powerPreference)];
          if (preference) wanted.powerPreference = preference;
          wanted.forceFallbackAdapter = this.#u32((options >>> 0) + forceFallbackAdapter) !== 0;
        }
        const none = (message: string) => this.#tell(instance, callback, [is.WGPURequestAdapterStatus_Unavailable, 0], message);
        if (!this.#gpu) {
          none("there is no WebGPU here");
          return 0n;
        }
        this.#await(
          this.#gpu.requestAdapter(wanted),
          (gpu) => {
            if (!gpu) none("WebGPU has no adapter here");
            else if (instance.open)
              this.#tell(instance, callback, [is.WGPURequestAdapterStatus_Success, this.#keep({ instance, gpu } satisfies Adapter)]);
          },
          (message) => this.#tell(instance, callback, [is.WGPURequestAdapterStatus_Error, 0], message),
        );
        return 0n;
      },
    };
  }

  #adapters() {
    return {
      /* The texts lie in one block, which `vendor` begins. */
      wgpuAdapterGetInfo: (index: number, out: number): number => {
        const { info } = this.#get<Adapter>(index).gpu;
        const { vendor, architecture, device, description } = info;
        const generic = [vendor, architecture].filter(Boolean).join(" "); // where the rest is hidden
        const texts = [vendor, architecture, device, description || generic].map((part) => encoder.encode(part));
        let pointer = this.#exports.malloc(1 + texts.reduce((sum, part) => sum + part.length, 0)) >>> 0;
        const fields = at.WGPUAdapterInfo;
        [fields.vendor, fields.architecture, fields.device, fields.description].forEach((field, i) => {
          this.#heap.bytes.set(texts[i]!, pointer);
          this.#heap.setU32((out >>> 0) + field + at.WGPUStringView.data, pointer);
          this.#heap.setU32((out >>> 0) + field + at.WGPUStringView.length, texts[i]!.length);
          pointer += texts[i]!.length;
        });
        const cpu = info.isFallbackAdapter || software.test(`${generic} ${device} ${description}`);
        this.#heap.setU32((out >>> 0) + fields.adapterType, cpu ? is.WGPUAdapterType_CPU : is.WGPUAdapterType_Unknown);
        return is.WGPUStatus_Success;
      },
      wgpuAdapterInfoFreeMembers: (info: number): void =>
        this.#exports.free(this.#u32((info >>> 0) + at.WGPUAdapterInfo.vendor + at.WGPUStringView.data)),
      wgpuAdapterGetLimits: (index: number, out: number): number => {
        const { gpu } = this.#get<Adapter>(index);
        for (const [name, field] of limits) {
          const value: number | undefined = gpu.limits[name]; // not every browser has each
          if (wide.has(name)) this.#heap.setI64((out >>> 0) + field, value ?? 0);
          else this.#heap.setU32((out >>> 0) + field, value ?? 0);
        }
        return is.WGPUStatus_Success;
      },
      wgpuAdapterHasFeature: (index: number, feature: number): number =>
        this.#get<Adapter>(index).gpu.features.has(features[feature] ?? "") ? 1 : 0,
      wgpuAdapterRequestDevice: (index: number, descriptor: number, info: number): bigint => {
        const { instance, gpu } = this.#get<Adapter>(index);
        const callback = this.#callback(info >>> 0, at.WGPURequestDeviceCallbackInfo);
        const fields = at.WGPUDeviceDescriptor;
        const onLost = this.#callback((descriptor >>> 0) + fields.deviceLostCallbackInfo, at.WGPUDeviceLostCallbackInfo);
        const onError = this.#callback(
          (descriptor >>> 0) + fields.uncapturedErrorCallbackInfo,
          at.WGPUUncapturedErrorCallbackInfo,
        );
        this.#await(
          gpu.requestDevice(this.#deviceDescriptor(descriptor >>> 0)),
          (made) => {
            if (!instance.open) return made.destroy();
            const device: Device = { instance, gpu: made, open: true, onError, times: [], measuring: 0 };
            this.#listen(device, onLost);
            this.#tell(instance, callback, [is.WGPURequestDeviceStatus_Success, this.#keep(device)]);
          },
          (message) => this.#tell(instance, callback, [is.WGPURequestDeviceStatus_Error, 0], message),
        );
        return 0n;
      },
    };
  }

  #deviceDescriptor(descriptor: number): GPUDeviceDescriptor {
    const fields = at.WGPUDeviceDescriptor;
    const list = this.#u32(descriptor + fields.requiredFeatures);
    const count = this.#u32(descriptor + fields.requiredFeatureCount);
    const most = this.#u32(descriptor + fields.requiredLimits);
    const requiredLimits: Record<string, number> = {};
    for (const [name, field] of most === 0 ? [] : limits) {
      if (wide.has(name)) {
        const value = this.#heap.view.getBigUint64(most + field, true);
        if (value !== undefined64) requiredLimits[name] = Number(value);
      } else if (this.#u32(most + field) !== undefined32) requiredLimits[name] = this.#u32(most + field);
    }
    return { requiredFeatures: Array.from({ length: count }, (_, i) => features[this.#u32(list + 4 * i)]!), requiredLimits };
  }

  /** C is told of errors and of the loss without a pointer to the device: it has its user pointers. */
  #listen(device: Device, onLost: Callback): void {
    const { instance, gpu, onError } = device;
    gpu.addEventListener("uncapturederror", (event) => {
      event.preventDefault(); // it is told: the console need not be
      const { error } = event as GPUUncapturedErrorEvent;
      const type = errors[error.constructor.name] ?? is.WGPUErrorType_Unknown;
      if (device.open) this.#tell(instance, onError, [0, type], error.message);
    });
    void gpu.lost.then(({ reason, message }) => {
      const known = reason === "destroyed" ? is.WGPUDeviceLostReason_Destroyed : is.WGPUDeviceLostReason_Unknown;
      if (device.open) this.#tell(instance, onLost, [0, known], message || "the device was lost");
    });
  }

  #devices() {
    return {
      wgpuDeviceGetQueue: (device: number): number => {
        const { instance, gpu } = this.#get<Device>(device);
        return this.#keep({ instance, gpu: gpu.queue } satisfies Queue);
      },
      wgpuDeviceDestroy: (device: number): void => this.#get<Device>(device).gpu.destroy(),
      wgpuDeviceCreateShaderModule: (device: number, descriptor: number): number => {
        const chain = this.#u32((descriptor >>> 0) + at.WGPUShaderModuleDescriptor.nextInChain);
        return this.#make(this.#get(device), (gpu) => {
          if (chain === 0 || this.#u32(chain + at.WGPUChainedStruct.sType) !== is.WGPUSType_ShaderSourceWGSL)
            throw new TypeError("a shader that is not WGSL");
          return gpu.createShaderModule({ code: this.#text(chain + at.WGPUShaderSourceWGSL.code) });
        });
      },
      wgpuDeviceCreateBindGroupLayout: (device: number, descriptor: number): number => {
        const { entryCount, entries } = at.WGPUBindGroupLayoutDescriptor;
        const { binding, visibility, buffer, sizeof } = at.WGPUBindGroupLayoutEntry;
        const first = this.#u32((descriptor >>> 0) + entries);
        const list = Array.from({ length: this.#u32((descriptor >>> 0) + entryCount) }, (_, i) => {
          const entry = first + i * sizeof;
          const type = bindings[this.#u32(entry + buffer + at.WGPUBufferBindingLayout.type)];
          return { binding: this.#u32(entry + binding), visibility: this.#u32(entry + visibility), buffer: type ? { type } : {} };
        });
        return this.#make(this.#get(device), (gpu) => gpu.createBindGroupLayout({ entries: list }));
      },
      wgpuDeviceCreatePipelineLayout: (device: number, descriptor: number): number => {
        const { bindGroupLayoutCount, bindGroupLayouts } = at.WGPUPipelineLayoutDescriptor;
        const first = this.#u32((descriptor >>> 0) + bindGroupLayouts);
        const list = Array.from({ length: this.#u32((descriptor >>> 0) + bindGroupLayoutCount) }, (_, i) =>
          this.#get<GPUBindGroupLayout>(this.#u32(first + 4 * i)),
        );
        return this.#make(this.#get(device), (gpu) => gpu.createPipelineLayout({ bindGroupLayouts: list }));
      },
      wgpuDeviceCreateComputePipelineAsync: (index: number, descriptor: number, info: number): bigint => {
        const { instance, gpu } = this.#get<Device>(index);
        const callback = this.#callback(info >>> 0, at.WGPUCreateComputePipelineAsyncCallbackInfo);
        const { layout, compute } = at.WGPUComputePipelineDescriptor;
        const stage = (descriptor >>> 0) + compute;
        const module = this.#get<GPUShaderModule>(this.#u32(stage + at.WGPUComputeState.module));
        const entryPoint = this.#text(stage + at.WGPUComputeState.entryPoint);
        const group = this.#get<GPUPipelineLayout>(this.#u32((descriptor >>> 0) + layout));
        this.#await(
          (async () => gpu.createComputePipelineAsync({ layout: group, compute: { module, entryPoint } }))(),
          (made) => {
            if (instance.open) this.#tell(instance, callback, [is.WGPUCreatePipelineAsyncStatus_Success, this.#keep(made)]);
          },
          (message) => this.#tell(instance, callback, [is.WGPUCreatePipelineAsyncStatus_ValidationError, 0], message),
        );
        return 0n;
      },
      wgpuDeviceCreateBindGroup: (device: number, descriptor: number): number => {
        const { layout, entryCount, entries } = at.WGPUBindGroupDescriptor;
        const { binding, buffer, offset, size, sizeof } = at.WGPUBindGroupEntry;
        const first = this.#u32((descriptor >>> 0) + entries);
        const list = Array.from({ length: this.#u32((descriptor >>> 0) + entryCount) }, (_, i) => {
          const entry = first + i * sizeof;
          return {
            binding: this.#u32(entry + binding),
            resource: {
              buffer: this.#get<Buffer>(this.#u32(entry + buffer)).gpu,
              offset: this.#heap.u64(entry + offset),
              size: this.#heap.u64(entry + size),
            },
          };
        });
        const group = this.#get<GPUBindGroupLayout>(this.#u32((descriptor >>> 0) + layout));
        return this.#make(this.#get(device), (gpu) => gpu.createBindGroup({ layout: group, entries: list }));
      },
      wgpuDeviceCreateBuffer: (device: number, descriptor: number): number => {
        const size = this.#heap.u64((descriptor >>> 0) + at.WGPUBufferDescriptor.size);
        const usage = this.#u32((descriptor >>> 0) + at.WGPUBufferDescriptor.usage); // the bits are the browser's
        const { instance } = this.#get<Device>(device);
        const wrap = (gpu: GPUBuffer): Buffer => ({ instance, gpu, waiting: undefined, copy: 0 });
        return this.#make(this.#get(device), (gpu) => wrap(gpu.createBuffer({ size, usage })));
      },
      wgpuQueueWriteBuffer: (queue: number, buffer: number, offset: bigint, data: number, size: number): void => {
        const bytes = this.#heap.bytes.subarray(data >>> 0, (data >>> 0) + (size >>> 0));
        this.#get<Queue>(queue).gpu.writeBuffer(this.#get<Buffer>(buffer).gpu, Number(offset), bytes);
      },
      wgpuQueueOnSubmittedWorkDone: (index: number, info: number): bigint => {
        const { instance, gpu } = this.#get<Queue>(index);
        const callback = this.#callback(info >>> 0, at.WGPUQueueWorkDoneCallbackInfo);
        this.#await(
          gpu.onSubmittedWorkDone(),
          () => this.#tell(instance, callback, [is.WGPUQueueWorkDoneStatus_Success]),
          (message) => this.#tell(instance, callback, [is.WGPUQueueWorkDoneStatus_Error], message),
        );
        return 0n;
      },
      submit: (device: number, queue: number, items: number, itemCount: number, copies: number, copyCount: number): void => {
        const encoder = this.#get<Device>(device).gpu.createCommandEncoder();
        const words = new Uint32Array(this.#heap.bytes.buffer);
        if (itemCount !== 0) this.#pass(encoder, words, items >>> 2, itemCount);
        for (let i = 0, copy = copies >>> 2; i < copyCount; i++, copy += at.gpu_copy.sizeof / 4) {
          const from = this.#get<Buffer>(words[copy]!).gpu;
          const to = this.#get<Buffer>(words[copy + 1]!).gpu;
          encoder.copyBufferToBuffer(from, words[copy + 2]!, to, words[copy + 3]!, words[copy + 4]!);
        }
        this.#get<Queue>(queue).gpu.submit([encoder.finish()]);
      },
      time: (index: number, queue: number, items: number, count: number, first: number, repeats: number): void =>
        this.#time(this.#get(index), this.#get<Queue>(queue).gpu, items >>> 2, count, first, repeats),
      times: (index: number, out: number, count: number): number => {
        const { times, measuring } = this.#get<Device>(index);
        for (let i = 0; i < count && measuring === 0; i++) this.#heap.setI64((out >>> 0) + 8 * i, times[i] ?? 0);
        return measuring === 0 ? 1 : 0;
      },
    };
  }

  /** A pass with each item `repeats` times. */
  #pass(encoder: GPUCommandEncoder, words: Uint32Array, item: number, count: number, repeats = 1, timestampWrites?: GPUComputePassTimestampWrites): void {
    const pass = encoder.beginComputePass(timestampWrites ? { timestampWrites } : {});
    let last = 0;
    for (let i = 0; i < count; i++, item += at.gpu_item.sizeof / 4) {
      const pipeline = words[item]!;
      if (pipeline !== last) pass.setPipeline(this.#get<GPUComputePipeline>(pipeline));
      last = pipeline;
      pass.setBindGroup(0, this.#get<GPUBindGroup>(words[item + 1]!));
      for (let k = 0; k < repeats; k++) pass.dispatchWorkgroups(words[item + 2]!, words[item + 3]!, words[item + 4]!);
    }
    pass.end();
  }

  #time(device: Device, queue: GPUQueue, item: number, count: number, first: number, repeats: number): void {
    const { gpu } = device;
    const size = 16 * count; // two timestamps each
    const querySet = gpu.createQuerySet({ type: "timestamp", count: 2 * count });
    const resolved = gpu.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const staging = gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = gpu.createCommandEncoder();
    const words = new Uint32Array(this.#heap.bytes.buffer);
    for (let i = 0; i < count; i++, item += at.gpu_item.sizeof / 4)
      this.#pass(encoder, words, item, 1, repeats, { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 });
    encoder.resolveQuerySet(querySet, 0, 2 * count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    queue.submit([encoder.finish()]);
    if (first === 0) device.times = [];
    const { times } = device;
    const end = () => {
      device.measuring--;
      for (const object of [querySet, resolved, staging]) object.destroy();
    };
    device.measuring++;
    this.#await(
      staging.mapAsync(GPUMapMode.READ),
      () => {
        const ticks = new BigUint64Array(staging.getMappedRange());
        for (let i = 0; i < count; i++) times[first + i] = Math.max(0, Math.round(Number(ticks[2 * i + 1]! - ticks[2 * i]!) / repeats));
        end();
      },
      end,
    );
  }

  /** Ends the mapping of a buffer, or the wait for it. */
  #unmap(buffer: Buffer): void {
    if (buffer.waiting) this.#tell(buffer.instance, buffer.waiting, [is.WGPUMapAsyncStatus_Aborted], "unmapped");
    buffer.waiting = undefined;
    if (buffer.copy !== 0) this.#exports.free(buffer.copy);
    buffer.copy = 0;
  }

  #buffers() {
    return {
      wgpuBufferMapAsync: (index: number, mode: bigint, offset: number, size: number, info: number): bigint => {
        const buffer = this.#get<Buffer>(index);
        const callback = this.#callback(info >>> 0, at.WGPUBufferMapCallbackInfo);
        buffer.waiting = callback;
        const answer = (status: number, message?: string) => {
          if (buffer.waiting !== callback) return; // unmapped meanwhile
          buffer.waiting = undefined;
          this.#tell(buffer.instance, callback, [status], message);
        };
        this.#await(
          buffer.gpu.mapAsync(Number(mode), offset >>> 0, size >>> 0),
          () => answer(is.WGPUMapAsyncStatus_Success),
          (message) => answer(is.WGPUMapAsyncStatus_Error, message),
        );
        return 0n;
      },
      wgpuBufferGetConstMappedRange: (index: number, offset: number, size: number): number => {
        const buffer = this.#get<Buffer>(index);
        try {
          const range = new Uint8Array(buffer.gpu.getMappedRange(offset >>> 0, size >>> 0));
          this.#exports.free(buffer.copy);
          buffer.copy = this.#exports.malloc(range.length) >>> 0;
          if (buffer.copy !== 0) this.#heap.bytes.set(range, buffer.copy);
        } catch {
          return 0; // not mapped, or lost
        }
        return buffer.copy;
      },
      wgpuBufferGetSize: (index: number): bigint => BigInt(this.#get<Buffer>(index).gpu.size),
      wgpuBufferUnmap: (index: number): void => {
        const buffer = this.#get<Buffer>(index);
        this.#unmap(buffer);
        buffer.gpu.unmap();
      },
      wgpuBufferDestroy: (index: number): void => {
        const buffer = this.#get<Buffer>(index);
        this.#unmap(buffer);
        buffer.gpu.destroy();
      },
    };
  }

  #releases() {
    const drop = (index: number): void => this.#drop(index);
    return {
      wgpuAdapterRelease: drop,
      wgpuBindGroupLayoutRelease: drop,
      wgpuBindGroupRelease: drop,
      wgpuBufferRelease: drop,
      wgpuComputePipelineRelease: drop,
      wgpuPipelineLayoutRelease: drop,
      wgpuQueueRelease: drop,
      wgpuShaderModuleRelease: drop,
      wgpuDeviceRelease: (index: number): void => {
        this.#get<Device>(index).open = false;
        this.#drop(index);
      },
    };
  }
}
