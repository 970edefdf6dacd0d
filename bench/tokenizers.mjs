/* tokenizers.mjs — text to ids: brink's worker beside transformers.js's tokenizer in one Chromium, and natively
   beside `tokenizers`.

   A round gives texts that no round before had to each side, once, since both remember words. Through the SDK the texts cross to the worker in
   one call and the ids come back, which is part of brink's time; transformers.js runs on the page. The
   texts: visits and source code from this repository; names of countries, languages and currencies in
   Chinese, Japanese, Korean, Arabic and Hindi, from Node's own Unicode tables, put in random order; emoji
   with joiners and skin tones. Ids must be those of `tokenizers` (Python): brink's differing fails the suite,
   the peer's are counted. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { launchBrowser } from "../web/demo/browser.mjs";
import { Child, driver, figure, median, modelsFolder, order, out, python, repeat, root, save, table, warnIfBusy } from "./lib.mjs";
import { startPeerServer } from "./serve.mjs";

const COUNT = 64, LENGTH = 1200; // texts of a language in a round, and characters of a text at most
const ALL = COUNT * (repeat + 1); // the first are for warming up
const kinds = {
  smollm2: "BPE, SmolLM2's",
  llama3: "BPE after Llama 3",
  gemma: "BPE without words, after Gemma",
  "xlm-roberta": "Unigram after XLM-RoBERTa",
  minilm: "WordPiece, MiniLM's",
};

/* The same numbers on every run (Numerical Recipes' linear congruential generator). */
let state = 1;
const below = (n) => Math.floor(((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32) * n);
const pick = (list) => list[below(list.length)];

function names(locale) {
  const codes = { region: "AE AR AU BR CA CH CN DE EG ES FI FR GB GR ID IL IN IR IT JP KE KR MX NG NL NO NP NZ PK PL RU SA SE TH TR UA US VN ZA", language: "ar bn cs da de el en es fa fi fr gu he hi hu id it ja ko ml mr nl no pa pl pt ro ru sv sw ta te th tr uk ur vi zh", currency: "AED AUD BRL CAD CHF CNY DKK EGP EUR GBP HKD IDR ILS INR JPY KRW MXN NOK NZD PLN RUB SAR SEK SGD THB TRY USD ZAR" };
  return Object.entries(codes).flatMap(([type, list]) => list.split(" ").map((code) => new Intl.DisplayNames(locale, { type }).of(code)));
}
function filled(next) {
  return Array.from({ length: ALL }, () => {
    let text = "";
    while (text.length < LENGTH) text += next();
    return text;
  });
}
/** The beginnings of as many equal parts. */
function parts(text) {
  const step = Math.floor(text.length / ALL);
  return Array.from({ length: ALL }, (_, i) => text.slice(i * step, i * step + Math.min(step, LENGTH)).toWellFormed());
}
function texts() {
  const visits = ["train", "valid", "test1"].flatMap((name) => JSON.parse(readFileSync(join(root, `data/aci-bench/${name}.json`), "utf8")).data);
  const folders = ["graph", "text", "plan"].map((name) => join(root, "src", name));
  const sources = folders.flatMap((folder) => readdirSync(folder).sort().map((name) => readFileSync(join(folder, name), "utf8")));
  const inLocale = (locales, separators) => {
    const words = locales.map(names);
    return filled(() => pick(pick(words)) + (below(5) ? pick(separators) : `${below(3000)}${pick(separators)}`));
  };
  const people = [..."👩👨🧑👧👦👮🕵👷"], tones = ["", "🏻", "🏽", "🏿"], signs = [..."😀😂🥲😍🤔🎉🔥✨🚀🌍🍕🎸❤☀"], flags = "🇩🇪 🇫🇷 🇮🇳 🇯🇵 🇧🇷".split(" ");
  return {
    English: parts(visits.map(({ src }) => src).join("\n")),
    code: parts(sources.join("\n")),
    CJK: inLocale(["zh", "ja", "ko"], ["、", "。", " ", "，"]),
    Arabic: inLocale(["ar"], [" ", " ", "، ", ". "]),
    Devanagari: inLocale(["hi"], [" ", " ", ", ", "। "]),
    emoji: filled(() => pick([() => pick(signs), () => pick(people) + pick(tones), () => `${pick(people)}\u200d${pick(people)}`, () => pick(flags), () => " ", () => "ok "])()),
  };
}

/* Given to page.evaluate; leaves window.sides[side](language) → ms and window.ids(side). */
async function open({ kind, texts }) {
  const { Brink } = await import("/sdk/index.js");
  const { Tokenizer } = await import("/tokenizers/tokenizers.min.mjs");
  window.engine ??= await Brink.create({ backend: "wasm", wasmBase: "/wasm/", variant: "relaxed", threads: 1 });
  await window.model?.dispose();
  window.model = await window.engine.load(`/tokenizer-files/${kind}/`);
  const peer = new Tokenizer(await (await fetch(`/tokenizer-files/${kind}/tokenizer.json`)).json(), {});
  const timed = async (work) => {
    const start = performance.now();
    const ids = await work();
    return { ms: performance.now() - start, ids };
  };
  window.sides = {
    brink: (list) => timed(() => window.model.tokenize(list)),
    "transformers.js": (list) => timed(() => list.map((text) => peer.encode(text).ids)),
    "one text a call": (list) => timed(async () => {
      const all = [];
      for (const text of list) all.push(await window.model.tokenize(text));
      return all;
    }),
  };
  window.texts = texts;
}
async function measure({ side, language, from, to, ids }) {
  const found = await window.sides[side](window.texts[language].slice(from, to));
  return { ms: found.ms, ...(ids ? { ids: found.ids.map((list) => [...list].map(Number)) } : {}) };
}
const part = (i) => ({ from: (i + 1) * COUNT, to: (i + 2) * COUNT });

const bytesOf = (list) => list.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
const same = (a, b) => a.length === b.length && a.every((id, i) => id === b[i]);

/** Rounds of {side: {rate, [language]: ms}} in the browser, and how many texts have other ids. */
async function inBrowser(page, kind, lists, expected) {
  const sides = ["brink", "transformers.js", "one text a call"];
  const differ = { brink: 0, "transformers.js": 0 };
  await page.evaluate(open, { kind, texts: lists });
  for (const side of sides) for (const language of Object.keys(lists)) await page.evaluate(measure, { side, language, ...part(-1) });
  const rounds = [];
  for (let i = 0; i < repeat; i++) {
    const round = Object.fromEntries(sides.map((side) => [side, {}]));
    for (const language of Object.keys(lists))
      for (const side of order(i, sides)) round[side][language] = (await page.evaluate(measure, { side, language, ...part(i) })).ms;
    rounds.push(round);
  }
  for (const side of Object.keys(differ))
    for (const language of Object.keys(lists)) {
      const { ids } = await page.evaluate(measure, { side, language, ids: true });
      differ[side] += ids.filter((list, i) => !same(list, expected[language][i])).length;
    }
  return { rounds, differ };
}

async function natively(children, kind, lists) {
  const rounds = Array.from({ length: repeat }, () => ({ brink: {}, tokenizers: {} }));
  for (const child of Object.values(children)) await child.ask(`load ${join(out, "tokenizers", kind)}`);
  for (let i = -1; i < repeat; i++)
    for (const [language, list] of Object.entries(lists)) {
      const file = join(out, "tokenizers/texts.bin"), { from, to } = part(i), tokens = {};
      writeFileSync(file, list.slice(from, to).map((text) => `${text}\0`).join(""));
      for (const side of order(i + 1, ["brink", "tokenizers"])) {
        await children[side].ask(`texts ${file}`);
        const answer = await children[side].ask("run");
        tokens[side] = answer.tokens;
        if (i >= 0) rounds[i][side][language] = answer.ms;
      }
      if (tokens.brink !== tokens.tokenizers) throw new Error(`${kind}: ${tokens.brink} tokens natively, ${tokens.tokenizers} in tokenizers`);
    }
  return rounds;
}

/** Rounds with the rate over all languages, in megabytes a second, of the sides asked for. */
function rates(rounds, bytes, sides) {
  return rounds.map((round, i) => Object.fromEntries(sides.map(([name, side]) => [name, { rate: bytes[i] / 1e3 / Object.values(round[side]).reduce((a, b) => a + b) }])));
}

async function main() {
  warnIfBusy();
  const lists = texts();
  const folder = join(out, "tokenizers"), file = join(out, "tokenizers-texts.json");
  writeFileSync(file, JSON.stringify(lists));
  execFileSync(python, [join(root, "bench/tokenizer_files.py"), file, folder, modelsFolder], { stdio: "inherit" });
  const expected = JSON.parse(readFileSync(join(folder, "ids.json"), "utf8"));
  const bytes = Array.from({ length: repeat }, (_, i) => bytesOf(Object.values(lists).flatMap((list) => list.slice(part(i).from, part(i).to))));
  const children = { brink: new Child(driver("tokenizers_brink"), []), tokenizers: new Child(python, [join(root, "bench/tokenizers_py.py")]) };
  for (const child of Object.values(children)) await child.answer();
  const server = await startPeerServer();
  const browser = await launchBrowser();
  const web = [], apart = [], native = [], results = [];
  try {
    const page = await (await browser.newContext()).newPage();
    page.on("pageerror", (error) => console.error(error.message));
    await page.goto(`${server.url}start/empty.html`);
    for (const [kind, name] of Object.entries(kinds).filter(([kind]) => (process.env.BENCH_CASE ?? kind) === kind)) {
      const { rounds, differ } = await inBrowser(page, kind, lists, expected[kind]);
      const alone = await natively(children, kind, lists);
      web.push(figure(`${name}, MB/s`, rates(rounds, bytes, [["brink", "brink"], ["transformers.js", "transformers.js"]]), "rate", "higher", { target: 5 }));
      apart.push(figure(`${name}, one text a call, MB/s`, rates(rounds, bytes, [["brink", "one text a call"], ["transformers.js", "transformers.js"]]), "rate", "higher"));
      native.push(figure(`${name}, MB/s`, rates(alone, bytes, [["brink", "brink"], ["tokenizers", "tokenizers"]]), "rate", "higher", { target: 1 }));
      results.push({ kind, differ, rounds, native: alone });
    }
  } finally {
    await browser.close();
    await server.close();
    for (const child of Object.values(children)) await child.end();
  }
  const groups = [
    { title: `brink / transformers.js in Chromium, ${repeat} rounds`, figures: [...web, ...apart] },
    { title: `brink / tokenizers natively, one thread, ${repeat} rounds`, figures: native },
  ];
  for (const { title, figures } of groups) {
    table(title, figures);
    console.log("");
  }
  for (const { kind, differ, rounds, native } of results) {
    const parts = (all, side, peer) => Object.keys(lists).map((language) => `${language} ${(median(all.map((r) => r[peer][language] / r[side][language]))).toFixed(1)}`).join(", ");
    console.log(`  ${kind}, times as fast in Chromium: ${parts(rounds, "brink", "transformers.js")}; natively: ${parts(native, "brink", "tokenizers")}`);
    console.log(`    of ${ALL * Object.keys(lists).length} texts ${differ.brink} have other ids than tokenizers gives, in transformers.js ${differ["transformers.js"]}`);
  }
  save("tokenizers", { groups, results });
  if (results.some(({ differ }) => differ.brink)) throw new Error("ids differ from those of tokenizers");
}
await main();
