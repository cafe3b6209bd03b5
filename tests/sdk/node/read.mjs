// Reads answers with the AI SDK. Jobs come on stdin as a JSON list of {client, model, stream}; for
// each, a line of JSON goes to stdout: what the SDK gave its user, or the error. Then the answer is
// handed back with the tools' results, or with thanks, as the next turn. PROXY and KEY: whom to ask.

import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle, createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, streamText, tool } from "ai";
import { text } from "node:stream/consumers";

globalThis.AI_SDK_LOG_WARNINGS = false;
const { PROXY, KEY } = process.env;
const openai = createOpenAI({ baseURL: `${PROXY}/v1`, apiKey: KEY });
const google = (createGoogle ?? createGoogleGenerativeAI)({ baseURL: `${PROXY}/v1beta`, apiKey: KEY });
const clients = {
  openai: (model) => openai.chat(model),
  openai_responses: (model) => openai.responses(model),
  anthropic: createAnthropic({ baseURL: `${PROXY}/v1`, apiKey: KEY }),
  google: (model) => google(`models/${model}`),
  bedrock: createAmazonBedrock({
    baseURL: PROXY,
    region: "us-east-1",
    accessKeyId: KEY,
    secretAccessKey: KEY,
    apiKey: "",
  }),
};
const schema = jsonSchema({ type: "object", properties: { city: { type: "string" } } });
const tools = Object.fromEntries(
  ["get_weather", "list_cities"].map((name) => [name, tool({ description: name, inputSchema: schema })]),
);
const question = { role: "user", content: "How is the weather?" };

const isOurs = (call) => !call.providerExecuted;

async function ask(job, messages) {
  // Without this the SDK refers to items that OpenAI keeps, which no other vendor has.
  const providerOptions = job.client === "openai_responses" ? { openai: { store: false } } : {};
  const model = clients[job.client](job.model);
  const asked = { model, messages, tools, providerOptions, maxRetries: 0 };
  if (!job.stream) return generateText(asked);
  const errors = [];
  const result = streamText({ ...asked, onError: ({ error }) => errors.push(error) });
  await result.consumeStream({ onError: (error) => errors.push(error) });
  if (errors.length) throw errors[0];
  return result;
}

async function read(job) {
  const answer = await ask(job, [question]);
  const calls = await answer.toolCalls;
  const usage = await answer.usage;
  const found = {
    text: await answer.text,
    thinking: (await answer.reasoningText) ?? "",
    // What the vendor's server has called needs no answer of the client's.
    calls: calls.filter(isOurs).map((call) => [call.toolName, call.input, call.toolCallId]),
    cited: (await answer.sources).map((source) => source.url ?? source.title),
    images: (await answer.files).length,
    finish: await answer.finishReason,
    tokens: [usage.inputTokens, usage.outputTokens],
  };
  const results = calls.filter(isOurs).map(({ toolCallId, toolName }) => ({
    type: "tool-result",
    toolCallId,
    toolName,
    output: { type: "text", value: "18 degrees" },
  }));
  const next = results.length ? { role: "tool", content: results } : { role: "user", content: "Thanks." };
  const { messages } = await answer.response;
  await ask(job, [question, ...messages, next]);
  return found;
}

const jobs = JSON.parse(await text(process.stdin));
for (const job of jobs) {
  let told;
  try {
    told = await read(job);
  } catch (error) {
    told = { error: `${error.name}: ${error.message}`, cause: `${error.cause ?? ""} ${error.responseBody ?? ""}` };
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
