"""Specs are read exactly, and every mistake in one is told with its file and line."""

from decimal import Decimal
from pathlib import Path

import pytest

from domain.grid.spec import Direction
from workers.cli.failures import BadInputError
from workers.cli.specs import parse_text, read_pair, read_spec

EXAMPLES = Path(__file__).parents[3] / "examples"
PAIR = EXAMPLES / "first-pair.yaml"
#: What is no grid is read by the tests of its own commands.
GRIDS = sorted({*EXAMPLES.glob("*.yaml")} - {PAIR, EXAMPLES / "portfolio.yaml"})

GOOD = "symbol: BTC/USDT:USDT\ninterval: 30\namount: 200\n"


def _refused(text: str) -> str:
    with pytest.raises(BadInputError) as caught:
        parse_text(text, "my.yaml")
    return str(caught.value)


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.name)
def test_every_example_is_a_spec(path: Path) -> None:
    assert read_spec(str(path)).symbol == "BTC/USDT:USDT"


def test_the_example_of_a_pair_is_a_spec_of_a_pair() -> None:
    spec = read_pair(str(PAIR))
    assert [leg.symbol for leg in spec.legs] == ["BTC/USDT", "BTC/USDT:USDT"]
    with pytest.raises(BadInputError, match="first is no field of a grid"):
        read_spec(str(PAIR))


@pytest.mark.parametrize(
    "written", ["0.10", "0.1000000000000000055511151231257827", "1e-7", "123456789.123456789"]
)
def test_a_number_is_the_text_that_was_written(written: str) -> None:
    spec = parse_text(f"symbol: BTC/USDT\ninterval: {written}\namount: 200\n", "x")
    assert spec.interval is not None
    assert spec.interval.as_tuple() == Decimal(written).as_tuple()


def test_a_number_that_begins_with_zero_is_no_octal_one() -> None:
    assert parse_text("symbol: BTC/USDT\ninterval: 010\namount: 200\n", "x").interval == 10


def test_whole_numbers_and_switches_keep_their_meaning() -> None:
    spec = parse_text(f"{GOOD}buy_window: 4\npost_only: {{enabled: no}}\ndirection: short\n", "x")
    assert (spec.buy_window, spec.post_only.enabled) == (4, False)
    assert spec.direction is Direction.SHORT


def test_json_is_read_too() -> None:
    text = '{"symbol": "BTC/USDT", "interval": 30.50, "amount": "200"}'
    assert parse_text(text, "x.json").interval == Decimal("30.50")


def test_an_empty_file_says_what_a_grid_needs() -> None:
    for text in ("", "\n\n", "# only a remark\n"):
        assert "my.yaml is empty: a grid needs at least symbol" in _refused(text)


def test_a_syntax_error_names_file_line_and_column() -> None:
    told = _refused("symbol: BTC/USDT\ninterval: [30\namount: 200\n")
    assert told.startswith("my.yaml:3:")
    assert "no YAML" in told


def test_a_tab_is_a_syntax_error_and_no_traceback() -> None:
    assert _refused("symbol: BTC/USDT\n\tinterval: 30\n").startswith("my.yaml:2:")


def test_an_unknown_field_suggests_the_nearest_one_with_its_line() -> None:
    told = _refused(f"{GOOD}intervall: 3\n")
    assert told == "my.yaml:4: intervall is no field of a grid: did you mean interval?"


def test_an_unknown_field_inside_another_is_found_too() -> None:
    told = _refused(f"{GOOD}skew:\n  faktor: 0.5\n")
    assert told == "my.yaml:5: skew.faktor is no field of a grid: did you mean factor?"


def test_an_unknown_field_that_resembles_none_lists_the_known_ones() -> None:
    assert "known: symbol, account" in _refused(f"{GOOD}zzz: 1\n")


def test_a_wrong_value_is_told_with_its_line_and_what_it_was() -> None:
    told = _refused("symbol: BTC/USDT\ninterval: 30\namount: -5\n")
    assert told.startswith("my.yaml:3: amount: ")
    assert "'-5'" in told


def test_a_wrong_value_inside_another_field_is_told_with_its_line() -> None:
    told = _refused(f"{GOOD}adaptive:\n  scale: 1\n  period: 1\n")
    assert told.startswith("my.yaml:6: adaptive.period: ")


def test_several_mistakes_are_told_at_once() -> None:
    told = _refused("symbol: btc\ninterval: x\namount: 0\n").splitlines()
    assert [line.split(": ")[1] for line in told] == ["symbol", "interval", "amount"]


def test_a_field_that_is_there_twice_is_refused() -> None:
    assert _refused(f"{GOOD}amount: 300\n") == "my.yaml:4: amount stands here twice: keep one"


@pytest.mark.parametrize("text", ["30\n", "- a\n- b\n", "just words\n"])
def test_something_that_is_no_mapping_is_refused(text: str) -> None:
    assert "must hold fields such as" in _refused(text)


@pytest.mark.parametrize("text", [".nan", ".inf", "-.inf"])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    assert "interval" in _refused(f"symbol: BTC/USDT\ninterval: {text}\namount: 200\n")


def test_a_tag_that_would_run_code_is_refused() -> None:
    assert "no YAML" in _refused("symbol: !!python/object/apply:os.system ['true']\n")


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="does not exist"):
        read_spec(str(tmp_path / "none.yaml"))
    with pytest.raises(BadInputError, match="cannot be read"):
        read_spec(str(tmp_path))
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError, match="no text in UTF-8"):
        read_spec(str(binary))
    huge = tmp_path / "h.yaml"
    huge.write_bytes(b"# x\n" * 100_000)
    with pytest.raises(BadInputError, match="larger than any spec"):
        read_spec(str(huge))
