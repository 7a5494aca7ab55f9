// npm `@microsoft/fetch-event-source`: what it hears, as lines of JSON. `node fetch-event-source.mjs URL`
import { createRequire } from "node:module";

// It was made for browsers.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const require = createRequire(`${process.cwd()}/`);
const { fetchEventSource } = require("@microsoft/fetch-event-source");
const say = (line) => console.log(JSON.stringify(line));

class Stop extends Error {}

fetchEventSource(process.argv[2], {
  openWhenHidden: true,
  onopen(response) {
    if (response.status !== 200) throw new Stop();
  },
  onmessage: ({ event, data, id }) => say({ name: event || "message", data, id }),
  // As its README has it: an end is tried again, unless it was meant.
  onclose() { throw new Error("the stream ended"); },
  onerror(error) { if (error instanceof Stop) throw error; },
}).catch(() => say("stopped"));
