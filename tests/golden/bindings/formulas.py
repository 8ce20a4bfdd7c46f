# SPDX-License-Identifier: Apache-2.0
"""The inputs of the golden set, as README.md defines them; exact in integers and in float32."""


def hash_of(tag, i):
    m = (tag * 7919 + i * 104729 + 1) % 1000003
    return m * m % 1000003


def fill(tag, i, scale):
    return (hash_of(tag, i) % 1009 - 504) * scale


def token(tag, i, vocab_size):
    return (i * i + hash_of(tag, i) % 3) % vocab_size
