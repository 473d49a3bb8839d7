from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper.domain.errors import InvalidSetting
from keeper.settings.endpoints import endpoints
from keeper.settings.load import load, load_strategy, load_variant
from keeper.settings.schema import Settings

VAULT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
KEY = "0x" + "5e" * 32


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_without_any_source_the_shipped_strategy_is_in_force() -> None:
    assert Settings() == load()


def test_a_strategy_file_in_the_working_directory_is_read(bare: Path) -> None:
    write(bare / "keeper.toml", "[size]\ntarget_volatility = 0.5\n")
    assert load().size.target_volatility == 0.5


def test_a_strategy_file_may_give_a_part_of_a_table(bare: Path) -> None:
    write(bare / "keeper.toml", "[decision.urgency.routine]\nmax_gas_price_gwei = 10\n")
    row = load().decision.urgency.routine
    assert (row.max_gas_price_gwei, row.max_slippage_bps, row.cooldown_s) == (10, 50, 3600)


def test_the_environment_wins_over_dotenv_over_deployment_over_strategy_file(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = {"rpc_url": "http://from.deployment", "chain_id": 31337, "quoter": VAULT, "vault": VAULT}
    write(bare / "deployment.json", json.dumps(deployment))
    write(
        bare / ".env",
        "KEEPER_DEPLOYMENT=deployment.json\nKEEPER_RPC_URL=http://from.dotenv\nKEEPER_CHAIN_ID=7\n",
    )
    write(bare / "keeper.toml", "[size]\nmax_leverage = 1.1\nidle_buffer = 0.2\n")
    monkeypatch.setenv("KEEPER_RPC_URL", "http://from.environment")
    monkeypatch.setenv("KEEPER_SIZE__MAX_LEVERAGE", "1.3")
    settings = load()
    assert settings.rpc_url == "http://from.environment"
    assert settings.chain_id == 7
    assert settings.vault == VAULT
    assert (settings.size.max_leverage, settings.size.idle_buffer) == (1.3, 0.2)


def test_every_mistake_is_listed_at_once_with_field_value_and_meaning(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(bare / "keeper.toml", "[size]\ntarget_volatility = 80\n[decision]\nrisk_share_band = -1\n")
    monkeypatch.setenv("KEEPER_CHAIN_ID", "mainnet")
    with pytest.raises(InvalidSetting) as caught:
        load()
    message = caught.value.message
    assert "3 settings are wrong" in message
    assert "size.target_volatility = 80 (keeper.toml)" in message
    assert "0.80 is 80 %" in message
    assert "decision.risk_share_band = -1" in message
    assert "KEEPER_CHAIN_ID = mainnet (environment)" in message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "written", "meant"),
    [
        ("[size]\ntarget_volatilty = 0.5\n", "size.target_volatilty", "size.target_volatility"),
        ("[sizes]\nmax_leverage = 1.5\n", "sizes", "size"),
        ("[decision.urgency.routine]\ncooldown = 5\n", "decision.urgency.routine.cooldown", "cooldown_s"),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest_name(
    bare: Path, text: str, written: str, meant: str
) -> None:
    write(bare / "keeper.toml", text)
    with pytest.raises(InvalidSetting, match=rf"{written} .*is not a setting. Did you mean .*{meant}"):
        load()


def test_a_misspelt_variable_is_refused_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_RPCURL", "http://127.0.0.1:8545")
    with pytest.raises(InvalidSetting, match=r"KEEPER_RPCURL is not a setting. Did you mean KEEPER_RPC_URL"):
        load()


def test_a_misspelt_value_of_a_table_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_SIZE__MAX_LEVERAG", "1")
    with pytest.raises(InvalidSetting, match=r"KEEPER_SIZE__MAX_LEVERAG .*Did you mean size.max_leverage"):
        load()


def test_a_variable_of_another_part_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_DATA_DIR", "/somewhere")
    assert Settings() == load()


def test_endpoints_and_secrets_are_refused_in_the_strategy_file(bare: Path) -> None:
    write(bare / "keeper.toml", f'private_key = "{KEY}"\n')
    with pytest.raises(InvalidSetting, match="private_key does not belong into the strategy file") as caught:
        load()
    assert "KEEPER_PRIVATE_KEY" in caught.value.remedy
    assert KEY not in str(caught.value.message) + caught.value.remedy


def test_a_mistyped_address_fails_its_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_VAULT", VAULT[:-1] + "8")
    with pytest.raises(InvalidSetting, match=r"KEEPER_VAULT = 0x.*not an Ethereum address"):
        load()


def test_a_lower_case_address_is_taken_and_checksummed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_VAULT", VAULT.lower())
    assert load().vault == VAULT


def test_budgets_must_sum_to_one(bare: Path) -> None:
    assets = "".join(f'[[assets]]\nsymbol = "{symbol}"\nbudget = 0.3\n' for symbol in ("A", "B", "C"))
    write(bare / "keeper.toml", assets)
    with pytest.raises(InvalidSetting, match=r"assets: the budgets sum to 0\.9, not 1") as refusal:
        load()
    assert "In the same proportions they are A 0.3333, B 0.3333, C 0.3333" in refusal.value.message


def test_an_asset_may_not_be_listed_twice(bare: Path) -> None:
    write(
        bare / "keeper.toml",
        '[[assets]]\nsymbol = "A"\nbudget = 0.5\n[[assets]]\nsymbol = "A"\nbudget = 0.5\n',
    )
    with pytest.raises(InvalidSetting, match="A is listed twice"):
        load()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[decision]\nact_health_factor = 1.35\n", "must rise in this order: 1.35, 1.3, 1.45"),
        ("[decision]\nout_of_band = 0.01\n", "out_of_band 0.01 is below risk_share_band"),
        (
            '[decision]\ntriggers = ["age", "leverage", "age"]\n',
            "triggers: age is listed twice",
        ),
        ("[decision.urgency.emergency]\nmax_slippage_bps = 10\n", "may not fall"),
        ("[estimate]\nhistory_s = 3600\n", "history_s 3600"),
        ("[size]\nmin_health_factor = 1.1\n", "alert_health_factor 1.3 is above"),
    ],
)
def test_values_that_contradict_each_other_are_refused(bare: Path, text: str, named: str) -> None:
    write(bare / "keeper.toml", text)
    with pytest.raises(InvalidSetting, match=named):
        load()


def test_not_a_number_is_refused(bare: Path) -> None:
    write(bare / "keeper.toml", "[size]\nidle_buffer = nan\n")
    with pytest.raises(InvalidSetting, match="idle_buffer"):
        load()


def test_a_raw_key_is_accepted_on_the_development_chain_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_PRIVATE_KEY", KEY)
    monkeypatch.setenv("KEEPER_CHAIN_ID", "1")
    with pytest.raises(InvalidSetting, match="accepted on chain id 31337 only, not on 1") as caught:
        load()
    assert KEY not in caught.value.message
    monkeypatch.setenv("KEEPER_CHAIN_ID", "31337")
    loaded = load().private_key
    assert loaded is not None
    assert loaded.get_secret_value() == KEY


def test_a_broken_strategy_file_names_the_line(bare: Path) -> None:
    write(bare / "keeper.toml", "[size\n")
    with pytest.raises(InvalidSetting, match=r"keeper.toml: not TOML .*line 1"):
        load()


def test_a_dotenv_file_that_is_no_text_is_named_by_its_own_name(bare: Path) -> None:
    (bare / ".env").write_bytes(b"KEEPER_VAULT=\xff\n")
    with pytest.raises(InvalidSetting, match=r"^\.env: cannot be read .*at byte 13") as caught:
        load()
    assert "to another" not in caught.value.remedy


@pytest.mark.parametrize("name", ["KEEPER_CONFIG", "KEEPER_DEPLOYMENT"])
def test_a_file_that_is_not_there_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "nowhere")
    with pytest.raises(InvalidSetting, match=rf"{name} = nowhere: cannot be read"):
        load()


def test_a_deployment_file_that_is_not_json_is_named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(bare / "deployment.json", "{")
    monkeypatch.setenv("KEEPER_DEPLOYMENT", "deployment.json")
    with pytest.raises(InvalidSetting, match=r"deployment.json: not a JSON object"):
        load()


def test_missing_endpoints_are_listed_together() -> None:
    with pytest.raises(InvalidSetting) as caught:
        endpoints(Settings())
    assert caught.value.message == "missing: KEEPER_RPC_URL, KEEPER_CHAIN_ID, KEEPER_VAULT"
    assert "KEEPER_DEPLOYMENT" in caught.value.remedy


def test_a_strategy_for_research_is_read_without_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[size]\ntarget_volatility = 0.5\n")
    monkeypatch.setenv("KEEPER_SIZE__TARGET_VOLATILITY", "0.9")
    monkeypatch.setenv("KEEPER_CHAIN_ID", "1")
    settings = load_strategy(file)
    assert settings.size.target_volatility == 0.5
    assert settings.chain_id is None


def test_a_variant_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[size]\ntarget_volatility = 0.5\nmax_leverage = 1.5\n")
    settings = load_variant(file, {"size.target_volatility": 0.6, "decision.urgency.routine.recentring": 0.5})
    assert settings.size.target_volatility == 0.6
    assert settings.size.max_leverage == 1.5
    assert settings.decision.urgency.routine.recentring == 0.5


@pytest.mark.parametrize("name", ["target_volatility", "keystore.path", "size.targt_volatility"])
def test_a_variant_of_what_is_no_setting_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidSetting, match=name.rpartition(".")[2]):
        load_variant(None, {name: 0.6})


def test_a_strategy_file_that_is_not_there_is_named_by_its_option(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="--strategy = "):
        load_strategy(tmp_path / "nope.toml")


MODIFIER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
KEEPERS_ROLE = "0x" + b"keeper".ljust(32, b"\0").hex()


@pytest.mark.parametrize("role", ["keeper", KEEPERS_ROLE, KEEPERS_ROLE.upper().replace("X", "x")])
def test_a_role_is_given_by_its_name_or_as_its_bytes(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_ROLES_MODIFIER", MODIFIER)
    monkeypatch.setenv("KEEPER_ROLE", role)
    assert load().role == KEEPERS_ROLE


@pytest.mark.parametrize("role", ["k" * 32, "rôle", "a\ttab"])
def test_what_is_no_role_is_refused(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_ROLES_MODIFIER", MODIFIER)
    monkeypatch.setenv("KEEPER_ROLE", role)
    with pytest.raises(InvalidSetting, match="KEEPER_ROLE = .*neither a name of at most 31"):
        load()


def test_a_modifier_without_a_role_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_ROLES_MODIFIER", MODIFIER)
    with pytest.raises(InvalidSetting, match="KEEPER_ROLES_MODIFIER and KEEPER_ROLE are both set"):
        load()
