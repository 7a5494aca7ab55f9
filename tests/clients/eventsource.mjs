// npm `eventsource`: what it hears, as lines of JSON. `node eventsource.mjs URL NAME...`
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { EventSource } = require("eventsource");
const say = (line) => console.log(JSON.stringify(line));

const [url, ...names] = process.argv.slice(2);
const source = new EventSource(url);
for (const name of ["message", ...names]) {
  source.addEventListener(name, (event) =>
    say({ name: event.type, data: event.data, id: event.lastEventId }));
}
source.addEventListener("error", () => {
  if (source.readyState === EventSource.CLOSED) say("stopped");
});
