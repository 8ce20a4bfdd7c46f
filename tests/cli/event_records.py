# SPDX-License-Identifier: Apache-2.0
"""TensorBoard's event files taken apart by hand: records with their checksums, and the fields of the messages in them."""
import struct


def crc32c(data):
    """Bit by bit, unlike the program, which has a table."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(data):
    """The whole records at the front of `data`, and how many bytes are left over. A wrong checksum is an AssertionError."""
    found, at = [], 0
    while len(data) - at >= 12:
        length, check = struct.unpack_from("<QI", data, at)
        assert check == masked(data[at:at + 8]), f"length at {at}"
        if len(data) - at < length + 16:
            break
        payload = data[at + 12:at + 12 + length]
        assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked(payload), f"record at {at}"
        found.append(payload)
        at += length + 16
    return found, len(data) - at


def varint(data, at):
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(message):
    """[(number, value)] of a message: an int, a float or bytes."""
    found, at = [], 0
    while at < len(message):
        key, at = varint(message, at)
        if key & 7 == 0:
            value, at = varint(message, at)
        elif key & 7 == 2:
            size, at = varint(message, at)
            value, at = message[at:at + size], at + size
            assert len(value) == size
        else:
            size, code = {1: (8, "<d"), 5: (4, "<f")}[key & 7]
            value, at = struct.unpack_from(code, message, at)[0], at + size
        found.append((key >> 3, value))
    return found


def events(data):
    """[(step, {tag: a float, or a histogram's fields}, the other fields)] of an event file."""
    found = []
    for record in records(data)[0]:
        event, values = dict(fields(record)), {}
        for number, value in fields(event.pop(5, b"")):
            assert number == 1
            parts = dict(fields(value))
            values[parts[1].decode()] = parts[2] if 2 in parts else dict(fields(parts[5]))
        found.append((event.pop(2), values, event))
    return found
