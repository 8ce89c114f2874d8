"""Reads QR codes as a scanner does that sees every module: versions 1 to 10, level L, text in
bytes (ISO/IEC 18004)."""

import re

# For each version: codewords of data and of correction in a block, and centres of alignment.
BLOCKS = {1: ([19], 7, []), 2: ([34], 10, [6, 18]), 3: ([55], 15, [6, 22]),
          4: ([80], 20, [6, 26]), 5: ([108], 26, [6, 30]), 6: ([68, 68], 18, [6, 34]),
          7: ([78, 78], 20, [6, 22, 38]), 8: ([97, 97], 24, [6, 24, 42]),
          9: ([116, 116], 30, [6, 26, 46]), 10: ([68, 68, 69, 69], 18, [6, 28, 50])}
MASKS = [lambda y, x: (y + x) % 2, lambda y, x: y % 2, lambda y, x: x % 3,
         lambda y, x: (y + x) % 3, lambda y, x: (y // 2 + x // 3) % 2,
         lambda y, x: y * x % 2 + y * x % 3, lambda y, x: (y * x % 2 + y * x % 3) % 2,
         lambda y, x: ((y + x) % 2 + y * x % 3) % 2]
LEVEL_L = 1


def modules(text):
    """The rows that half blocks draw, light on dark: True is dark. Gives None without a code."""
    rows = []
    for line in re.findall(r"^(?:\x1b\[97;40m)?([█▀▄ ]{20,})(?:\x1b\[0m)?$", text,
                           re.MULTILINE):
        rows.append([c in " ▄" for c in line])
        rows.append([c in " ▀" for c in line])
    if not rows:
        return None
    dark = [y for y, row in enumerate(rows) if any(row) and not all(row)]
    left = min(row.index(True) for row in rows[dark[0]:dark[-1] + 1] if True in row)
    size = len(rows[0]) - 2 * left
    return [row[left:left + size] for row in rows[dark[0]:dark[0] + size]]


def format_of(code):
    """(level, mask), from both places, which must agree and be in order."""
    size = len(code)
    near = [(8, x) for x in (0, 1, 2, 3, 4, 5, 7, 8)] + [(y, 8) for y in (7, 5, 4, 3, 2, 1, 0)]
    far = [(size - 1 - i, 8) for i in range(7)] + [(8, size - 8 + i) for i in range(8)]
    one, two = (int("".join(str(int(code[y][x])) for y, x in place), 2)
                for place in (near, far))
    assert one == two, "the two formats differ"
    bits = rest = one ^ 0b101010000010010
    for shift in range(4, -1, -1):
        if rest >> (shift + 10) & 1:
            rest ^= 0b10100110111 << shift
    assert rest == 0, "the format is damaged"
    return bits >> 13, bits >> 10 & 7


def is_fixed(version, y, x):
    """What carries no data: patterns, timing, format and version."""
    size, centres = 17 + 4 * version, BLOCKS[version][2]
    if (y < 9 and (x < 9 or x >= size - 8)) or (y >= size - 8 and x < 9) or 6 in (y, x):
        return True
    if version >= 7 and ((y < 6 and x >= size - 11) or (x < 6 and y >= size - 11)):
        return True
    corners = {(6, 6), (6, size - 7), (size - 7, 6)}
    return any(abs(y - a) <= 2 and abs(x - b) <= 2 for a in centres for b in centres
               if (a, b) not in corners)


def codewords(code, version, mask):
    size, bits = len(code), []
    columns = [x for x in range(size - 1, 0, -2)]
    columns = [x if x > 6 else x - 1 for x in columns]
    for i, right in enumerate(columns):
        for y in range(size) if i % 2 else range(size - 1, -1, -1):
            for x in (right, right - 1):
                if not is_fixed(version, y, x):
                    bits.append(code[y][x] ^ (MASKS[mask](y, x) == 0))
    return [int("".join(str(int(b)) for b in bits[i:i + 8]), 2)
            for i in range(0, len(bits) - 7, 8)]


def is_sound(block, correction):
    """Whether the block has all roots of the Reed-Solomon polynomial."""
    power, table = 1, []
    for _ in range(255):
        table.append(power)
        power = power << 1 ^ (0x11d if power & 0x80 else 0)

    def times(a, b):
        return table[(table.index(a) + table.index(b)) % 255] if a and b else 0
    for i in range(correction):
        value = 0
        for word in block:
            value = times(value, table[i]) ^ word
        if value:
            return False
    return True


def blocks_of(words, version):
    lengths, correction, _ = BLOCKS[version]
    blocks = [[] for _ in lengths]
    words = iter(words)
    for i in range(max(lengths)):
        for block, length in zip(blocks, lengths):
            if i < length:
                block.append(next(words))
    for _ in range(correction):
        for block in blocks:
            block.append(next(words))
    for block in blocks:
        assert is_sound(block, correction), "a block is damaged"
    return bytes(b for block, length in zip(blocks, lengths) for b in block[:length])


def decode(code):
    """The text of a code, given as rows of dark modules."""
    version, rest = divmod(len(code) - 17, 4)
    assert rest == 0 and version in BLOCKS and all(len(row) == len(code) for row in code)
    level, mask = format_of(code)
    assert level == LEVEL_L
    data = blocks_of(codewords(code, version, mask), version)
    bits = "".join(f"{b:08b}" for b in data)
    assert bits[:4] == "0100", "the text is not in bytes"
    wide = 8 if version < 10 else 16
    length = int(bits[4:4 + wide], 2)
    return bytes(int(bits[i:i + 8], 2)
                 for i in range(4 + wide, 4 + wide + 8 * length, 8)).decode()
