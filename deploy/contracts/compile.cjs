// Compiles Solidity with a solc of node_modules. Reads {"compiler": npm package, "sources": [path, …], "settings": {…}}
// from standard input, writes {"contracts": {name: {abi, bytecode, deployedBytecode, links}}} or {"errors": [text, …]} to
// standard output.
// A path is looked for beside this file, then in node_modules under the protocols' own remappings.
const fs = require("fs");
const path = require("path");

const here = __dirname;
const packages = path.join(here, "..", "..", "node_modules");
const remappings = [
  [/^openzeppelin-contracts\//, "@openzeppelin/"],
  [/^@openzeppelin\/contracts\/contracts\//, "@openzeppelin/contracts/"],
  [/^solidity-utils\//, "@bgd-labs/solidity-utils/src/"],
];

function read(name) {
  const mapped = remappings.reduce((text, [from, to]) => text.replace(from, to), name);
  const file = [path.join(here, mapped), path.join(packages, mapped)].find((place) => fs.existsSync(place));
  return file ? { contents: fs.readFileSync(file, "utf8") } : { error: `not found: ${name}` };
}

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const solc = require(job.compiler);
const sources = {};
for (const name of job.sources) {
  const found = read(name);
  if (found.error) {
    process.stdout.write(JSON.stringify({ errors: [found.error] }));
    process.exit(0);
  }
  sources[name] = { content: found.contents };
}
const outputs = ["abi", "evm.bytecode.object", "evm.bytecode.linkReferences", "evm.deployedBytecode.object"];
const input = {
  language: "Solidity",
  sources,
  settings: { ...job.settings, outputSelection: { "*": { "*": outputs } } },
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
const errors = (output.errors || []).filter((e) => e.severity === "error").map((e) => e.formattedMessage);
const contracts = {};
for (const file of Object.keys(output.contracts || {})) {
  for (const [name, contract] of Object.entries(output.contracts[file])) {
    contracts[name] = {
      source: file,
      abi: contract.abi,
      bytecode: "0x" + contract.evm.bytecode.object,
      deployedBytecode: "0x" + contract.evm.deployedBytecode.object,
      links: contract.evm.bytecode.linkReferences,
    };
  }
}
process.stdout.write(JSON.stringify(errors.length ? { errors } : { contracts }));
