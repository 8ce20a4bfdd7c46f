# SPDX-License-Identifier: Apache-2.0
"""Includes point left only: core <- ops <- moe <- model, core <- data, {model, data} <- train <- {analysis, exchange} <- capi."""
import re

# What each room may include, itself among them.
ROOMS = {"core": {"core"}}
ROOMS["ops"] = ROOMS["core"] | {"ops"}
ROOMS["moe"] = ROOMS["ops"] | {"moe"}
ROOMS["model"] = ROOMS["moe"] | {"model"}
ROOMS["data"] = ROOMS["core"] | {"data"}
ROOMS["train"] = ROOMS["model"] | ROOMS["data"] | {"train"}
ROOMS["analysis"] = ROOMS["train"] | {"analysis"}
ROOMS["exchange"] = ROOMS["train"] | {"exchange"}

C_ABI = ("minimoe.h", "minimoe.hpp")
# Third-party headers that the public headers never show: the library depends on them only inside.
PRIVATE = re.compile(r"^(nlohmann|hwy|Random123|mbedtls|CLI|toml\+\+)/|^zlib\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SUFFIXES = {".c", ".cc", ".cpp", ".h", ".hpp", ".i"}


def room_of_header(header):
    """`minimoe/core/error.hpp` and `core/sha256.hpp` are of room core; None: not a header of the core library."""
    parts = header.split("/")
    if parts[0] == "minimoe" and len(parts) > 1:
        return parts[1] if parts[1] in ROOMS else "minimoe"
    return parts[0] if len(parts) > 1 and parts[0] in ROOMS else None


def breach(path, header, quoted, private):
    """Why `path` may not include `header`; None when it may. `private`: the names of capi's own headers."""
    room = room_of_header(header)
    public = path.parts[0] == "include"
    if "xtensor/" in header and path.parts[0] != "tests" and not path.match("include/minimoe/core/tensor.hpp"):
        return "only include/minimoe/core/tensor.hpp knows where xtensor's headers are"
    if public and PRIVATE.search(header):
        return "public headers show no third-party header but xtensor's"
    if ".." in header.split("/"):
        return "an include names the path from its root, without .."
    if public or path.parts[0] == "src":
        inside = path.parts[2 if public else 1:]
        own = inside[0] if len(inside) > 1 else None  # directly in include/minimoe: for users, includes any room
        if public and quoted and not header.startswith("minimoe/"):
            return "public headers include public headers only (minimoe/...)"
        if own in ROOMS and room is not None and room not in ROOMS[own]:
            return f"{own} may include {', '.join(sorted(ROOMS[own]))}"
        if quoted and room is None:
            return "a header of ours is named by its room (minimoe/core/..., core/...)"
    elif path.parts[0] == "bindings":
        if room is not None or header.endswith(C_ABI[1]):
            return f"bindings include {C_ABI[0]} only"
    elif path.parts[0] == "examples":
        if room is not None or header in private:
            return f"examples include {' or '.join(C_ABI)} only"
    return None


def breaches(texts):
    private = {p.name for p in texts if p.parts[0] == "capi" and p.suffix in SUFFIXES} - set(C_ABI)
    for path, text in texts.items():
        if path.suffix not in SUFFIXES or path.parts[0] not in {"include", "src", "capi", "examples", "bindings"}:
            continue
        for number, line in enumerate(text.split("\n"), 1):
            match = INCLUDE.match(line)
            beside = match and match[1] == '"' and path.parent / match[2] in texts
            reason = match and breach(path, match[2], match[1] == '"', set() if beside else private)
            if reason:
                yield f"{path}:{number}: includes {match[2]}; {reason}"
