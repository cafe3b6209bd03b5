"""Simulated vendors: a server that speaks their styles, with known delays and with faults. For
`pilotfish demo` and for tests.

Lives here: the server, the wires as a vendor speaks them, the faults. Must not live here: anything
that the proxy itself needs.

    async with SimulatedVendor(key="k", profile=Profile(ttft_s=0.05, gap_s=0.01)) as vendor:
        vendor.script(Fault.status(429, retry_after=7), Fault.cut_at(66))
        vendor.on("models", Fault.missing_scope())                  # list-models ill, chat well
        vendor.for_key("revoked", Fault.refused_key())              # one key good, one bad
        vendor.on("chat").for_model("large", Fault.no_access())     # 403 for one model only
        vendor.on("chat", Fault.status(500), until=healed)          # an outage that a gate ends
        ... vendor.base, vendor.requests, vendor.cancelled ...

Endpoints: OpenAI (chat completions, completions, responses, embeddings, moderations, models,
images, audio, rerank; Azure's deployment paths), Anthropic (messages, count_tokens, models), Gemini
(generateContent, streamGenerateContent as SSE and array, countTokens, embedContent, models),
Bedrock (converse, converse-stream; invoke and invoke-with-response-stream in Anthropic's form).

What a model says: a fixed text of `chunks` words, the same whoever serves it, and its rest where
the last assistant turn is its beginning. In the last user turn `say:TEXT` sets the text,
`call:NAME` or `call:NAME({"json": 1})` calls an offered tool (several: parallel calls). A schema is
answered with an instance of it; thinking comes where it is asked for; a token limit cuts the answer
short. One content event is one token in the usage.

Words in a model's name after `sim-`, joined by `-`; several combine. Where a fault of the vendor
speaks of the same thing, the fault wins. An unknown word is answered with 400.

    ttft-300ms gap-20ms     first content, and time between content events, on an absolute clock
    nN                      N content events
    first[N] everyN         the words apply to the model's first N requests only (1), or to every
                            Nth only
    400 .. 599              that status in the vendor's form
    raN ramsN radateN       with `retry-after: N`, `retry-after-ms: N`, `retry-after` as a date N
                            seconds ahead
    rahintN                 with a wait of N seconds named in the body
    quota contextlength contentpolicy
                            these errors in the vendor's form (Gemini and Bedrock tell of blocked
                            content inside a 200)
    refusedkey scope noaccess
                            a revoked key; 403 for want of a scope; 403 for this model
    blocked declined        200 without content: the vendor's filter, or the model, refused
    noprefill               400 where the last turn is the assistant's
    reset                   TCP reset before the head
    silent silent200 roleonly
                            no answer; head and then nothing; head, start-up events, then nothing
    heartbeats[-20ms]       head and then keep-alives only
    slowhead[-200ms]        the head in small pieces over that time
    cut[N] rst[N] half[N] clean[N]
                            after N % (50) of the content: closed; reset; closed within an event;
                            HTTP ended properly
    stall[N]                after N % (50) nothing more comes, the connection stays
    malformed               an event that is not JSON in mid-stream (whole answers: HTML)
    nodone nodoneopen       without the style's last event; the same, and the body is not ended
    err-before err-after[N] an error event inside the 200, before content or after N % (50) of it
    shortlength             Content-Length is larger than the body
    badchunk                a chunk without a size in mid-stream
    gzip badgzip            compressed; compressed and damaged
    notjson                 200 with HTML
    hugeline                one event of 3 MiB
    crlf split[N]           SSE with CRLF; written in pieces of N bytes (7)
    close stale             `connection: close`; closed after the answer without saying so
    nousage think           no usage; thinking unasked
    cached[N] cachewrite[N] N % (50) of the prompt was read from the cache, N % (25) written to it
    overlap[N]              a continuation that says its last N pieces (3) again
    anew anewdiverging anewother
                            a continuation that begins the answer again: word for word; leaving the
                            text half way; in other words
    echo                    request headers come back in the answer's headers
"""

from pilotfish.simulated.behaviour import Fault, Profile, RateLimit
from pilotfish.simulated.faults import Behaviour
from pilotfish.simulated.vendor import Seen, SimulatedVendor

__all__ = ["Behaviour", "Fault", "Profile", "RateLimit", "Seen", "SimulatedVendor"]
