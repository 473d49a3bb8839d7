#!/usr/bin/env node
// The solc of node_modules behind the command line that forge expects: `--version`, and `--standard-json` on standard
// input. Nothing has to be downloaded, and forge compiles with the very compiler that the artifacts are made with.
const fs = require("fs");
const solc = require("solc");

if (process.argv.includes("--version")) {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (process.argv.includes("--standard-json")) {
  fs.writeSync(1, solc.compile(fs.readFileSync(0, "utf8")));
} else {
  process.stderr.write("solc.cjs knows --version and --standard-json only\n");
  process.exit(1);
}
