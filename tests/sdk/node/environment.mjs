// The vendors' clients for node with nothing but the environment that a Pod gets by injection.
// Prints one line of JSON for each: the text that the model MODEL said.
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import { generateText } from "ai";
import { anthropic as anthropicOfAiSdk } from "@ai-sdk/anthropic";
import { openai as openaiOfAiSdk } from "@ai-sdk/openai";
import OpenAI, { AzureOpenAI } from "openai";

const model = process.env.MODEL;
const messages = [{ role: "user", content: "hello" }];

async function openai() {
  const answer = await new OpenAI().chat.completions.create({ model, messages });
  return answer.choices[0].message.content;
}

async function azure() {
  const answer = await new AzureOpenAI().chat.completions.create({ model, messages });
  return answer.choices[0].message.content;
}

async function anthropic() {
  const answer = await new Anthropic().messages.create({ model, messages, max_tokens: 99 });
  return answer.content[0].text;
}

async function google() {
  const answer = await new GoogleGenAI({}).models.generateContent({ model, contents: "hello" });
  return answer.text;
}

async function aiSdkOpenai() {
  return (await generateText({ model: openaiOfAiSdk(model), prompt: "hello" })).text;
}

async function aiSdkAnthropic() {
  return (await generateText({ model: anthropicOfAiSdk(model), prompt: "hello" })).text;
}

for (const ask of [openai, azure, anthropic, google, aiSdkOpenai, aiSdkAnthropic]) {
  const said = await ask().catch((error) => `failed: ${error.message}`);
  console.log(JSON.stringify({ client: ask.name, said }));
}
