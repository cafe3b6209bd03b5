// The vendors' clients for node with nothing but the environment that a Pod gets by injection.
// Prints one line of JSON for each: the text that the model MODEL said.
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
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

for (const ask of [openai, azure, anthropic, google]) {
  const said = await ask().catch((error) => `failed: ${error.message}`);
  console.log(JSON.stringify({ client: ask.name, said }));
}
