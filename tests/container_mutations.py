"""Ways to spoil a file within a file, so that the spoiled part is reached: all around it is right again.

Zip archives, the header of safetensors, pickles, and messages of Protocol Buffers within one another. As in
`mutations`, a mutation is a function ``(content, rng, seeds) -> bytes``; some are made of others.
"""

import io
import json
import struct
import zipfile

from mutations import NUMBERS, replace_match

# -- zip and safetensors -----------------------------------------------------------------------------------


def in_zip(*inner):
    """A mutation of one file in a zip archive, whose checksums are then right again."""

    def in_zip_member(content, rng, seeds):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
        victim = rng.choice([i for i, (_, data) in enumerate(members) if data] * 3 + _pickles(members) * 9)
        spoil, out = rng.choice(inner), io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for i, (name, data) in enumerate(members):
                archive.writestr(name, spoil(data, rng, [data]) if i == victim else data)
        return out.getvalue()

    return in_zip_member


def _pickles(members):
    return [i for i, (name, _) in enumerate(members) if name.endswith(".pkl")]


def in_safetensors_header(*inner):
    """A mutation of the JSON at the beginning, or of the JSON within it; the length is right again."""

    def in_header(content, rng, seeds):
        length = int.from_bytes(content[:8], "little")
        header, body, spoil = content[8 : 8 + length], content[8 + length :], rng.choice(inner)
        header = _spoil_metadata(header, spoil, rng) if rng.random() < 0.5 else spoil(header, rng, [header])
        return struct.pack("<Q", len(header)) + header + body

    return in_header


def _spoil_metadata(header, spoil, rng):
    tree = json.loads(header)
    key, text = rng.choice(list(tree["__metadata__"].items()))
    tree["__metadata__"][key] = spoil(text.encode(), rng, [text.encode()]).decode("utf-8", "replace")
    return json.dumps(tree).encode()


# -- pickles ----------------------------------------------------------------------------------------------

OPCODES = bytes(range(256))
CALLS = (
    b"cos\nsystem\n(S'touch pickle-was-here'\ntR",
    b'cbuiltins\neval\n(S\'open("pickle-was-here", "w")\'\ntR',
    b"cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR",
    b"\x8c\x02os\x8c\x06system\x93\x8c\x05falsy\x85R",
    b"ccollections\nOrderedDict\n)R}b",
    b"cnumpy\nzeros\n(J\xff\xff\xff\x7ftR",
    b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft(K\x00K\x00t\x89NtR",
    b"(" * 2000,
    b"]q\x00h\x00a",
    b"P1\n",
    b"I" + b"9" * 5000 + b"\n",
    *(opcode + b"\xff\xff\xff\x7f" for opcode in (b"\x8b", b"T", b"r", b"B", b"X")),
    *(opcode + b"\xff" * 8 for opcode in (b"\x8d", b"\x8e", b"\x95", b"\x96")),
)


def insert_opcodes(content, rng, seeds):
    """Instructions of a pickle somewhere: a call, a huge length, or any one of them."""
    start = rng.randrange(len(content) + 1)
    return content[:start] + rng.choice((*CALLS, bytes([rng.choice(OPCODES)]))) + content[start:]


def replace_call(content, rng, seeds):
    """A name that a pickle asks for becomes another one."""
    names = rb"(?:torch|collections|builtins|numpy)[\w.]*\n\w+"
    new = rng.choice((b"os\nsystem", b"builtins\nexec", b"torch\nload", b"collections\nCounter", b"a\nb"))
    return replace_match(names, content, rng, new)


PICKLE = (insert_opcodes, replace_call)


# -- Protocol Buffers --------------------------------------------------------------------------------------


def varint(number):
    """A number of up to 64 bits in bytes with 7 bits each."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def write_varint(content, rng, seeds):
    """A varint in place of some bytes or between them."""
    number = varint(rng.choice((*NUMBERS, 1 << rng.randrange(64))) % (1 << 64))
    start = rng.randrange(min(len(content), rng.choice((16, 256, len(content)))))
    return content[:start] + number + content[start + rng.choice((0, 1, len(number))) :]


def in_message(*inner):
    """A mutation of a message within the message, however deep; all lengths around it are right again."""

    def in_inner_message(content, rng, seeds):
        fields = _parts(content)
        inner_ones = [i for i, part in enumerate(fields) if isinstance(part, tuple) and part[1]]
        if not inner_ones or rng.random() < 0.2:
            return rng.choice(inner)(content, rng, [content])
        i = rng.choice(inner_ones)
        key, payload = fields[i]
        fields[i] = key, in_inner_message(payload, rng, seeds)
        return b"".join(_joined(part) for part in fields)

    return in_inner_message


def _joined(part):
    return part if isinstance(part, bytes) else part[0] + varint(len(part[1])) + part[1]


def _parts(content):
    """The fields of a message: bytes, or (key, payload) where it has a length; none if it is no message."""
    parts, start = [], 0
    try:
        while start < len(content):
            key, value_start = _read_varint(content, start)
            if key & 7 == 2:
                length, payload_start = _read_varint(content, value_start)
                end = payload_start + length
                parts.append((content[start:value_start], content[payload_start:end]))
            else:
                end = {0: _read_varint(content, value_start)[1], 1: value_start + 8, 5: value_start + 4}[
                    key & 7
                ]
                parts.append(content[start:end])
            if end > len(content):
                return []
            start = end
    except (IndexError, KeyError):
        return []
    return parts


def _read_varint(content, start):
    number, shift = 0, 0
    while True:
        byte = content[start]
        number |= (byte & 127) << shift
        start, shift = start + 1, shift + 7
        if byte < 128:
            return number, start


PROTOBUF = (write_varint,)
