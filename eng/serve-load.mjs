// Measures `mamba serve`: node eng/serve-load.mjs URL PID [SECONDS] [CLIENTS]. One client alone, then many at once with
// answers of unequal length; tokens per second of both, failures, and the memory of the server's process (Linux).
import { readFileSync } from "node:fs";

const [url, pid, seconds = 60, clients = 64] = process.argv.slice(2);
const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
const words = "in the beginning God created the heaven and the earth and the earth was without form".split(" ");

async function answer(i) {
  const response = await fetch(url + "/v1/completions", {
    method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ prompt: words.slice(0, 1 + i % words.length).join(" "), temperature: 0.8, seed: i,
      max_tokens: 20 + i * 37 % 180 }) });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json()).usage.completion_tokens;
}

async function measure(name, count, time) {
  const end = performance.now() + time * 1e3, start = performance.now();
  let tokens = 0, answers = 0, failures = 0, next = 0;
  await Promise.all(Array.from({ length: count }, async () => {
    while (performance.now() < end) {
      try {
        const more = await answer(next++); // before the sum is read, which others change meanwhile
        tokens += more; answers++;
      } catch (error) { failures++; console.error(error.message); }
    }
  }));
  const rate = tokens / (performance.now() - start) * 1e3;
  console.log(`${name}: ${rate.toFixed(1)} tokens/s, ${answers} answers, ${failures} failures, ${memory().toFixed(0)} MiB`);
  return rate;
}

await measure("warm", Number(clients), 5);
const one = await measure("1 client", 1, Number(seconds) / 4);
const parts = [];
for (let part = 1; part <= 3; part++)
  parts.push(await measure(`${clients} clients, part ${part} of 3`, Number(clients), Number(seconds) / 3));
console.log(`${(Math.max(...parts) / one).toFixed(2)} times the speed of one client`);
await new Promise(done => setTimeout(done, 3000));
console.log(`afterwards ${memory().toFixed(0)} MiB; ${await (await fetch(url + "/metrics")).text()
  .then(text => text.match(/mamba_requests_(active|waiting) \d+/g).join(", "))}`);
