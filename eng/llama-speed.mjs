// Prints how fast llama.cpp reads a prompt and writes tokens, as JSON: tokens per second.
// The tokens include node-llama-cpp's choice of each.
// usage: node llama-speed.mjs FOLDER FILE THREADS PROMPT TOKENS    (FOLDER: where npm has installed node-llama-cpp)
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, file, threads, prompt, tokens] = process.argv.slice(2).map((word, i) => i < 2 ? word : Number(word));
const module = join(folder, "node_modules/node-llama-cpp/dist/index.js");
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(module).href);
const llama = await getLlama({
  gpu: false, build: "never", progressLogs: false, logLevel: LlamaLogLevel.error, skipDownload: true,
  maxThreads: threads,
});
const model = await llama.loadModel({ modelPath: file });
const context = await model.createContext({ contextSize: prompt + tokens + 8, batchSize: 512, sequences: 1, threads });
const sequence = context.getSequence();
const ids = Array.from({ length: prompt }, (_, i) => (i * 31) % 1000 + 10);
await sequence.evaluateWithoutGeneratingNewTokens(ids.slice(0, 16)); // warm
await sequence.clearHistory();

let start = performance.now();
await sequence.evaluateWithoutGeneratingNewTokens(ids);
const read = prompt / (performance.now() - start) * 1e3;

let id = 11;
const step = async () => {
  const [output] = await sequence.controlledEvaluate([[id, { generateNext: { token: true, options: { temperature: 0 } } }]]);
  id = output.next.token;
};
await step();
start = performance.now();
for (let i = 0; i < tokens; i++) {
  await step();
}
const wrote = tokens / (performance.now() - start) * 1e3;
process.stdout.write(JSON.stringify({ prefill: read, decode: wrote }), () => process.exit(0));
