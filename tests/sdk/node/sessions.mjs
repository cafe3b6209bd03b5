// WebSocket sessions of the vendors' own clients through the proxy at PROXY, or at SECURE where a client insists on TLS.
// Prints one line of JSON for each kind of session: what came back.
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const { PROXY: proxy, SECURE: secure, KEY: key } = process.env;
const messages = Number(process.env.MESSAGES ?? 1000);

async function realtime() {
  const client = new OpenAI({ apiKey: key, baseURL: `${secure}/v1` });
  const session = await OpenAIRealtimeWS.create(client, { model: "voice" });
  const echoed = [];
  let turn = null;
  await new Promise((resolve, reject) => {
    session.on("error", reject);
    session.on("event", (event) => {
      if (event.type === "session.created") {
        for (let number = 0; number < messages; number++) {
          session.send({ type: "input_audio_buffer.append", audio: String(number) });
        }
      } else if (event.type === "echo") {
        echoed.push(event.audio);
        if (echoed.length === messages) session.send({ type: "response.create" });
      } else if (event.type === "response.done") {
        turn = event.response.usage.output_tokens;
        resolve();
      }
    });
  });
  session.close();
  const inOrder = echoed.every((audio, number) => audio === String(number));
  return { session: "realtime", echoed: echoed.length, inOrder, turn };
}

async function live() {
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: proxy } });
  let said = "";
  let resolve, reject;
  const ended = new Promise((yes, no) => ([resolve, reject] = [yes, no]));
  const session = await client.live.connect({
    model: "live",
    callbacks: {
      onmessage: (message) => {
        said += message.text ?? "";
        if (message.serverContent?.turnComplete) resolve();
      },
      onerror: (event) => reject(event.error ?? new Error(event.message)),
    },
  });
  session.sendClientContent({ turns: "hello", turnComplete: true });
  await ended;
  session.close();
  return { session: "live", said };
}

for (const run of [realtime, live]) console.log(JSON.stringify(await run()));
