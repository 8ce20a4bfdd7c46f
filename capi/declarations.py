# SPDX-License-Identifier: Apache-2.0
"""What minimoe.h declares, read from its text, with the part that each parameter plays.

The header is written in a narrow style on purpose (one declaration a function, MINIMOE_API before it, fixed-width types), so
a few regular expressions read all of it; whatever they do not understand is an error, never skipped.
"""
import dataclasses
import re

COMMENT = r"/\*(?:(?!\*/).)*\*/"
NUMBERS = {"int32_t", "uint32_t", "int64_t", "uint64_t", "size_t", "double"}
ELEMENTS = {"char", "float", "int32_t", "int64_t", "uint8_t", "uint16_t"}
CSTRINGS = {"kinds", "name", "path", "split"}


class DeclarationError(Exception):
    pass


@dataclasses.dataclass
class Parameter:
    type: str  # as declared, without blanks before stars: "const char*"
    name: str
    role: str = ""
    group: int = -1  # parameters that belong together (a pointer and its counts) share a number

    @property
    def target(self):
        """The type pointed to, without const."""
        return self.type.rstrip("*").replace("const", "").strip()


@dataclasses.dataclass
class Function:
    name: str
    returns: str
    parameters: list
    doc: str  # "" when there is none

    @property
    def fallible(self):
        return self.returns == "minimoe_status"


@dataclasses.dataclass
class Header:
    functions: list
    handles: list
    structs: dict  # name -> list of (type, name, length or "")
    callbacks: list
    constants: dict  # macro -> value

    def function(self, name):
        return next(f for f in self.functions if f.name == name)


def tight(text):
    """One blank between words, none before a star."""
    return re.sub(r"\s+\*", "*", re.sub(r"\s+", " ", text)).strip()


def split_declarator(text, where):
    match = re.fullmatch(r"((?:const )?\w+(?: ?\*+)?) ?(\w+)", re.sub(r"\*(?=\w)", "* ", tight(text)))
    if not match:
        raise DeclarationError(f"{where}: cannot read '{text.strip()}'")
    return tight(match[1]), match[2]


def doc_text(comment):
    """The words of a /** comment */."""
    body = re.sub(r"^/\*\*<?|\*/$", "", comment)
    return re.sub(r"\s+", " ", re.sub(r"\n\s*\*", "\n", body)).strip()


def read_functions(text):
    functions = []
    pattern = rf"(?P<doc>/\*\*(?!<)(?:(?!\*/).)*\*/)?\s*^MINIMOE_API\s+(?P<head>[^;()]+)\((?P<list>[^;()]*)\)\s*;"
    for match in re.finditer(pattern, text, re.S | re.M):
        returns, name = split_declarator(match["head"], match["head"])
        inside = match["list"].strip()
        parameters = []
        if inside != "void":
            parameters = [Parameter(*split_declarator(p, name)) for p in inside.split(",")]
        functions.append(Function(name, returns, parameters, doc_text(match["doc"] or "")))
    return functions


def read_struct_fields(body, where):
    fields = []
    for line in filter(None, (part.strip() for part in body.split(";"))):
        match = re.fullmatch(r"(.*?)(?:\[(\d+)\])?", tight(line))
        kind, name = split_declarator(match[1], where)
        fields.append((kind, name, match[2] or ""))
    return fields


def parse(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    functions = read_functions(text)
    code = re.sub(COMMENT, " ", text, flags=re.S)
    declared = len(re.findall(r"^MINIMOE_API\b", code, re.M))
    if declared != len(functions):
        raise DeclarationError(f"{declared} functions are declared, {len(functions)} were understood")
    structs = {m[1]: read_struct_fields(m[2], m[1])
               for m in re.finditer(r"typedef struct (\w+) \{([^}]*)\} \1;", code)}
    handles = re.findall(r"typedef struct (\w+) \1;", code)
    callbacks = re.findall(r"typedef [\w ]+\**\s?\(\*(\w+)\)\(", code)
    if code.count("typedef") != len(structs) + len(handles) + len(callbacks) + 1:  # 1: minimoe_status
        raise DeclarationError("a typedef was not understood")
    constants = {m[1]: int(m[2]) for m in re.finditer(r"^#define (\w+) (-?\d+)\s*$", code, re.M)}
    header = Header(functions, handles, structs, callbacks, constants)
    for function in functions:
        assign_roles(function, header)
    return header


def assign_roles(function, header):
    """Gives every parameter its role, or says which rule of naming it breaks."""
    left = list(function.parameters)
    group = 0

    def take(*wanted):
        """Takes parameters off the front when they have these (role, type, name)s."""
        nonlocal left, group
        if [(p.type, p.name) for p in left[:len(wanted)]] != [(t, n) for _, t, n in wanted]:
            return False
        for parameter, (role, _, _) in zip(left, wanted):
            parameter.role, parameter.group = role, group
        left, group = left[len(wanted):], group + 1
        return True

    while left:
        kind, name, target = left[0].type, left[0].name, left[0].target
        known = False
        if target in header.handles:
            known = (take(("new_handle", f"{target}**", "out")) or take(("cancel", "minimoe_cancel_token*", "cancel"))
                     or (noun_fits(target, name) and take(("handle", kind, name))))
        elif target == "minimoe_error":
            known = take(("err", "minimoe_error*", "err"))
        elif target == "minimoe_options" and kind.startswith("const"):
            known = take(("options", "const minimoe_options*", "options"))
        elif target in header.structs:
            known = (take(("structs", f"{target}*", name), ("struct_size", "size_t", f"{name}_size"),
                          ("structs_cap", "size_t", f"{name}_cap"), ("structs_count", "size_t*", f"{name}_count"))
                     or take(("struct", f"{target}*", name), ("struct_size", "size_t", f"{name}_size")))
        elif kind in header.callbacks:
            known = take(("callback", kind, name), ("user_data", "void*", "user_data"))
        elif kind == "const char*" and name in CSTRINGS:
            known = take(("cstring", kind, name))
        elif kind == "const char*":
            known = take(("text", kind, name), ("count", "size_t", f"{name}_len"))
        elif kind.startswith("const") and target in ELEMENTS:
            known = take(("input", kind, name), ("count", "size_t", f"num_{name}"))
        elif kind.endswith("*") and target in ELEMENTS | NUMBERS:
            known = (take(("output", kind, name), ("cap", "size_t", f"{name}_cap"), ("needed", "size_t*", f"{name}_needed"))
                     or take(("bound", kind, name), ("count", "size_t", f"num_{name}"))
                     or (target in NUMBERS and take(("result", kind, name))))
        elif kind in NUMBERS:
            known = take(("number", kind, name))
        if not known:
            raise DeclarationError(f"{function.name}: '{kind} {name}' and what follows it break the rules of naming")


def noun_fits(handle, name):
    """minimoe_moe_layer is called `layer` or `moe_layer`."""
    return handle == f"minimoe_{name}" or handle.endswith(f"_{name}")
