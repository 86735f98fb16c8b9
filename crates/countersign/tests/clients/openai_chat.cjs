"use strict";
// What the `openai` package for Node sees of a running server. A test, not an example.
//
// Usage: node openai_chat.cjs CASE...  Prints the name of each case that holds; a case that does not ends it with an error.
// Reads COUNTERSIGN_API (ends in /v1), COUNTERSIGN_KEY and COUNTERSIGN_MODEL_ID. The client keeps its own defaults, retries
// among them.

const assert = require("node:assert/strict");
const OpenAI = require("openai");

const { COUNTERSIGN_API: API, COUNTERSIGN_KEY: KEY, COUNTERSIGN_MODEL_ID: MODEL } = process.env;
const ROOT = API.replace(/\/v1$/, "");
const client = new OpenAI({ baseURL: API, apiKey: KEY, timeout: 300_000 });
const ask = [{ role: "user", content: "What is a ledger? Answer in one sentence." }];
const plainly = { model: MODEL, messages: ask, max_tokens: 24, temperature: 0 };

function azureClient(members) {
  return new OpenAI.AzureOpenAI({
    apiKey: KEY,
    apiVersion: "2024-10-21",
    endpoint: ROOT,
    timeout: 300_000,
    ...members,
  });
}

async function caught(kind, call) {
  const error = await call().then(
    (answer) => assert.fail(`no ${kind.name}: ${JSON.stringify(answer)}`),
    (error) => error,
  );
  assert.equal(error.constructor, kind, `${error.stack}`);
  assert.ok(error.requestID, "the error names no request");
  return error;
}

/** A chat whole and in pieces, by any of the clients. */
async function chats(client, members) {
  const whole = await client.chat.completions.create({ ...plainly, ...members });
  const [choice] = whole.choices;
  assert.equal(whole.object, "chat.completion");
  assert.ok(whole.id && whole.created > 1_700_000_000);
  assert.ok(choice.message.content && choice.message.role === "assistant");
  assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
  const options = { stream: true, stream_options: { include_usage: true } };
  const chunks = [];
  for await (const chunk of await client.chat.completions.create({ ...plainly, ...members, ...options })) {
    chunks.push(chunk);
  }
  const last = chunks.pop();
  assert.deepEqual([last.choices, last.usage], [[], whole.usage]);
  assert.ok(chunks.every((chunk) => (chunk.usage ?? null) === null && chunk.choices.length === 1));
  const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");
  assert.equal(text, choice.message.content);
}

const cases = {
  async plain() {
    await chats(client, {});
    const { response, request_id: id } = await client.chat.completions.create(plainly).withResponse();
    assert.ok(id && response.headers.get("countersign-act") === id);
  },

  async streamed() {
    const stream = client.chat.completions.stream(plainly);
    const answer = await stream.finalChatCompletion();
    const whole = await client.chat.completions.create(plainly);
    assert.equal(answer.choices[0].message.content, whole.choices[0].message.content);
    assert.equal(answer.usage, undefined, "usage was told without being asked for");
  },

  async nulls() {
    const options = { stream: true, stream_options: { include_usage: true } };
    const chunks = [];
    for await (const chunk of await client.chat.completions.create({ ...plainly, ...options })) chunks.push(chunk);
    chunks.pop();
    assert.ok(chunks.length > 1 && chunks.every((chunk) => chunk.usage === null), "all but the last say null");
    for await (const chunk of await client.chat.completions.create({ ...plainly, stream: true })) {
      assert.ok(!("usage" in chunk), "and nothing where it was not asked for");
    }
  },

  async left() {
    const stream = await client.chat.completions.create({ ...plainly, max_tokens: 200, stream: true });
    for await (const chunk of stream) {
      assert.ok(chunk.choices[0]);
      break;
    }
    assert.ok(stream.controller.signal.aborted);
  },

  async models() {
    const listed = [];
    for await (const model of client.models.list()) listed.push(model);
    assert.deepEqual(listed.map((model) => model.id), [MODEL]);
    assert.deepEqual({ ...(await client.models.retrieve(MODEL)) }, { ...listed[0] });
  },

  async errors() {
    const stranger = new OpenAI({ baseURL: API, apiKey: "none" });
    let error = await caught(OpenAI.AuthenticationError, () => stranger.chat.completions.create(plainly));
    assert.equal(error.code, "invalid_api_key");
    error = await caught(OpenAI.NotFoundError, () => client.models.retrieve("org/none"));
    assert.equal(error.code, "model_not_found");
    const forced = { tools: [{ type: "function", function: { name: "f" } }], tool_choice: "required" };
    error = await caught(OpenAI.BadRequestError, () => client.chat.completions.create({ ...plainly, ...forced }));
    assert.equal(error.param, "tool_choice");
    const over = { ...plainly, max_tokens: 1200, stream: true };
    error = await caught(OpenAI.PermissionDeniedError, () => client.chat.completions.create(over));
    assert.deepEqual([error.code, error.type], ["longest-answer", "permission_denied"]);
  },

  async azure() {
    const azure = azureClient({});
    await chats(azure, {});
    const listed = [];
    for await (const model of azure.models.list()) listed.push(model.id);
    assert.deepEqual(listed, [MODEL]);
    await chats(azureClient({ deployment: MODEL }), { model: "gpt-4o" });
    await chats(azureClient({ apiKey: undefined, azureADTokenProvider: async () => KEY }), {});
    await chats(new OpenAI({ baseURL: `${ROOT}/openai/v1/`, apiKey: KEY, timeout: 300_000 }), {});
  },

  async azureErrors() {
    const stranger = azureClient({ apiKey: "none" });
    let error = await caught(OpenAI.AuthenticationError, () => stranger.chat.completions.create(plainly));
    assert.equal(error.code, "invalid_api_key");
    const azure = azureClient({});
    const unknown = { ...plainly, model: "gpt-4o" };
    error = await caught(OpenAI.NotFoundError, () => azure.chat.completions.create(unknown));
    assert.equal(error.code, "model_not_found");
  },

  async told() {
    const answer = await client.chat.completions.create(plainly);
    assert.equal(answer.choices[0].message.content, "One.");
  },

  async broken() {
    const pieces = [];
    const reads = async () => {
      const stream = await client.chat.completions.create({ ...plainly, stream: true });
      for await (const chunk of stream) pieces.push(chunk.choices[0].delta.content);
    };
    const error = await reads().then(() => assert.fail("nothing was raised"), (error) => error);
    assert.ok(error instanceof OpenAI.APIError, `${error.stack}`);
    assert.equal(error.code, "upstream_error");
    assert.deepEqual(pieces, ["Hello"]);
  },
};

async function main() {
  for (const name of process.argv.slice(2)) {
    await cases[name]();
    console.log(name);
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
