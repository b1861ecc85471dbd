from pathlib import Path

import pytest

from spikeformers import energy
from spikeformers.core.errors import ConfigError
from spikeformers.energy.hardware import HOROWITZ_45NM, TABLES, prices

GOOD = """
name: mine
source: measured at home
formats:
  fp32: {mac: 4.0, ac: 1.0}
levels: {sram: 0.5}
"""


def test_horowitz_gives_the_constants_that_papers_use() -> None:
    assert HOROWITZ_45NM.price("mac") == pytest.approx(4.6)
    assert HOROWITZ_45NM.price("ac") == 0.9
    assert HOROWITZ_45NM.price("mac", "int8") == pytest.approx(0.23)
    assert HOROWITZ_45NM.price("mac", "int8_acc32") == pytest.approx(0.3)
    assert HOROWITZ_45NM.price("mac", "fp16") == pytest.approx(1.5)
    assert HOROWITZ_45NM.levels["sram_8kb"] == pytest.approx(0.156, abs=1e-3)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_shipped_table_has_a_source_and_prices_an_accumulate(name: str) -> None:
    table = prices(name)
    assert len(table.source) > 20
    assert table.price("ac")
    assert list(table.levels.values()) == sorted(table.levels.values())


def test_the_interpolated_node_lies_between_its_neighbors() -> None:
    for primitive in ("mac", "ac"):
        small, middle, large = (
            TABLES[n].price(primitive) for n in ("jouppi_7nm", "interpolated_28nm", "horowitz_45nm")
        )
        assert small < middle < large


def test_a_users_table_is_read_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    table = prices(path)
    assert (table.name, table.price("mac"), table.price("special"), table.levels) == ("mine", 4.0, None, {"sram": 0.5})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("name: mine", "nam: mine"), "did you mean 'name'"),
        (("source: measured at home", ""), "'source' is missing"),
        (("mac: 4.0", "mca: 4.0"), "did you mean 'mac'"),
        (("mac: 4.0", "mac: -1"), "0 or more; got -1"),
        (("mac: 4.0", "mac: cheap"), "number of picojoules"),
        (("sram: 0.5", "sram: yes"), "levels.sram"),
        (("name: mine", "name: mine\npartial: some"), "partial must be true or false"),
        (("name: mine", "name: mine\nnotes: 3"), "notes must be a list"),
        ((GOOD, "- 1"), "not a mapping"),
        ((GOOD, "a: [b"), "not valid YAML"),
    ],
)
def test_a_broken_table_is_refused_with_the_reason(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(ConfigError, match=message):
        prices(path)


def test_a_missing_file_and_an_unknown_name_or_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        prices(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="did you mean 'loihi'"):
        prices("loihii")
    with pytest.raises(ConfigError, match="no number format 'int9'"):
        HOROWITZ_45NM.price("mac", "int9")


def test_a_table_is_had_from_the_package() -> None:
    assert energy.prices("horowitz_45nm") is HOROWITZ_45NM
