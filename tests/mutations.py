"""Ways to spoil a file: single bytes, whole blocks, and the structure of text. For files within files see
`container_mutations`.

A mutation is a function ``(content, rng, seeds) -> bytes``: it takes a whole file, a `random.Random`, and the
other valid files of the same format. It is named by its function. What a mutation gives is decided by the
generator alone, so that a failure can be made again from its number. Where a file has not the structure that
a mutation is for, perhaps because it is spoiled already, the mutation raises some exception.
"""

import json
import re

NUMBERS = (0, 1, -1, 127, 128, 255, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**62, 2**63 - 1)


# -- bytes -------------------------------------------------------------------------------------------------


def flip_bits(content, rng, seeds):
    """1 to 8 bits somewhere."""
    spoiled = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        spoiled[rng.randrange(len(spoiled))] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def set_bytes(content, rng, seeds):
    """1 to 8 bytes next to one another."""
    start = rng.randrange(len(content))
    new = rng.randbytes(rng.randint(1, 8))
    return content[:start] + new + content[start + len(new) :]


def insert_bytes(content, rng, seeds):
    start = rng.randrange(len(content) + 1)
    return content[:start] + rng.randbytes(rng.randint(1, 32)) + content[start:]


def delete_block(content, rng, seeds):
    start, stop = _block(content, rng)
    return content[:start] + content[stop:]


def repeat_block(content, rng, seeds):
    start, stop = _block(content, rng)
    return content[:stop] + content[start:stop] * rng.randint(1, 3) + content[stop:]


def swap_blocks(content, rng, seeds):
    a, b, c, d = sorted(rng.randrange(len(content) + 1) for _ in range(4))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def cut_off(content, rng, seeds):
    return content[: rng.randrange(len(content))]


def write_number(content, rng, seeds):
    """A number at which programs break, little endian, in 1, 2, 4 or 8 bytes; more often near the start."""
    size = rng.choice((1, 2, 4, 8))
    number = rng.choice((*NUMBERS, 1 << rng.randrange(64))) % (1 << 8 * size)
    start = rng.randrange(min(len(content), rng.choice((16, 256, len(content)))))
    return content[:start] + number.to_bytes(size, "little") + content[start + size :]


def splice(content, rng, seeds):
    """The beginning of one file and the end of another."""
    other = rng.choice(seeds)
    return content[: rng.randrange(len(content))] + other[rng.randrange(len(other)) :]


def _block(content, rng):
    length = rng.randint(1, min(len(content), rng.choice((4, 64, 1024))))
    start = rng.randrange(len(content) - length + 1)
    return start, start + length


BYTES = (flip_bits, set_bytes, insert_bytes, delete_block, repeat_block)
BYTES += (swap_blocks, cut_off, write_number, splice)


# -- text --------------------------------------------------------------------------------------------------

WORDS = (b"", b"0", b"-0", b"-1", b"1e999", b"-1e999", b"1e-400", b"NaN", b"Infinity", b"-Infinity", b"nan")
WORDS += (b"inf", b"2147483648", b"9223372036854775808", b"9" * 400, b"9" * 5000, b"0x10", b"1_0", b"true")
WORDS += (b"null", b"\xef\xbc\x91", b"\x00", b"\xff\xfe", b"1,5", b" 1 ", b"\xd9\xa1", b'"', b"<", b"&#0;")


def replace_number(content, rng, seeds):
    """A number of the text becomes a word that is not, or hardly, one."""
    return replace_match(rb"-?\d+(\.\d+)?", content, rng, rng.choice(WORDS))


def replace_word(content, rng, seeds):
    """A name becomes another name of the same text, or something odd."""
    names = re.findall(rb"[A-Za-z_]{2,}", content)
    return replace_match(rb"[A-Za-z_]{2,}", content, rng, rng.choice([*names[:200], *WORDS]))


def replace_match(pattern, content, rng, new):
    match = rng.choice(list(re.finditer(pattern, content)))
    return content[: match.start()] + new + content[match.end() :]


def nest(content, rng, seeds):
    """Brackets or elements within one another, up to a hundred thousand deep."""
    opening, closing = rng.choice(
        ((b"[", b"]"), (b'{"a":', b"}"), (b"<object>", b"</object>"), (b"<a>", b"</a>"))
    )
    depth = rng.choice((10, 500, 1500, 100_000))
    start = rng.randrange(len(content) + 1)
    return content[:start] + opening * depth + b"1" + closing * rng.choice((depth, 0)) + content[start:]


TEXT = (replace_number, replace_word, nest)


# -- JSON --------------------------------------------------------------------------------------------------

VALUES = (
    None,
    True,
    False,
    0,
    -1,
    -0.0,
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    2**31,
    2**63,
    -(2**64),
    10**400,
)
VALUES += ("", "x" * 5000, "\ud800", "\0", "../../etc/passwd", "NaN", [], {}, [[]], [None], [1, 2], {"id": 1})


def replace_value(content, rng, seeds):
    """One value anywhere becomes one of another kind, or moves, or is there twice."""
    tree = json.loads(content)
    places = list(_places(tree))
    holder, key = rng.choice(places)
    other_holder, other_key = rng.choice(places)
    holder[key] = rng.choice((rng.choice(VALUES), other_holder[other_key], [holder[key]] * 2))
    return json.dumps(tree).encode()


def repeat_key(content, rng, seeds):
    """A key is there twice, with two values."""
    key = rng.choice(list(re.finditer(rb'"[A-Za-z_]+"\s*:', content)))
    value = json.dumps(rng.choice(VALUES)).encode()
    return content[: key.start()] + key.group() + value + b"," + content[key.start() :]


def _places(tree):
    """Every (list or dictionary, position or key) of a tree."""
    for key in range(len(tree)) if isinstance(tree, list) else list(tree) if isinstance(tree, dict) else ():
        yield tree, key
        yield from _places(tree[key])


JSON = (replace_value, repeat_key)


# -- XML ---------------------------------------------------------------------------------------------------

BOMB = b"".join(b'<!ENTITY e%d "%s">' % (i, b"&e%d;" % (i - 1) * 10) for i in range(1, 10))
DOCTYPES = (
    b'<!DOCTYPE a [<!ENTITY e0 "ha">%s]>' % BOMB,
    b'<!DOCTYPE a [<!ENTITY e9 "%s">]>' % (b"h" * 100_000),
    b'<!DOCTYPE a [<!ENTITY e9 SYSTEM "file:///etc/passwd">]>',
    b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
    b'<!DOCTYPE a [<!ENTITY % e SYSTEM "file:///etc/passwd"> %e;]>',
    b'<!DOCTYPE a [<!ENTITY e9 "&e9;">]>',
)
PROLOGUES = tuple(
    f'<?xml version="1.0" encoding="{name}"?>'.encode()
    for name in ("utf-16", "utf-7", "latin-1", "idna", "hex", "punycode", "unknown", "utf-8-sig", "\0")
)
NODES = (b"&e9;", b"&nothing;", b"&#xD800;", b"<![CDATA[<x>]]>", b"<!-- -- -->", b"<?pi?>", b"<name/>")
NODES += (b'<object id="1" id="2">', b"<bndbox></bndbox>", b"<x:y>1</x:y>", b"]]>", b"<size/>")


def declare(content, rng, seeds):
    """A document type or an encoding before the first element; entities of it are used."""
    used = replace_match(rb">[^<>]+<", content, rng, b">" + b"&e9;" * rng.choice((1, 100)) + b"<")
    return rng.choice((*DOCTYPES, *PROLOGUES)) + rng.choice((content, used))


def insert_node(content, rng, seeds):
    return replace_match(rb"(?<=>)", content, rng, rng.choice(NODES))


def move_element(content, rng, seeds):
    """An element is gone, twice there, or in the place of another."""
    elements = list(re.finditer(rb"<(\w+)>[^<]*</\1>", content))
    one, other = rng.choice(elements), rng.choice(elements)
    new = rng.choice((b"", one.group() * 2, other.group()))
    return content[: one.start()] + new + content[one.end() :]


XML = (declare, insert_node, move_element)
