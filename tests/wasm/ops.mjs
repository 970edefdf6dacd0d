// The inner loops with WebAssembly's SIMD against the scalar ones: tests/ops in node's WASI.
// ops.mjs --time prints what they reach.
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';

let failed = 0;
for (const preset of ['wasm', 'wasm-relaxed']) {
  const wasi = new WASI({ version: 'preview1', args: ['ops_test', ...process.argv.slice(2)] });
  const file = `build/${preset}/ops_test.wasm`;
  const { instance } = await WebAssembly.instantiate(readFileSync(file), wasi.getImportObject());
  const status = wasi.start(instance);
  console.log(`${status === 0 ? 'ok     ' : 'FAILED '} operators, ${preset}`);
  failed += status !== 0;
}
process.exit(failed ? 1 : 0);
