"""
TOML documents at random, valid and not: `Documents(seed).document()` is one, as bytes.

Most follow the grammar, with few names, so that keys, headers, dots, inline tables and arrays of
tables meet each other in every order. Some are damaged afterwards.

`structures(3)` are all documents of three statements that make tables.
"""

import itertools
import random

BARE = ["a", "b", "c", "d", "a-b", "_", "3", "1e2", "true", "nan", "1979-05-27", "0x1"]
QUOTED = ['"a"', "'a'", '"b"', '""', "''", "'a.b'", '"\\u0061"', '"é"', "'é'", '"\\t"', '"日本"',
          '"#"', "'\"'"]
TEXT = ["x", "a b", "é", "日本", "😀", "#", "'", "=", "[", "]]", "{", "}", ",", "\t", "~", "\u0080",
        "\u200b", "\ufeff", "\U0010ffff", "\u2028", "\u0085"]
ESCAPES = ["\\b", "\\t", "\\n", "\\f", "\\r", '\\"', "\\\\", "\\u00e9", "\\U0001F600", "\\u0000",
           "\\u007F", "\\uFFFE", "\\U0010FFFF"]
BAD_ESCAPES = ["\\a", "\\x41", "\\e", "\\u12", "\\uD800", "\\U00110000", "\\'", "\\ ",
               "\\U0000000g", "\\/"]
INTS = ["0", "+0", "-0", "1", "+1", "-17", "1_000", "1_2_3", "99", "9223372036854775807",
        "-9223372036854775808", "0x0", "0xdead_BEEF", "0o755", "0o0", "0b1", "0b1_0", "0x00ff",
        "0x7fffffffffffffff"]
BAD_INTS = ["01", "+01", "1_", "_1", "1__0", "0x", "0X1", "+0x1", "-0b1", "0o8", "0b2", "0x_1",
            "0xg", "9223372036854775808", "-9223372036854775809", "0x8000000000000000", "1 2",
            "--1", "+-1", "0_1", "1,000", "0b", "0o_7", "1_e1", "+_1"]
FLOATS = ["1.0", "+1.0", "-0.01", "5e+22", "1e06", "-2E-2", "6.626e-34", "224_617.445_991_228",
          "inf", "+inf", "-inf", "nan", "+nan", "-nan", "-0.0", "0e0", "1e00", "3.0e0_1",
          "1.7976931348623157e308", "1e999", "4.9e-324", "1e-999", "0.1", "123456789012345678.0",
          "0.30000000000000004"]
BAD_FLOATS = ["1.", ".1", "1.e1", "1._1", "1_.1", "1.1_", "1e", "1e_1", "1e1_", "01.1", "+.1",
              "Inf", "NaN", "inF", "1.1.1", "0x1.8p1", "1e1.1", "1e+", "-.5", "+ 1.0",
              "infinity", "00.1", "-01.0"]
TIMES = ["1979-05-27T07:32:00Z", "1979-05-27T00:32:00-07:00", "1979-05-27T00:32:00.999999-07:00",
         "1979-05-27 07:32:00Z", "1979-05-27T07:32:00", "1979-05-27 00:32:00.5", "1979-05-27",
         "07:32:00", "00:32:00.999999", "2000-02-29", "1979-05-27t07:32:00z", "0001-01-01",
         "9999-12-31", "23:59:59.123456789", "1979-05-27T07:32:00+23:59",
         "1979-05-27T07:32:00-00:00"]
BAD_TIMES = ["1979-5-27", "1979-05-27T", "1979-05-27T07:32", "07:32", "24:00:00", "23:60:00",
             "1979-02-29", "1979-13-01", "1979-00-01", "1979-01-00", "1900-02-29",
             "1979-05-27T07:32:00+24:00", "07:32:00.", "1979-05-27T07:32:00+0100",
             "1979-05-27T07:32:00 Z", "1979-05-27  07:32:00", "7:32:00",
             "1979-05-27T07:32:00Z+01:00", "07:32:00Z", "1979-05-27Z", "19790-05-27",
             "1979-05-27T07:32:00z1", "1979-05-27 ", "1979-05-27T7:32:00",
             "1979-05-27T07:32:00.1.1", "1979-04-31", "07:32:61", "1979-05-27T07:32:00+01",
             "1979-05-27T07:32:00-1:00", "1979-05-27T07:32:00+01:60"]
WORDS = ["true", "false"]
BAD_WORDS = ["True", "FALSE", "null", "yes", "", "word", "tru", "truefalse", "#", "=", "$"]
DAMAGE = ["\r", "\x00", "\x07", "\x7f", "\x0b", "\x0c", "\x1b", "\u00a0", "\ufeff", "\n", "\r\n",
          '"', "'", '"""', "'''", "[", "]", "{", "}", ",", "=", ".", "#", "\\", " ", "\t", "_",
          "-", "0", "a"]


# What makes tables, in every way, of few names.
STATEMENTS = ["[a]", "[a.b]", "[[a]]", "[[a.b]]", "[a.b.c]", "[[a.b.c]]", "[b]", "a=1", "a={}",
              "a=[]", "a=[{}]", "a.b=1", "a.b={}", "b=1", "b.c=1", "a.b.c=1", "b={c=1}",
              "a={b={}}", "b.c.d=1", "a={b.c=1}", "a.b=[]", "b.c=[{}]", "a={b.c=1,b.d=2}",
              "a={b=1,b.c=2}", "a={b={},b.c=1}", "a=[{b=1},{b.c=2}]"]


def structures(count):
    """Every document of so many statements."""
    for lines in itertools.product(STATEMENTS, repeat=count):
        yield "\n".join(lines).encode()


class Documents:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.newline = "\n"
        self.wrong = 0.0

    def pick(self, *choices):
        return self.random.choice(choices)

    def chance(self, p):
        return self.random.random() < p

    # ---- words ----

    def space(self):
        return self.pick("", "", " ", " ", "  ", "\t", " \t ")

    def comment(self):
        if not self.chance(0.2):
            return ""
        return "#" + "".join(self.pick(*TEXT) for _ in range(self.random.randrange(4)))

    def lines(self):
        """What may stand between two elements of an array."""
        return "".join(self.space() + self.comment() + self.newline
                       for _ in range(self.pick(0, 0, 0, 1, 1, 2))) + self.space()

    def text(self, quote):
        """What is between the quotes."""
        is_long = len(quote) == 3
        parts = []
        for _ in range(self.pick(0, 1, 1, 2, 3, 8)):
            kind = self.random.randrange(8)
            if kind == 0 and is_long:
                parts.append(self.newline)
            elif kind == 1 and is_long:
                parts.append(quote[0] * self.pick(1, 1, 2, 2, 3))
            elif kind <= 3 and quote[0] == '"':
                if self.chance(self.wrong):
                    parts.append(self.pick(*BAD_ESCAPES))
                elif is_long and self.chance(0.3):
                    parts.append("\\" + self.pick("", " ", "\t ") + self.newline
                                 + self.pick("", " ", self.newline + "  "))
                else:
                    parts.append(self.pick(*ESCAPES))
            else:
                parts.append(self.pick(*TEXT))
        text = "".join(parts)
        if not is_long and quote == "'":
            text = text.replace("'", "")
        if self.chance(0.1) and is_long:
            text = self.newline + text
        return text

    def string(self):
        quote = self.pick('"', "'", '"""', "'''")
        return quote + self.text(quote) + quote

    def word(self):
        """A value that has no others in it."""
        good, bad = self.pick((INTS, BAD_INTS), (FLOATS, BAD_FLOATS), (TIMES, BAD_TIMES),
                              (WORDS, BAD_WORDS))
        if self.chance(self.wrong):
            return self.pick(*bad)
        if good is INTS and self.chance(0.3):
            return str(self.random.randrange(-2**63, 2**63))
        if good is FLOATS and self.chance(0.3):
            return repr(self.random.uniform(-1, 1) * 10 ** self.random.randrange(-320, 308))
        return self.pick(*good)

    # ---- values ----

    def array(self, depth):
        out = "[" + self.lines()
        count = self.pick(0, 1, 2, 3)
        for i in range(count):
            out += self.value(depth + 1) + self.lines()
            if i + 1 < count or self.chance(0.3):
                out += "," + self.lines()
        return out + "]"

    def inline(self, depth):
        pairs = [self.pair(depth + 1) for _ in range(self.pick(0, 1, 2, 3))]
        wrong = self.chance(self.wrong)
        tail = self.pick(",", self.newline, "," + self.newline, "#") if wrong else ""
        return "{" + self.space() + ("," + self.space()).join(pairs) + tail + self.space() + "}"

    def value(self, depth=0):
        kind = self.random.randrange(10)
        if depth < 4 and kind == 0:
            return self.array(depth)
        if depth < 4 and kind == 1:
            return self.inline(depth)
        return self.string() if kind < 5 else self.word()

    # ---- keys ----

    def key(self):
        if self.chance(self.wrong * 0.3):
            return self.pick("", "a b", "é", '"""a"""', "a=", "[a]", "'a", "a#", '"\n"', "a$")
        return self.pick(*BARE) if self.chance(0.8) else self.pick(*QUOTED)

    def path(self):
        keys = [self.key() for _ in range(self.pick(1, 1, 1, 1, 2, 2, 3))]
        return "".join(k if i == 0 else self.space() + "." + self.space() + k
                       for i, k in enumerate(keys))

    def pair(self, depth=0):
        return self.path() + self.space() + "=" + self.space() + self.value(depth)

    # ---- lines ----

    def header(self):
        if self.chance(0.4):
            return "[[" + self.space() + self.path() + self.space() + "]]"
        return "[" + self.space() + self.path() + self.space() + "]"

    def line(self):
        kind = self.random.randrange(12)
        if kind == 0:
            return ""
        return self.space() + (self.header() if kind < 5 else self.pair())

    def damage(self, text):
        for _ in range(self.pick(1, 1, 1, 2, 4)):
            at, kind = self.random.randrange(len(text) + 1), self.random.randrange(5)
            if kind == 0:
                text = text[:at] + text[at + self.pick(1, 1, 2, 5):]
            elif kind == 1:
                text = text[:at] + self.pick(*DAMAGE) + text[at:]
            elif kind == 2:
                text = text[:at] + self.pick(*DAMAGE) + text[at + 1:]
            elif kind == 3:
                end = at + self.random.randrange(1, 30)
                text = text[:at] + text[at:end] * 2 + text[end:]
            else:
                text = text[:at]
        return text

    def document(self):
        self.newline = self.pick("\n", "\n", "\n", "\r\n")
        self.wrong = self.pick(0, 0, 0, 0.02, 0.1, 0.3)
        count = self.pick(0, 1, 2, 3, 4, 6, 10)
        text = "".join(self.line() + self.space() + self.comment() + self.newline
                       for _ in range(count))
        if self.chance(0.3):
            text = text.removesuffix(self.newline)
        if self.chance(0.25):
            text = self.damage(text)
        out = text.encode()
        if self.chance(0.02):
            at = self.random.randrange(len(out) + 1)
            wrong = self.pick(b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xe9", b"\xf4\x90\x80\x80")
            out = out[:at] + wrong + out[at:]
        if self.chance(0.05):
            out = "\ufeff".encode() + out
        return out
