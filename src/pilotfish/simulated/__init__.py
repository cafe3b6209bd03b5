"""Simulated vendors: a server that speaks their styles, with known delays and with faults. For
`pilotfish demo` and for tests.

Lives here: the server, the wires as a vendor speaks them, the faults. Must not live here: anything
that the proxy itself needs.

    async with SimulatedVendor(key="k", profile=Profile(ttft_s=0.05, gap_s=0.01)) as vendor:
        vendor.script(Fault.status(429, retry_after=7), Fault.cut_at(66))
        ... vendor.base, vendor.requests, vendor.cancelled ...

Surfaces: OpenAI (chat completions, completions, responses, embeddings, moderations, models, images,
audio, rerank; Azure's deployment paths), Anthropic (messages, count_tokens, models), Gemini
(generateContent, streamGenerateContent as SSE and array, countTokens, embedContent, models),
BedrockWire (converse, converse-stream; invoke and invoke-with-response-stream in Anthropic's form).

What a model says: a fixed text of `chunks` words, the same whoever serves it, and its rest where
the last assistant turn is its beginning. In the last user turn `say:TEXT` sets the text,
`call:NAME` or `call:NAME({"json": 1})` calls an offered tool (several: parallel calls). A schema is
answered with an instance of it; thinking comes where it is asked for; a token limit cuts the answer
short. One content event is one token in the usage.

Words in a model's name after `sim-`, joined by `-`; several combine, words win over the script, and
an unknown word is answered with 400:

    ttft-300ms gap-20ms     first content, and time between content events, on an absolute clock nN
    N content events first[N] everyN         the words apply to the model's first N requests only
    (1), or to every Nth only 400 .. 599              that status in the vendor's form; 429, 500,
    503, 529, 401 are the usual ones raN ramsN radateN       with `retry-after: N`, `retry-after-ms:
    N`, `retry-after` as a date N seconds ahead rahintN                 with a wait of N seconds
    named in the body quota contextlength contentpolicy   these errors in the vendor's form (Gemini
    and BedrockWire tell of blocked content inside a 200) noprefill               400 where the last
    turn is the assistant's reset                   TCP reset before the head silent silent200
    roleonly   no answer; head and then nothing; head, start-up events and then nothing
    heartbeats[-20ms]       head and then keep-alives only slowhead[-200ms]        the head in small
    pieces over that time cut[N] rst[N] half[N] clean[N]   after N % (50) of the content: closed;
    reset; closed within an event; HTTP ended properly stall[N]                after N % (50)
    nothing more comes, the connection stays malformed               an event that is not JSON in
    mid-stream (whole answers: HTML) nodone nodoneopen       without the style's last event; the
    same, and the body is not ended either err-before err-after[N] an error event inside the 200,
    before content or after N % (50) of it shortlength             Content-Length is larger than the
    body badchunk                a chunk without a size in mid-stream gzip badgzip
    compressed; compressed and damaged notjson                 200 with HTML hugeline
    one event of 3 MiB crlf split[N]           SSE with CRLF; written in pieces of N bytes (7) close
    stale             `connection: close`; closed after the answer without saying so nousage
    cached[N] think overlap[N]   no usage; N % (50) of the prompt from the cache; thinking unasked;
    a continuation that says
                            its last N pieces (3) again
"""

from pilotfish.simulated.behaviour import Fault, Profile, RateLimit
from pilotfish.simulated.vendor import Seen, SimulatedVendor

__all__ = ["Fault", "Profile", "RateLimit", "Seen", "SimulatedVendor"]
