// Prints the logits that llama.cpp computes for GGUF files, as JSON: for each file one list for each token.
// usage: node llama-logits.mjs FOLDER IDS FILE...    (FOLDER: where npm has installed node-llama-cpp; IDS: 1,2,3)
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, ids, ...files] = process.argv.slice(2);
const module = join(folder, "node_modules/node-llama-cpp/dist/index.js");
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(module).href);
const llama = await getLlama({
  gpu: false, build: "never", progressLogs: false, logLevel: LlamaLogLevel.error, skipDownload: true,
});
const tokens = ids.split(",").map(id => [Number(id), { generateNext: { logits: true } }]);
const results = [];
for (const file of files) {
  const model = await llama.loadModel({ modelPath: file });
  const context = await model.createContext({
    contextSize: 256, sequences: 1, flashAttention: false,
    experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32", // F16 would round keys and values
  });
  const outputs = await context.getSequence().controlledEvaluate(tokens);
  results.push(outputs.map(output => {
    const row = [];
    output.next.logits.forEach((logit, token) => { row[token] = logit; });
    return row;
  }));
  await context.dispose();
  await model.dispose();
}
process.stdout.write(JSON.stringify(results), () => process.exit(0));
