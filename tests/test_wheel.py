"""The wheel, built and installed without any network into an environment that has only what the servers' lock lists."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

from keeper import __version__
from keeper.cli.app import COMMANDS, MODULES
from keeper.domain.errors import WHEEL

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DIST_INFO = f"riskparity_keeper-{__version__}.dist-info"
SHIPPED = "keeper/shipped/"
MENTIONED = re.compile(r"(?<![\w/])((?:docs|deploy)/[\w./-]*\w|\.env\.example|contracts_abi/\w+\.json)")
CHECKOUT_ONLY = {"deploy/contracts"}
"""What only the local chain reads: it says so where it is missing."""


def run(*command: str | Path, cwd: Path, exit_code: int = 0) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return (done.stdout + done.stderr).strip()


def runtime_files() -> Iterator[Path]:
    """What the packages of requirements-runtime.lock have in site-packages here: folders and single modules."""
    lock = (ROOT / "requirements-runtime.lock").read_text(encoding="utf-8")
    for name in re.findall(r"^([a-z0-9][\w.-]*)==", lock, flags=re.MULTILINE):
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform
        site = Path(str(package.locate_file("")))
        tops = {file.parts[0] for file in package.files or () if ".." not in file.parts}
        yield from (site / top for top in tops - {"__pycache__"})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.iterdir()
    assert built.name == WHEEL
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment with the wheel and the packages of the servers' lock, nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    binaries = folder / "bin"
    run(binaries / "pip", "install", "--no-deps", "--no-index", "--quiet", wheel, cwd=folder)
    for file in runtime_files():
        link = site_packages(binaries) / file.name
        if not link.exists():
            link.symlink_to(file)
    return binaries


def site_packages(binaries: Path) -> Path:
    return binaries.parent / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"


def test_it_holds_the_package_its_contracts_documents_and_licences_and_no_tests(wheel: Path) -> None:
    with ZipFile(wheel) as content:
        names = set(content.namelist())
        metadata = content.read(f"{DIST_INFO}/METADATA").decode()
    assert {"keeper/py.typed", "keeper/cli/main.py"} <= names
    assert {f"{DIST_INFO}/licenses/LICENSE", f"{DIST_INFO}/licenses/NOTICE"} <= names
    assert {f"{SHIPPED}deploy/contracts/portfolio/Rebalancer.sol", f"{SHIPPED}README.md"} <= names
    for folder, pattern in (("contracts_abi", "*.json"), ("docs", "*.md"), ("deploy", "*.service")):
        files = {str(file.relative_to(ROOT)) for file in (ROOT / folder).rglob(pattern)}
        assert {SHIPPED + file for file in files} <= names
    assert {name.partition("/")[0] for name in names} == {"keeper", DIST_INFO}
    assert not [name for name in names if "test" in name.split("/")]
    assert "License-Expression: MIT" in metadata
    assert "Requires-Python: >=3.11" in metadata


def test_everything_that_a_message_names_is_in_it(wheel: Path) -> None:
    with ZipFile(wheel) as content:
        names = set(content.namelist())
        sources = [name for name in names if name.endswith(".py")]
        named = {
            mention for source in sources for mention in MENTIONED.findall(content.read(source).decode())
        }
    assert {"docs/settings.md", ".env.example", "deploy/vault.example.toml"} <= named
    places = [name.removeprefix(SHIPPED) for name in names]
    missing = {
        mention
        for mention in named - CHECKOUT_ONLY
        if not any(place == mention or place.startswith(mention + "/") for place in places)
    }
    assert not missing


def test_the_command_says_its_version_and_where_its_documents_are(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "keeper", "--version", cwd=tmp_path) == f"keeper {__version__}"
    help_text = re.sub(r"\s", "", run(installed / "keeper", "--help", cwd=tmp_path))
    assert str(site_packages(installed) / "keeper" / "shipped") in help_text


def test_every_command_can_be_imported_with_what_a_server_has(installed: Path, tmp_path: Path) -> None:
    code = f"import importlib\nfor name in {sorted({MODULES.get(name, name) for name in COMMANDS})}: importlib.import_module('keeper.cli.' + name)"
    run(installed / "python", "-c", code, cwd=tmp_path)
    assert "keeper.toml" in run(installed / "keeper", "init", "--help", cwd=tmp_path)


def test_it_is_the_wheel_that_runs_and_it_finds_its_contracts(installed: Path, tmp_path: Path) -> None:
    code = "import keeper, keeper.chain.abi as abi; print(keeper.__file__, abi.load('Pool')['getReserveData'].signature)"
    assert run(installed / "python", "-c", code, cwd=tmp_path).split() == [
        str(site_packages(installed) / "keeper" / "__init__.py"),
        "getReserveData(address)",
    ]


def test_settings_are_shown_from_any_folder(installed: Path, tmp_path: Path) -> None:
    assert "target_volatility" in run(installed / "keeper", "config", "show", cwd=tmp_path)


def test_what_needs_a_checkout_or_an_extra_says_so(installed: Path, tmp_path: Path) -> None:
    assert "Clone the repository" in run(installed / "keeper", "devnet", cwd=tmp_path, exit_code=2)
    code = (
        "from pathlib import Path; from keeper.domain.errors import BadInput; from keeper.runtime import table_files\n"
        "try: table_files.is_parquet(Path('costs.parquet'))\nexcept BadInput as error: print(error.remedy)"
    )
    assert f"{WHEEL}[research]" in run(installed / "python", "-c", code, cwd=tmp_path)
