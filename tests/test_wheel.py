"""The wheel, built and installed into an empty environment without any network."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from keeper import __version__
from keeper.domain.errors import WHEEL

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
DIST_INFO = f"riskparity_keeper-{__version__}.dist-info"


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.iterdir()
    assert built.name == WHEEL
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment that has the wheel and, of the outer one, only the dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    binaries = folder / "bin"
    run(binaries / "pip", "install", "--no-deps", "--no-index", "--quiet", wheel, cwd=folder)
    site = Path(
        run(binaries / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    )
    # A folder that a .pth file adds is searched last, and its own .pth files, as that of the editable keeper, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return binaries


def test_it_holds_the_package_its_types_its_licence_and_no_tests(wheel: Path) -> None:
    with ZipFile(wheel) as content:
        names = set(content.namelist())
        metadata = content.read(f"{DIST_INFO}/METADATA").decode()
    assert {"keeper/py.typed", "keeper/cli/main.py", "contracts_abi/Pool.json"} <= names
    assert f"{DIST_INFO}/licenses/LICENSE" in names
    assert not [name for name in names if name.startswith("tests/")]
    assert "License-Expression: MIT" in metadata


def test_the_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "keeper", "--version", cwd=tmp_path) == f"keeper {__version__}"


def test_it_is_the_wheel_that_runs_and_it_finds_its_contracts(installed: Path, tmp_path: Path) -> None:
    code = (
        "import keeper, keeper.chain.abi as abi; print(keeper.__file__, (abi.FOLDER / 'Pool.json').is_file())"
    )
    assert run(installed / "python", "-c", code, cwd=tmp_path).split() == [
        str(
            installed.parent
            / "lib"
            / f"python3.{sys.version_info.minor}"
            / "site-packages"
            / "keeper"
            / "__init__.py"
        ),
        "True",
    ]


def test_settings_are_shown_from_any_folder(installed: Path, tmp_path: Path) -> None:
    assert "target_volatility" in run(installed / "keeper", "config", "show", cwd=tmp_path)
