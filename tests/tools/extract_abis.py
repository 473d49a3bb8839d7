"""Write the ABIs in contracts_abi/ from the npm packages they come from (of our own contracts: `make contracts`).

    python -m tests.tools.extract_abis        after `make setup`, from the repository's root

Only what the keeper calls is kept. Interfaces whose npm package is not installed are declared as published.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "contracts_abi"
NODE_MODULES = ROOT / "node_modules"
AAVE = "@aave-dao/aave-v3-origin/src/contracts"

SOLIDITY = {
    "Pool": (
        f"{AAVE}/interfaces/IPool.sol",
        "IPool",
        (
            "ADDRESSES_PROVIDER",
            "FLASHLOAN_PREMIUM_TOTAL",
            "RESERVE_INTEREST_RATE_STRATEGY",
            "getEModeCategoryBorrowableBitmap",
            "getEModeCategoryCollateralBitmap",
            "getEModeCategoryCollateralConfig",
            "getEModeCategoryLabel",
            "getEModeCategoryLtvzeroBitmap",
            "getReserveData",
            "getUserAccountData",
            "getUserConfiguration",
            "getUserEMode",
            "getVirtualUnderlyingBalance",
        ),
    ),
    "PoolAddressesProvider": (
        f"{AAVE}/interfaces/IPoolAddressesProvider.sol",
        "IPoolAddressesProvider",
        ("getPriceOracle",),
    ),
    "AaveOracle": (
        f"{AAVE}/interfaces/IAaveOracle.sol",
        "IAaveOracle",
        ("getAssetsPrices", "getSourceOfAsset"),
    ),
    "InterestRateStrategy": (
        f"{AAVE}/interfaces/IDefaultInterestRateStrategyV2.sol",
        "IDefaultInterestRateStrategyV2",
        ("getInterestRateDataBps",),
    ),
    "ERC20": (
        "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol",
        "IERC20Metadata",
        ("balanceOf", "decimals", "symbol", "totalSupply"),
    ),
}
AAVE_ERRORS = (f"{AAVE}/protocol/libraries/helpers/Errors.sol", "Errors")
UNISWAP = {
    "QuoterV2": (
        "@uniswap/v3-periphery/artifacts/contracts/lens/QuoterV2.sol/QuoterV2.json",
        ("factory", "quoteExactInput"),
    ),
    "UniswapV3Factory": (
        "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json",
        ("getPool",),
    ),
    "UniswapV3Pool": (
        "@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json",
        ("fee", "liquidity", "observe", "slot0", "token0", "token1"),
    ),
}
SAFE = (
    "@safe-global/safe-contracts/build/artifacts/contracts/Safe.sol/Safe.json",
    ("VERSION", "getModulesPaginated", "getOwners", "getThreshold", "isModuleEnabled"),
)
ROLES = (
    "@gnosis.pm/zodiac/dist/cjs/abi/RolesV2.json",
    ("avatar", "defaultRoles", "isModuleEnabled", "owner", "target"),
)
ROUND = "uint80 roundId,int256 answer,uint256 startedAt,uint256 updatedAt,uint80 answeredInRound"
DECLARED = {
    "Multicall3": (
        "Multicall3 at 0xcA11bde05977b3631167028862bE2a173976CA11 (github.com/mds1/multicall)",
        (
            (
                "aggregate3((address target,bool allowFailure,bytes callData)[] calls)"
                " ((bool success,bytes returnData)[] results)"
            ),
            "getChainId() (uint256 chainid)",
            "getCurrentBlockTimestamp() (uint256 timestamp)",
            "getEthBalance(address addr) (uint256 balance)",
        ),
    ),
    "AggregatorV3": (
        "Chainlink AggregatorV3Interface, proxy and aggregator (docs.chain.link/data-feeds/api-reference)",
        (
            "aggregator() (address)",
            "decimals() (uint8)",
            "description() (string)",
            "maxAnswer() (int192)",
            "minAnswer() (int192)",
            f"getRoundData(uint80 roundId) ({ROUND})",
            f"latestRoundData() ({ROUND})",
        ),
    ),
    "AdaptiveCurveIrm": (
        "AdaptiveCurveIRM, the rate model of Morpho's markets (docs.morpho.org: contracts, IRM)",
        ("rateAtTarget(bytes32 id) (int256)",),
    ),
    "GasPriceOracle": (
        (
            "GasPriceOracle at 0x420000000000000000000000000000000000000F (github.com/ethereum-optimism/optimism:"
            " packages/contracts-bedrock/src/L2/GasPriceOracle.sol)"
        ),
        (
            "getL1Fee(bytes _data) (uint256)",
            "getL1FeeUpperBound(uint256 _unsignedTxSize) (uint256)",
            "getOperatorFee(uint256 _gasUsed) (uint256)",
        ),
    ),
    "ArbGasInfo": (
        (
            "ArbGasInfo at 0x000000000000000000000000000000000000006C (github.com/OffchainLabs/nitro-contracts:"
            " src/precompiles/ArbGasInfo.sol)"
        ),
        ("getL1BaseFeeEstimate() (uint256)",),
    ),
    "NodeInterface": (
        (
            "NodeInterface at 0x00000000000000000000000000000000000000C8 (github.com/OffchainLabs/nitro-contracts:"
            " src/node-interface/NodeInterface.sol)"
        ),
        (
            (
                "gasEstimateComponents(address to,bool contractCreation,bytes data)"
                " (uint64 gasEstimate,uint64 gasEstimateForL1,uint256 baseFee,uint256 l1BaseFeeEstimate)"
            ),
        ),
    ),
}


def main() -> None:
    for name, content in extracted().items():
        (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def extracted() -> dict[str, dict[str, Any]]:
    """File name to its content: the source, and the smallest useful ABI."""
    compiled = compile_abis({source for source, _, _ in SOLIDITY.values()} | {AAVE_ERRORS[0]})
    files = {
        name: content(package_source(source), pick(compiled[source][contract], wanted))
        for name, (source, contract, wanted) in SOLIDITY.items()
    }
    source, library = AAVE_ERRORS
    errors = [entry for entry in compiled[source][library] if entry["type"] == "error"]
    files["aave_errors"] = content(package_source(source), errors)
    for name, (artifact, wanted) in UNISWAP.items():
        abi = json.loads((NODE_MODULES / artifact).read_text(encoding="utf-8"))["abi"]
        files[name] = content(package_source(artifact), pick(abi, wanted))
    for name, (artifact, wanted) in {"Safe": SAFE, "RolesModifier": ROLES}.items():
        shipped = json.loads((NODE_MODULES / artifact).read_text(encoding="utf-8"))
        abi = shipped if isinstance(shipped, list) else shipped["abi"]
        errors = [entry for entry in abi if entry["type"] == "error"]
        files[name] = content(package_source(artifact), [*pick(abi, wanted), *changing(abi), *errors])
    for name, (source, signatures) in DECLARED.items():
        files[name] = content(source, [declared(signature) for signature in signatures])
    return files


def compile_abis(sources: set[str]) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """ABI per source and contract, from solc's standard JSON."""
    request = {
        "language": "Solidity",
        "sources": {
            source: {"content": (NODE_MODULES / source).read_text(encoding="utf-8")} for source in sources
        },
        "settings": {
            "remappings": [
                "openzeppelin-contracts/=@openzeppelin/",
                "solidity-utils/=@bgd-labs/solidity-utils/src/",
            ],
            "outputSelection": {"*": {"*": ["abi"]}},
        },
    }
    answer = subprocess.run(
        [
            "node",
            str(NODE_MODULES / "solc" / "solc.js"),
            "--standard-json",
            "--base-path",
            str(NODE_MODULES),
        ],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    result = json.loads(answer[answer.index("{") :])
    failed = [error["formattedMessage"] for error in result.get("errors", []) if error["severity"] == "error"]
    if failed:
        raise SystemExit("\n".join(failed))
    return {
        source: {contract: output["abi"] for contract, output in contracts.items()}
        for source, contracts in result["contracts"].items()
    }


def pick(abi: list[dict[str, Any]], wanted: tuple[str, ...]) -> list[dict[str, Any]]:
    functions = {entry["name"]: entry for entry in abi if entry["type"] == "function"}
    return [functions[name] for name in wanted]


def changing(abi: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every function that may change state. `keeper doctor` tries each of a Safe and of its modifier."""
    return [
        entry
        for entry in abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    ]


def declared(signature: str) -> dict[str, Any]:
    """A view function from "name(inputs) (outputs)", each argument "type name" or "type"."""
    name, _, rest = signature.partition("(")
    inputs, outputs = rest.rsplit(" (", 1) if ") ((" not in rest else rest.split(") (", 1)
    return {
        "type": "function",
        "name": name,
        "stateMutability": "view",
        "inputs": arguments(inputs.removesuffix(")")),
        "outputs": arguments(outputs.removesuffix(")")),
    }


def arguments(text: str) -> list[dict[str, Any]]:
    if text.startswith("("):
        members, _, name = text[1:].partition(")[] ")
        return [{"name": name, "type": "tuple[]", "components": arguments(members)}]
    pairs = (argument.partition(" ") for argument in text.split(",") if argument)
    return [{"name": name, "type": kind} for kind, _, name in pairs]


def package_source(path: str) -> str:
    """npm package, its version, and the path inside it."""
    scope, package, inside = path.split("/", 2)
    manifest = json.loads((NODE_MODULES / scope / package / "package.json").read_text(encoding="utf-8"))
    return f"npm {scope}/{package} {manifest['version']}: {inside}"


def content(source: str, abi: list[dict[str, Any]]) -> dict[str, Any]:
    for entry in abi:
        _without_internal_types(entry)
    return {"source": source, "abi": abi}


def _without_internal_types(entry: dict[str, Any]) -> None:
    entry.pop("internalType", None)
    for key in ("inputs", "outputs", "components"):
        for member in entry.get(key, []):
            _without_internal_types(member)


if __name__ == "__main__":
    main()
