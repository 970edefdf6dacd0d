// Every engine module in build/web compiles, imports nothing but what the loader gives, exports the
// same names as the others, starts on a memory, and keeps the size budget; and there is no other
// wasm beside them.
import { readFileSync, readdirSync } from 'node:fs';
import { brotliCompressSync } from 'node:zlib';

const FOLDER = 'build/web';
const MODULES = ['brink', 'brink-relaxed', 'brink-threads', 'brink-relaxed-threads'];
const WASI = 'wasi_snapshot_preview1';
// What the C library may ask of its host; web/sdk's wasi.ts answers (the environment is empty there).
// Opening files is not in it.
const ALLOWED = ['fd_close', 'fd_seek', 'fd_write', 'fd_fdstat_get', 'clock_time_get',
  'clock_res_get', 'environ_get', 'environ_sizes_get', 'proc_exit', 'random_get', 'sched_yield'];
const THREAD_EXPORTS = ['__stack_pointer', '__wasm_init_tls', '__tls_base', '__tls_size',
  '__tls_align'];
const BUDGET = 700_000; // bytes of brotli-compressed module

let passed = 0;
let failed = 0;
function test(name, body) {
  try {
    const note = body();
    passed++;
    console.log(`ok      ${name}${note ? `: ${note}` : ''}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}: ${error.message}`);
  }
}
function expect(condition, text) {
  if (!condition) throw new Error(text);
}

test('the folder holds the engine alone', () => {
  const found = readdirSync(FOLDER, { recursive: true }).filter((n) => n.endsWith('.wasm')).sort();
  const wanted = MODULES.map((n) => `${n}.wasm`).sort();
  expect(found.join() === wanted.join(), `${FOLDER} has ${found.join(', ') || 'no wasm'}`);
});

let plainExports = null;
for (const name of MODULES) {
  const threads = name.includes('threads');
  let data, module, imports, exports;
  test(`${name} compiles`, () => {
    data = readFileSync(`${FOLDER}/${name}.wasm`);
    module = new WebAssembly.Module(data);
    imports = WebAssembly.Module.imports(module);
    exports = WebAssembly.Module.exports(module).map((e) => e.name);
  });
  if (!module) continue;
  test(`${name} imports`, () => {
    const names = [];
    for (const { module: from, name: what, kind } of imports) {
      if (from === 'env' && kind === 'memory' && threads) continue;
      // what web/sdk's webgpu.ts answers: the functions of webgpu.h, and its own
      const webgpu = from === 'webgpu' && (what.startsWith('wgpu') || ['submit', 'time', 'times'].includes(what));
      expect(webgpu || (from === WASI && ALLOWED.includes(what)), `${from}.${what}`);
      names.push(what);
    }
    return names.join(' ') || 'nothing';
  });
  test(`${name} exports`, () => {
    const wanted = ['_initialize', 'malloc', 'free', '__indirect_function_table',
      ...(threads ? THREAD_EXPORTS : ['memory'])];
    for (const what of wanted) expect(exports.includes(what), `${what} is missing`);
    const own = exports.filter((e) => e.startsWith('brink_') && e !== 'brink_worker_main').sort();
    plainExports ??= own;
    expect(own.join() === plainExports.join(), 'not the same functions as the plain module');
    return `${own.length} functions`;
  });
  test(`${name} starts`, () => {
    let memory = threads
      ? new WebAssembly.Memory({ initial: 128, maximum: 4096, shared: true }) : null;
    const stubs = { env: { memory } };
    for (const { module: from, name: what, kind } of imports) {
      if (kind === 'function') (stubs[from] ??= {})[what] = () => 0;
    }
    const instance = new WebAssembly.Instance(module, stubs).exports;
    memory ??= instance.memory;
    instance._initialize();
    const at = instance.malloc(1 << 20) >>> 0;
    expect(at !== 0, 'malloc gave nothing');
    instance.free(at);
    return `${memory.buffer.byteLength >> 10} KiB of memory`;
  });
  test(`${name} keeps the size budget`, () => {
    const size = brotliCompressSync(data).length;
    expect(size <= BUDGET, `${size} bytes compressed, the budget is ${BUDGET}`);
    return `${(size / 1000).toFixed(0)} kB compressed`;
  });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
