"""Compiled contracts: ours, Aave's and Morpho's through solc, Uniswap's and WETH9's as their packages ship them.

``python -m keeper.devnet.compile`` renews the files in contracts_abi/ that deploying uses. With the name of a contract
it prints what such a file would say of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from keeper.devnet.paths import CONTRACTS, NODE_MODULES, ROOT, cache_dir, single_build
from keeper.domain.errors import BadInput, CompilationFailed

SOLC = "solc"
"""The npm package of the compiler of our own contracts."""
_AAVE = "@aave-dao/aave-v3-origin/src/contracts/"
_MORPHO = "@morpho-org/morpho-blue/src/"
_IMPORTED = (
    "@aave-dao/aave-v3-origin",
    "@bgd-labs/solidity-utils",
    "@openzeppelin/contracts",
    "@uniswap/swap-router-contracts",
    "@uniswap/v3-core",
    "@uniswap/v3-periphery",
)
_SAFE = "@safe-global/safe-contracts/build/artifacts/contracts"
_MORPHO_PACKAGE = "@morpho-org/morpho-blue"
_SHIPPED = {
    "UniswapV3Factory": "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json",
    "UniswapV3Pool": "@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json",
    "NonfungiblePositionManager": "@uniswap/v3-periphery/artifacts/contracts/NonfungiblePositionManager.sol/"
    "NonfungiblePositionManager.json",
    "QuoterV2": "@uniswap/v3-periphery/artifacts/contracts/lens/QuoterV2.sol/QuoterV2.json",
    "SwapRouter02": "@uniswap/swap-router-contracts/artifacts/contracts/SwapRouter02.sol/SwapRouter02.json",
    "WETH9": "canonical-weth/build/contracts/WETH9.json",
    "ERC20": "@openzeppelin/contracts/build/contracts/ERC20.json",
    "TimelockController": "@openzeppelin/contracts/build/contracts/TimelockController.json",
    "Safe": f"{_SAFE}/Safe.sol/Safe.json",
    "SafeProxyFactory": f"{_SAFE}/proxies/SafeProxyFactory.sol/SafeProxyFactory.json",
    "CompatibilityFallbackHandler": f"{_SAFE}/handler/CompatibilityFallbackHandler.sol/"
    "CompatibilityFallbackHandler.json",
    "MultiSendCallOnly": f"{_SAFE}/libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json",
    "EACAggregatorProxy": "@chainlink/contracts/abi/v0.6/EACAggregatorProxy.json",
    "FluxAggregator": "@chainlink/contracts/abi/v0.6/FluxAggregator.json",
}
_ZODIAC = "@gnosis.pm/zodiac"
_INIT_CODES = ("RolesV2", "ModuleProxyFactory")
"""Contracts of Zodiac, which ships their creation code with the constructor's arguments in it."""
OWN = {
    "AaveV3Account": "portfolio",
    "Fees": "portfolio",
    "ListingChecks": "portfolio",
    "MorphoBlueAccount": "portfolio",
    "PolicyBounds": "portfolio",
    "PolicyRegistry": "portfolio",
    "Portfolio": "portfolio",
    "PriceBook": "portfolio",
    "Rebalancer": "portfolio",
    "RequestQueue": "portfolio",
    "SharePricer": "portfolio",
    "VaultLens": "portfolio",
    "VaultShares": "portfolio",
    "Rehearsal": "rehearsal",
    "SafeDeployer": "deployer",
}
"""Our contracts that deploying needs, and their group."""
WITH_RUNTIME = ("TimelockController", "Rehearsal", "VaultLens")
"""Their code as it runs is needed as well: to compare it with what is on the chain, or to run it within a call."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract. ``links``: file to library to places, in bytes, where its address belongs in the
    bytecode."""

    abi: list[dict[str, Any]]
    bytecode: str
    deployed_bytecode: str
    links: Mapping[str, Mapping[str, list[dict[str, int]]]]


@dataclass(frozen=True, slots=True)
class SourceGroup:
    """Sources compiled in one run. ``inputs``: our folders and files whose content decides, with the versions
    of the packages they import, whether it must run again. ``packages`` are those of them that few groups import.
    ``compiler`` is an npm package. A group ``on_demand`` is compiled when one of its contracts is asked for."""

    name: str
    sources: tuple[str, ...]
    inputs: tuple[Path, ...]
    settings: Mapping[str, Any]
    compiler: str = SOLC
    on_demand: bool = False
    packages: tuple[str, ...] = ()

    def may_have(self, contract: str) -> bool:
        """Without compiling it."""
        return not self.on_demand or contract in {Path(source).stem for source in self.sources}


def groups() -> tuple[SourceGroup, ...]:
    plain = {"evmVersion": "cancun", "optimizer": {"enabled": True, "runs": 200}}
    return (
        SourceGroup(
            "morpho",
            (_MORPHO + "Morpho.sol",),
            (),
            settings={"evmVersion": "paris", "optimizer": {"enabled": True, "runs": 200}},
            compiler="solc-0.8.19",
            on_demand=True,
            packages=(_MORPHO_PACKAGE,),
        ),
        SourceGroup(
            "aave",
            tuple(
                _AAVE + path
                for path in (
                    "helpers/AaveProtocolDataProvider.sol",
                    "instances/ATokenInstance.sol",
                    "instances/PoolConfiguratorInstance.sol",
                    "instances/PoolInstance.sol",
                    "instances/VariableDebtTokenInstance.sol",
                    "misc/AaveOracle.sol",
                    "misc/DefaultReserveInterestRateStrategyV2.sol",
                    "misc/PriceOracleSentinel.sol",
                    "protocol/configuration/ACLManager.sol",
                    "protocol/configuration/PoolAddressesProvider.sol",
                )
            ),
            (),
            settings={"evmVersion": "shanghai", "optimizer": {"enabled": True, "runs": 200}},
        ),
        _folder("portfolio", {**plain, "metadata": {"bytecodeHash": "none"}}),
        _folder("rehearsal", plain),
        _folder("deployer", {**plain, "metadata": {"bytecodeHash": "none"}}),
        _folder("devnet", plain, (_MORPHO_PACKAGE,)),
        _folder("test", plain),
    )


def artifact(name: str) -> Artifact:
    """The compiled contract of that name, compiling its group first where the cache has none. Raises BadInput
    for no such."""
    if name in _SHIPPED:
        return _shipped(name)
    if name in _INIT_CODES:
        return _init_code(name)
    for group in reversed(groups()):
        if group.may_have(name) and name in (compiled := compiled_group(group)):
            return compiled[name]
    raise BadInput(
        f"there is no contract named {name}",
        remedy="Look at the names in deploy/contracts and keeper/devnet/compile.py.",
    )


def compile_all(progress: Callable[[str], None]) -> None:
    """Fills the cache, all groups side by side; says what it compiles. Aave takes about 15 s."""
    missing = [group for group in _always() if not _cached(group).exists()]
    for group in missing:
        progress(f"compiling {group.name} contracts")
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as compilers:
        list(compilers.map(compiled_group, missing))


@cache
def _compiled(group_name: str, cached: Path) -> Mapping[str, Artifact]:
    if not cached.exists():
        group = next(group for group in groups() if group.name == group_name)
        with single_build(cached):
            if not cached.exists():
                unfinished = cached.with_suffix(".part")
                unfinished.write_text(json.dumps(_solc(group)))
                unfinished.replace(cached)
    return {
        name: Artifact(
            compiled["abi"], compiled["bytecode"], compiled["deployedBytecode"], links=compiled["links"]
        )
        for name, compiled in json.loads(cached.read_text()).items()
    }


def compiled_group(group: SourceGroup) -> Mapping[str, Artifact]:
    return _compiled(group.name, _cached(group))


def fingerprint() -> str:
    """Changes whenever any contract of the local chain would, or the node it runs on."""
    needed = [_cached(group).name for group in _always() if group.name != "test"]
    digest = hashlib.sha256(" ".join(needed).encode())
    for package in sorted({_package(path) for path in _SHIPPED.values()} | {"viem", "@foundry-rs/anvil"}):
        digest.update(_installed(package).read_bytes())
    return digest.hexdigest()[:16]


def _always() -> Iterator[SourceGroup]:
    return (group for group in groups() if not group.on_demand)


def _folder(name: str, settings: Mapping[str, Any], packages: tuple[str, ...] = ()) -> SourceGroup:
    folder = CONTRACTS / name
    return SourceGroup(
        name,
        tuple(str(file.relative_to(CONTRACTS)) for file in sorted(folder.rglob("*.sol"))),
        (folder,),
        settings=settings,
        packages=packages,
    )


def _package(path: str) -> str:
    """The npm package that a path in node_modules belongs to."""
    return "/".join(path.split("/")[: 2 if path.startswith("@") else 1])


def _installed(package: str) -> Path:
    """The file that names the package's version."""
    described = NODE_MODULES / package / "package.json"
    if not described.exists():
        raise BadInput(
            f"the npm package {package} is not installed",
            remedy="Run `make setup`, which installs the locked packages.",
        )
    return described


def _cached(group: SourceGroup) -> Path:
    digest = hashlib.sha256(json.dumps([group.sources, group.settings]).encode())
    digest.update((CONTRACTS / "compile.cjs").read_bytes())
    for package in (group.compiler, *_IMPORTED, *group.packages):
        digest.update(_installed(package).read_bytes())
    for place in group.inputs:
        for file in sorted(place.rglob("*.sol")) if place.is_dir() else [place]:
            digest.update(file.read_bytes())
    return cache_dir() / "contracts" / f"{group.name}-{digest.hexdigest()[:16]}.json"


def _solc(group: SourceGroup) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        raise BadInput("node is not on the PATH", remedy="Install Node 20, which runs the Solidity compiler.")
    job = json.dumps({"compiler": group.compiler, "sources": group.sources, "settings": group.settings})
    result = subprocess.run(  # noqa: S603 -- our own script, found above
        [node, str(CONTRACTS / "compile.cjs")],
        input=job,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if result.returncode != 0:
        raise CompilationFailed(
            f"the compiler ended with {result.returncode}: {result.stderr.strip()[-500:]}",
            remedy="Run `make setup`: the npm packages may be incomplete.",
        )
    answer: dict[str, Any] = json.loads(result.stdout)
    if "errors" in answer:
        raise CompilationFailed("\n".join(answer["errors"]), remedy="Mend the source it names.")
    contracts: dict[str, Any] = answer["contracts"]
    return contracts


@cache
def _shipped(name: str) -> Artifact:
    content = json.loads((NODE_MODULES / _SHIPPED[name]).read_text())
    if "compilerOutput" in content:
        compiled = content["compilerOutput"]
        code, deployed = (compiled["evm"][part]["object"] for part in ("bytecode", "deployedBytecode"))
        return Artifact(compiled["abi"], code, deployed, links={})
    bytecode = content.get("bytecode", "0x")
    links = content.get("linkReferences", {})
    return Artifact(content["abi"], bytecode, content.get("deployedBytecode", "0x"), links=links)


@cache
def _init_code(name: str) -> Artifact:
    package = NODE_MODULES / _ZODIAC / "dist" / "cjs"
    code = re.search(r'initCode = "(0x[0-9a-fA-F]+)"', (package / "initData" / f"{name}.js").read_text())
    if code is None:
        raise BadInput(
            f"the package {_ZODIAC} has no creation code of {name}",
            remedy="Run `make setup` to restore its locked version.",
        )
    abi = json.loads((package / "abi" / f"{name}.json").read_text())
    return Artifact(abi if isinstance(abi, list) else abi["abi"], code.group(1), "0x", links={})


def multicall3_bytecode() -> str:
    """Multicall3's creation code as the viem package carries it."""
    text = (NODE_MODULES / "viem/_cjs/constants/contracts.js").read_text()
    compiled = re.search(r"multicall3Bytecode = '(0x[0-9a-f]+)'", text)
    if compiled is None:
        raise BadInput(
            "the viem package has no multicall3Bytecode",
            remedy="Run `make setup` to restore its locked version.",
        )
    return compiled.group(1)


def described(name: str) -> dict[str, Any]:
    """What contracts_abi/ says of a contract that deploying needs. ``links``: library to the bytes where its address
    belongs."""
    compiled = artifact(name)
    places = {
        library: [spot["start"] for spot in spots]
        for libraries in compiled.links.values()
        for library, spots in libraries.items()
    }
    content: dict[str, Any] = {"contract": name, "source": _SHIPPED.get(name, ""), "abi": compiled.abi}
    if name in OWN:
        group = next(group for group in groups() if group.name == OWN[name])
        content["source"] = next(
            str(file.relative_to(ROOT)) for file in sorted(CONTRACTS.rglob("*.sol")) if file.stem == name
        )
        version = json.loads(_installed(group.compiler).read_text())["version"]
        content["compiler"] = {"version": version, "settings": group.settings}
    if name in WITH_RUNTIME:
        content["runtime"] = compiled.deployed_bytecode
    return {
        **content,
        "bytecode": compiled.bytecode,
        "links": places,
        "runtime_bytes": len(compiled.deployed_bytecode) // 2 - 1,
    }


def deployable() -> Mapping[str, Path]:
    """Everything that deploying needs, and its file in contracts_abi/."""
    return {name: ROOT / "contracts_abi" / f"{name}.json" for name in (*OWN, "TimelockController")}


def renew_json() -> None:
    """Writes these files from a fresh compile."""
    for name, path in deployable().items():
        path.write_text(json.dumps(described(name), indent=1) + "\n")


if __name__ == "__main__":
    for asked in sys.argv[1:]:
        sys.stdout.write(json.dumps(described(asked)))
    if not sys.argv[1:]:
        renew_json()
