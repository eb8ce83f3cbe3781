"""A trail of decisions: whoever changes it later can be found out."""

from pathlib import Path

import orjson
import pytest

from aistack.cli.parser import main
from aistack.errors import SettingsError
from aistack.trail import BEGINNING, BrokenChain, Link, Trail, follow


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A trail of five decisions."""
    path = tmp_path / "decisions.jsonl"
    write(path, *"abcde")
    return path


def write(path: Path, *names: str) -> Link:
    trail = Trail(path)
    links = [trail.append({"object": name, "verdict": "allowed"}) for name in names]
    trail.close()
    return links[-1]


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def broken(path: Path) -> str:
    with pytest.raises(BrokenChain) as found:
        follow(lines(path))
    return str(found.value)


def test_each_record_holds_the_digest_of_the_one_before(file: Path) -> None:
    records = [orjson.loads(line) for line in lines(file)]
    assert [record["sequence"] for record in records] == [1, 2, 3, 4, 5]
    assert records[0]["previous"] == BEGINNING
    assert [record["previous"] for record in records[1:]] == [record["digest"] for record in records[:-1]]


def test_a_process_that_starts_anew_goes_on_where_the_last_one_ended(file: Path) -> None:
    chain = follow(lines(file))
    assert write(file, "f") == follow(lines(file)).end
    assert follow(lines(file)).end.sequence == chain.end.sequence + 1 == 6


def test_a_changed_record_is_found(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b'"c"', b'"x"'))
    assert broken(file).startswith("line 3 was changed")


def test_a_changed_record_with_a_new_digest_is_found_by_the_next(file: Path) -> None:
    forged = file.with_name("forged")
    write(forged, "a", "b", "x")
    file.write_bytes(b"".join([*lines(forged), *lines(file)[3:]]))
    assert broken(file).startswith("line 4 does not follow")


@pytest.mark.parametrize(
    ("why", "order"), [("taken out", [0, 1, 3, 4]), ("put in", [0, 1, 1, 2]), ("swapped", [0, 2, 1])]
)
def test_a_record_that_is_moved_is_found(file: Path, why: str, order: list[int]) -> None:
    whole = lines(file)
    file.write_bytes(b"".join(whole[index] for index in order))
    assert "does not follow" in broken(file), why


@pytest.mark.parametrize("missing", [1, 10, 90], ids=["its end of line", "its end", "most of it"])
def test_a_record_that_a_crash_tore_is_kept_in_the_next_and_the_chain_goes_on(
    file: Path, missing: int
) -> None:
    torn = lines(file)[-1][:-missing]
    file.write_bytes(file.read_bytes()[:-missing])
    assert broken(file) == "line 5 is no whole record"
    write(file, "f")
    chain = follow(lines(file))
    assert (chain.end.sequence, chain.torn) == (6, (5,))
    assert orjson.loads(lines(file)[4])["torn"].encode() == torn
    assert orjson.loads(lines(file)[5])["object"] == "f"


def test_a_process_goes_on_after_a_record_of_any_length(file: Path) -> None:
    write(file, "f" * 200_000)
    write(file, "g")
    assert follow(lines(file)).end.sequence == 7


@pytest.mark.parametrize("torn", [b'{"object":"a', b"\0\0\0"], ids=["half of it", "nothing of it"])
def test_the_first_record_may_be_the_torn_one(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(torn)
    write(path, "b")
    assert follow(lines(path)).torn == (1,)


@pytest.mark.parametrize(
    "content", [b"notes", b"notes\n", b'{"kind":"List"}', b'{"kind":"List"}\n', b'{"kind":"List"}\nmore']
)
def test_a_file_that_holds_something_else_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="name another file"):
        Trail(path)
    assert path.read_bytes() == content


def test_the_command_says_whether_it_is_whole(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = follow(lines(file)).end.digest
    assert main(["audit", "verify", str(file), f"--last={last}"]) == 0
    assert "5 decisions, unbroken" in capsys.readouterr().out
    file.write_bytes(b"".join(lines(file)[:-1]))
    assert main(["audit", "verify", str(file)]) == 0, "what follows is unknown"
    assert main(["audit", "verify", str(file), f"--last={last}"]) == 1
    assert "records are missing at the end" in "".join(capsys.readouterr().out.split("\n")).replace("  ", " ")
    assert main(["audit", "verify", str(file.with_name("none"))]) == 2


def test_the_command_names_what_was_torn(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(file.read_bytes()[:-10])
    write(file, "f")
    assert main(["audit", "verify", str(file)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "line 5 holds a record that a crash tore" in told
    assert "5 decisions, unbroken" in told
