// Hardhat's node as a second implementation of the RPC, beside Anvil.
module.exports = {
  solidity: "0.8.27",
  paths: { cache: process.env.HARDHAT_CACHE },
  networks: {
    hardhat: {
      chainId: Number(process.env.HARDHAT_CHAIN_ID),
      hardfork: "prague",
      blockGasLimit: 60_000_000,
      initialDate: process.env.HARDHAT_DATE,
      loggingEnabled: false,
    },
  },
};
