"""
Our TOML and Python's tomllib agree about documents made at random: whether each is one, and what
it says. TOML 1.0.0 leaves these differences, or tomllib is not as the text:

* A byte order mark at the beginning is accepted by us, not by tomllib. The text does not mention
  it; TOML 1.1 says that it should be ignored.
* A whole number beyond 64 bits is an error here. The text requires an error if a number cannot be
  represented without loss; Python's numbers have no bound.
* A leap second, 23:59:60, and the year 0000 are times for RFC 3339, to which the text refers, but not
  for Python's datetime.
* Digits of a second beyond the sixth are kept by us and cut by tomllib; the text allows both.
* Bounds of text/toml.h: size, depth and number of nodes.
"""

import datetime
import json
import math
import os
import re
import subprocess
import time
import tomllib

import pytest

from lib.toml_documents import Documents, structures


class Printer:
    """Our parser, as a program: documents in, trees as JSON out (tests/toml/toml_json.c)."""

    def __init__(self, argv):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, document):
        self.process.stdin.write(b"%d\n%s" % (len(document), document))
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the parser ended on {document!r}"
        return json.loads(line, object_pairs_hook=self.members)

    @staticmethod
    def members(pairs):
        assert len(dict(pairs)) == len(pairs), f"a key stands twice: {pairs}"
        return dict(pairs)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=10) == 0


@pytest.fixture
def printer(adit):
    path = os.path.join(os.path.dirname(adit.argv[0]), "../tests/toml_json")
    if not os.path.exists(path):
        pytest.skip("toml_json is not built")
    printer = Printer([path])
    yield printer
    printer.close()


class TooLarge(Exception):
    """A number beyond 64 bits."""


def number_of(text):
    value = float(text)
    return "nan" if math.isnan(value) else value.hex()


def time_of(text):
    """As tomllib has it: T and Z in upper case, at most six digits of a second."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text.upper().replace(" ", "T"))
    if text[2] == ":":
        return datetime.time.fromisoformat(text).isoformat()
    if len(text) == 10:
        return datetime.date.fromisoformat(text).isoformat()
    return datetime.datetime.fromisoformat(text).isoformat()


def ours(value):
    """What our parser has said, in a form that can be compared."""
    if isinstance(value, list):
        return [ours(v) for v in value]
    if value.keys() == {"type", "value"} and isinstance(value["type"], str):
        kind, text = value["type"], value["value"]
        if kind == "float":
            return kind, number_of(text)
        return kind, time_of(text) if re.match("date|time", kind) else text
    return {k: ours(v) for k, v in value.items()}


def theirs(value):
    if isinstance(value, dict):
        return {k: theirs(v) for k, v in value.items()}
    if isinstance(value, list):
        return [theirs(v) for v in value]
    if isinstance(value, bool):
        return "bool", "true" if value else "false"
    if isinstance(value, int):
        if not -2**63 <= value < 2**63:
            raise TooLarge
        return "integer", str(value)
    if isinstance(value, float):
        return "float", number_of(repr(value))
    if isinstance(value, str):
        return "string", value
    if isinstance(value, datetime.datetime):
        return "datetime" if value.tzinfo else "datetime-local", value.isoformat()
    return "date-local" if isinstance(value, datetime.date) else "time-local", value.isoformat()


def expected(document):
    """What tomllib says: a tree, or the error."""
    try:
        return theirs(tomllib.loads(document.removeprefix(b"\xef\xbb\xbf").decode()))
    except TooLarge:
        return "a number is too large"
    except ValueError as e:  # also of UTF-8 and of times
        return str(e)


# Times that tomllib does not take.
LENIENT = re.compile(rb":60|\b0000-")


def compare(printer, document):
    """A sentence about a disagreement, or None."""
    said, want = printer.read(document), expected(document)
    error = said[0]["error"] if isinstance(said, list) else None
    if error is None and isinstance(want, str):
        return None if LENIENT.search(document) else f"accepted, but tomllib: {want}"
    if error is not None:
        return None if isinstance(want, str) else f"refused: {error}"
    said = ours(said)
    return None if said == want else f"read as {said}, by tomllib as {want}"


def search(printer, seed, seconds):
    documents = Documents(seed)
    end = time.monotonic() + seconds
    count = good = 0
    while time.monotonic() < end:
        document = documents.document()
        words = compare(printer, document)
        assert words is None, f"seed {seed}, document {count}: {document!r}: {words}"
        count += 1
        good += isinstance(expected(document), dict)
    print(f"seed {seed}: {count} documents, {good} of them valid")
    return count, good


def test_random_documents_are_read_as_tomllib_reads_them(printer):
    count, good = search(printer, 1, 3)
    assert count > 100 and count / 5 < good < count * 4 / 5


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tables_are_built_and_refused_as_by_tomllib(printer, count):
    for document in structures(count):
        words = compare(printer, document)
        assert words is None, f"{document!r}: {words}"


@pytest.mark.slow
def test_many_random_documents_are_read_as_tomllib_reads_them(printer):
    search(printer, int(os.environ.get("SEED", time.time())),
           float(os.environ.get("SECONDS", 120)))
