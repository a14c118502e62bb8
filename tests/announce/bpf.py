"""A machine for classic BPF, as `net/core/filter.c` runs it, for the instructions that we use."""

import struct
from collections.abc import Mapping

ANCILLARY = 0xFFFFF000


def run(program: bytes, frame: bytes, knows: Mapping[int, int]) -> int:
    """How many bytes of the frame are let through; `knows` is what lies at negative offsets."""
    steps = list(struct.iter_unpack("=HBBI", program))
    at = loaded = 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        match code:
            case 0x06:
                return int(value)
            case 0x05:
                at += value
            case 0x20 | 0x28 | 0x30:
                size = {0x20: 4, 0x28: 2, 0x30: 1}[code]
                if value >= ANCILLARY:
                    loaded = knows.get(value - ANCILLARY, 0)
                elif value + size > len(frame):
                    return 0
                else:
                    loaded = int.from_bytes(frame[value : value + size])
            case 0x15:
                at += yes if loaded == value else no
            case 0x35:
                at += yes if loaded >= value else no
            case 0x45:
                at += yes if loaded & value else no
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")
