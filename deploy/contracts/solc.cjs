#!/usr/bin/env node
// The solc of node_modules behind the command line that forge expects: `--version`, and `--standard-json` on standard
// input. Nothing has to be downloaded, and forge compiles with the very compiler that the artifacts are made with.
const fs = require("fs");
const solc = require("solc");

// The compiler's WebAssembly copies its whole input onto its stack, and ends with "memory access out of bounds" where the
// text of all sources is larger than that stack. So the input only names the sources, and a callback hands each over.
function compile(text) {
  const input = JSON.parse(text);
  const contents = new Map();
  for (const [name, source] of Object.entries(input.sources)) {
    contents.set(name, source.content);
    input.sources[name] = { urls: [name] };
  }
  const read = (name) => (contents.has(name) ? { contents: contents.get(name) } : { error: `not found: ${name}` });
  return solc.compile(JSON.stringify(input), { import: read });
}

if (process.argv.includes("--version")) {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (process.argv.includes("--standard-json")) {
  fs.writeFileSync(1, compile(fs.readFileSync(0, "utf8")));
} else {
  process.stderr.write("solc.cjs knows --version and --standard-json only\n");
  process.exit(1);
}
