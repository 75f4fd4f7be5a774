// The npm client of OpenAI against `mamba serve`: node serve-clients.mjs URL, in a folder with the package openai.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
const { default: OpenAI } = await import(createRequire(process.cwd() + "/").resolve("openai"));

const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "none", maxRetries: 0 });
const model = (await client.models.list()).data[0].id;
const chat = { model, messages: [{ role: "user", content: "Hi" }], temperature: 0, max_completion_tokens: 12 };

const whole = await client.chat.completions.create(chat);
assert.equal(whole.usage.completion_tokens, 12);
let text = "", usage;
for await (const chunk of await client.chat.completions.create(
  { ...chat, stream: true, stream_options: { include_usage: true } })) {
  text += chunk.choices[0]?.delta.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, whole.choices[0].message.content);
assert.equal(usage.completion_tokens, 12);

const response = await client.responses.create({ model, input: "Hi", temperature: 0, max_output_tokens: 12 });
assert.equal(response.output_text, text);
const stream = client.responses.stream({ model, input: "Hi", temperature: 0, max_output_tokens: 12 });
let events = 0;
for await (const event of stream) assert.equal(event.sequence_number, events++);
const next = await client.responses.create({ model, input: "More", previous_response_id: response.id });
assert.equal(next.previous_response_id, response.id);

const completion = await client.completions.create({ model, prompt: "Once", temperature: 0, max_tokens: 5 });
assert.equal(completion.usage.total_tokens, 9);
const vectors = await client.embeddings.create({ model, input: ["Once", "upon"] }); // base64 inside
assert.equal(vectors.data.length, 2);
assert(vectors.data[0].embedding.every(Number.isFinite));
await assert.rejects(client.chat.completions.create({ ...chat, model: "gpt" }), error => error.code === "model_not_found");
await assert.rejects(client.chat.completions.create({ ...chat, temperature: 9 }), error => error.param === "temperature");
console.log(`npm client: chat, streams, responses (${events} events), completions, embeddings, errors`);
