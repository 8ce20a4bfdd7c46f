# SPDX-License-Identifier: Apache-2.0
"""Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"), addressed by seed, name and index."""

_MASK = 0xFFFFFFFF


def philox4x32(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c[0], 2 ** 32)
        high1, low1 = divmod(0xCD9E8D57 * c[2], 2 ** 32)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) & _MASK, (k[1] + 0xBB67AE85) & _MASK]
    return c


# The known answers of the paper's library, Random123.
assert philox4x32([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox4x32([_MASK] * 4, [_MASK] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


def fnv1a64(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2 ** 64
    return value


def bits(seed, name, index):
    stream = fnv1a64(name.encode())
    words = philox4x32([index & _MASK, index >> 32, stream & _MASK, stream >> 32], [seed & _MASK, seed >> 32])
    return words[1] << 32 | words[0]


def below(seed, name, index, bound):
    return bits(seed, name, index) * bound >> 64


def uniform(seed, name, index):
    return (bits(seed, name, index) >> 11) * 2.0 ** -53
