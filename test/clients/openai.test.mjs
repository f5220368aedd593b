// The official OpenAI client, unmodified, against the gateway whose address is
// in CARTRITA_URL. Started by ../e2e; by hand: node --test openai.test.mjs
import assert from "node:assert/strict";
import test from "node:test";
import OpenAI from "openai";

const base = process.env.CARTRITA_URL ?? "http://127.0.0.1:8080";
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: process.env.CARTRITA_KEY ?? "unused", maxRetries: 0 });
const messages = [{ role: "user", content: "Say something about rivers." }];

test("lists models", async () => {
  const ids = [];
  for await (const m of client.models.list()) ids.push(m.id);
  assert.ok(ids.includes("auto"), `auto is not in ${ids.slice(0, 5)}…`);
  assert.ok(ids.length > 1);
});

test("whole answer, routed", async () => {
  const { data, response } = await client.chat.completions.create({ model: "auto", messages }).withResponse();
  assert.equal(data.object, "chat.completion");
  assert.ok(data.choices[0].message.content.length > 0);
  assert.ok(data.usage.total_tokens > 0);
  assert.match(response.headers.get("x-cartrita-call-id"), /^[0-9a-f-]{36}$/);
  assert.ok(response.headers.get("x-cartrita-model"));
  assert.ok(Number(response.headers.get("x-cartrita-cost-usd")) > 0);
});

test("stream with usage and cost in the last chunk", async () => {
  const stream = await client.chat.completions.create({
    model: "auto:cost-optimized", messages, stream: true, stream_options: { include_usage: true },
  });
  let text = "", usage, finish;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  assert.ok(text.length > 0);
  assert.equal(finish, "stop");
  assert.ok(usage.completion_tokens > 0);
  assert.ok(usage.cost >= 0, `cost is ${usage.cost}`);
});

test("stream without usage has no usage chunk", async () => {
  const stream = await client.chat.completions.create({ model: "auto", messages, stream: true });
  let chunks = 0;
  for await (const chunk of stream) {
    chunks++;
    assert.equal(chunk.usage ?? null, null);
    assert.equal(chunk.choices.length, 1);
  }
  assert.ok(chunks > 1);
});

test("stream helper with tools", async () => {
  const tools = [{
    type: "function",
    function: {
      name: "get_weather", description: "Weather of a city",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  }];
  const runner = client.chat.completions.stream({ model: "auto", messages, tools, tool_choice: "required" });
  const final = await runner.finalChatCompletion();
  const call = final.choices[0].message.tool_calls[0];
  assert.equal(call.function.name, "get_weather");
  JSON.parse(call.function.arguments);
});

test("our own wishes travel as an extra member", async () => {
  const { response } = await client.chat.completions
    .create({ model: "auto", messages, cartrita: { strategy: "quality-first", context: { user_id: "u-1", stage: "draft" } } })
    .withResponse();
  const id = response.headers.get("x-cartrita-call-id");
  const decision = await (await fetch(`${base}/api/v1/decisions/${id}`)).json();
  assert.equal(decision.plan.strategy, "quality-first");
  assert.equal(decision.context.user_id, "u-1");
  assert.ok(decision.explanation.length > 0);
});

test("embeddings", async () => {
  const r = await client.embeddings.create({ model: "auto", input: ["one", "two"] });
  assert.equal(r.data.length, 2);
  assert.ok(r.data[0].embedding.length > 0);
});

test("an unknown model is a 404 that suggests", async () => {
  await assert.rejects(client.chat.completions.create({ model: "no-such-model-anywhere", messages }), (err) => {
    assert.ok(err instanceof OpenAI.NotFoundError, String(err));
    assert.equal(err.param, "model");
    return true;
  });
});

test("a malformed request is a 400 that names the field", async () => {
  await assert.rejects(client.chat.completions.create({ model: "auto", messages: "hi" }), (err) => {
    assert.ok(err instanceof OpenAI.BadRequestError, String(err));
    assert.equal(err.param, "messages");
    return true;
  });
});

test("breaking off a stream leaves the gateway well", async () => {
  const stream = await client.chat.completions.create({ model: "auto", messages, stream: true });
  for await (const _ of stream) break;
  const again = await client.chat.completions.create({ model: "auto", messages });
  assert.ok(again.choices[0].message.content.length > 0);
});
