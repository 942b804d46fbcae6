"""Damaged copies of files, the same at every run: what disks, networks and other programs do to them, and worse."""

from collections.abc import Iterator, Sequence

import numpy as np

HUGE = (0x7F, 0xFF, 0x80, 0x00)  # bytes that fill a field of lengths: 2^31 - 1, -1, -2^31 and 0 by their repeats
_NUMBERS = (b"1e9", b"-1", b"nan", b"inf", b"1e999", b"999999999999999999999", b"0", b"0x10", b"", b"\xef\xbc\x91")


def mutants(seeds: Sequence[bytes], count: int, *, seed: int = 0, head: int = 4096) -> Iterator[bytes]:
    """`count` damaged copies of some files.

    Args:
        seeds: Whole files; each takes its turn.
        count: How many copies.
        seed: Of the random numbers: the same ones give the same copies.
        head: Half of the damage falls into so many first bytes, where formats keep their headers.

    Yields:
        A copy with one to three faults, of any kind of `DAMAGES`.
    """
    random = np.random.default_rng(seed)
    for number in range(count):
        data = seeds[number % len(seeds)]
        for _ in range(random.integers(1, 4)):
            damage = DAMAGES[random.integers(len(DAMAGES))]
            data = damage(data, random, head if random.random() < 0.5 else len(data))
        yield data


def _place(data: bytes, random: np.random.Generator, head: int) -> int:
    return int(random.integers(max(1, min(len(data), head))))


def flip_bits(data: bytes, random: np.random.Generator, head: int) -> bytes:
    """1 to 16 bits are another."""
    changed = bytearray(data or b"\0")
    for _ in range(random.integers(1, 17)):
        changed[_place(changed, random, head)] ^= 1 << int(random.integers(8))
    return bytes(changed)


def truncate(data: bytes, random: np.random.Generator, head: int) -> bytes:
    """The end is missing."""
    return data[: _place(data, random, head)]


def splice(data: bytes, random: np.random.Generator, head: int) -> bytes:
    """A piece from elsewhere in the file stands in the place of another."""
    start, place = _place(data, random, len(data)), _place(data, random, head)
    piece = data[start : start + int(random.integers(1, 65))]
    return data[:place] + piece + data[place + len(piece) :]


def insert(data: bytes, random: np.random.Generator, head: int) -> bytes:
    """Random bytes are pushed in, so that all offsets behind them are wrong."""
    place = _place(data, random, head)
    return data[:place] + random.bytes(int(random.integers(1, 33))) + data[place:]


def remove(data: bytes, random: np.random.Generator, head: int) -> bytes:
    """A piece is missing."""
    place = _place(data, random, head)
    return data[:place] + data[place + int(random.integers(1, 65)) :]


def make_huge(data: bytes, random: np.random.Generator, head: int) -> bytes:
    """A field of 2, 4 or 8 bytes holds the highest number, the lowest, -1 or 0, in either byte order."""
    place, length = _place(data, random, head), int(random.choice((2, 4, 8)))
    first, rest = random.choice(HUGE), random.choice((0xFF, 0x00))
    field = bytes([first, *[rest] * (length - 1)])
    return data[:place] + (field if random.random() < 0.5 else field[::-1]) + data[place + length :]


def repeat(data: bytes, random: np.random.Generator, head: int) -> bytes:
    """A block is there several times."""
    place = _place(data, random, head)
    block = data[place : place + int(random.integers(1, 257))]
    return data[:place] + block * int(random.integers(2, 65)) + data[place + len(block) :]


def swap_bytes(data: bytes, random: np.random.Generator, head: int) -> bytes:
    """A piece is in the other byte order."""
    place, width = _place(data, random, head), int(random.choice((2, 4, 8)))
    piece = data[place : place + width * int(random.integers(1, 9))]
    piece = piece[: len(piece) // width * width]
    swapped = b"".join(piece[start : start + width][::-1] for start in range(0, len(piece), width))
    return data[:place] + swapped + data[place + len(piece) :]


def change_number(data: bytes, random: np.random.Generator, head: int) -> bytes:
    """Digits of a text are another number, or none at all."""
    start = place = _place(data, random, head)
    while start < len(data) and not 0x30 <= data[start] <= 0x39:
        start += 1
    end = start
    while end < len(data) and 0x30 <= data[end] <= 0x39:
        end += 1
    if end == start:
        return flip_bits(data, random, place + 1)
    return data[:start] + _NUMBERS[random.integers(len(_NUMBERS))] + data[end:]


def drop_line(data: bytes, random: np.random.Generator, head: int) -> bytes:
    """A line of a text is missing, there twice, or in the place of another."""
    lines = data.split(b"\n")
    first, second = random.integers(len(lines), size=2).tolist()
    kind = random.integers(3)
    if kind == 0:
        del lines[first]
    elif kind == 1:
        lines.insert(second, lines[first])
    else:
        lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


DAMAGES = (
    flip_bits,
    truncate,
    splice,
    insert,
    remove,
    make_huge,
    repeat,
    swap_bytes,
    change_number,
    drop_line,
)
