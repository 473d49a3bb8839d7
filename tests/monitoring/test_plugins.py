"""Only the plugins of the operator's channels are loaded."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from keeper.monitoring.plugins import PLUGINS

PROGRAM = """
import sys
from keeper.monitoring.channels import AppriseChannels

def loaded():
    found = {name.split(".")[2] for name in sys.modules if name.startswith("apprise.plugins.")}
    return sorted(found - {"base"})

AppriseChannels(["json://127.0.0.1:9/"], "0x0")
print(loaded())
AppriseChannels(["json://127.0.0.1:9/", "tgram://123456789:abcdefghijklmnopqrstuvwxyz123456789/12345"], "0x0")
print(loaded())
print("requests_oauthlib" in sys.modules, "cryptography" in sys.modules)
AppriseChannels(["pbul://abcdefghijklmnopqrstuvwxyz123456"], "0x0")
print(len(loaded()) > 100)
"""


@pytest.mark.parametrize(("module", "schemes"), PLUGINS.items())
def test_the_table_is_that_of_apprise(module: str, schemes: tuple[str, ...]) -> None:
    content = vars(import_module(f"apprise.plugins.{module}"))
    plugins = [
        value
        for name, value in content.items()
        if name.startswith("Notify")
        and getattr(value, "__module__", "").startswith(f"apprise.plugins.{module}")
    ]
    answered = {
        scheme
        for plugin in plugins
        for named in (plugin.protocol, plugin.secure_protocol)
        for scheme in ((named,) if isinstance(named, str) else named or ())
    }
    assert set(schemes) == answered


@pytest.mark.slow
def test_a_channel_loads_its_own_plugin_and_an_unusual_one_every_plugin() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "['custom_json']",
        "['custom_json', 'telegram']",
        "False False",
        "True",
    ]
    assert done.stderr == ""
