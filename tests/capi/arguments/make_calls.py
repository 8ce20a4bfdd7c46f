# SPDX-License-Identifier: Apache-2.0
"""Writes the table of calls for the argument test. Usage: make_calls.py HEADER MANIFEST OUTPUT (PYTHONPATH has declarations)"""
import json
import sys

import declarations
import valid_calls

# Roles whose valid value is made by the test itself.
MADE = {"new_handle", "options", "struct", "struct_size", "structs", "structs_count", "callback", "user_data", "count", "output",
        "cap", "needed", "result", "err"}


def camel(role):
    return "k" + "".join(word.capitalize() for word in role.split("_"))


def kind_of(parameter, header):
    if parameter.target not in header.handles:
        return "kNone"
    return camel(parameter.target.removeprefix("minimoe_")).replace("Moe", "MoE")


def cast(parameter, index):
    if parameter.type.endswith("*") or parameter.role == "callback":
        if parameter.role == "callback":
            return f"reinterpret_cast<{parameter.type}>(a[{index}].pointer)"
        return f"static_cast<{parameter.type}>(a[{index}].pointer)"
    if parameter.type == "double":
        return f"a[{index}].real"
    return f"static_cast<{parameter.type}>(a[{index}].bits)"


def pointed_to(parameter, header):
    """(size, alignment) expressions of what a pointer points to."""
    if parameter.role == "new_handle":
        return "sizeof(void*)", "alignof(void*)"
    if not parameter.type.endswith("*") or parameter.target in header.handles or parameter.target == "void":
        size = "0" if parameter.type.endswith("*") or parameter.role == "callback" else f"sizeof({parameter.type})"
        return size, "1"
    return f"sizeof({parameter.target})", f"alignof({parameter.target})"


def thunk(function, parameters):
    arguments = ", ".join([cast(p, i) for i, p in enumerate(parameters)] + (["err"] if function.fallible else []))
    call = f"{function.name}({arguments})"
    if function.fallible:
        body = f"return {call};"
    elif function.returns == "void":
        body = f"{call}; return MINIMOE_OK;"
    elif function.returns == "const char*":
        body = f"return {call}[0] != 0 ? MINIMOE_OK : MINIMOE_E_INTERNAL;"
    else:
        body = f"return {call} > 0 ? MINIMOE_OK : MINIMOE_E_INTERNAL;"
    unused = "" if parameters else "[[maybe_unused]] "
    unused_err = "" if function.fallible else "[[maybe_unused]] "
    return f"[]({unused}const Value* a, {unused_err}minimoe_error* err) -> minimoe_status {{ {body} }}"


def undo(function, recipe, parameters, header):
    if "undo" in recipe:
        name = recipe["undo"]
        first = cast(parameters[0], 0)
        if name.startswith("unbind"):
            target = function.name
            body = f"{target}({first}, {cast(parameters[1], 1)}, nullptr, 0, nullptr);"
        else:
            body = f"{name}({first});"
        return f"[](const Value* a) {{ {body} }}"
    made = next((i for i, p in enumerate(parameters) if p.role == "new_handle"), None)
    if made is not None:
        kind = parameters[made].target
        return f"[](const Value* a) {{ {kind}_free(*static_cast<{kind}**>(a[{made}].pointer)); }}"
    return "nullptr"


def default(parameter, function):
    if parameter.name not in valid_calls.DEFAULTS:
        raise SystemExit(f"valid_calls.py: {function.name} needs a valid value of {parameter.name}")
    return valid_calls.DEFAULTS[parameter.name]


def entry(function, header):
    recipe = valid_calls.CALLS.get(function.name, {})
    parameters = [p for p in function.parameters if p.role != "err"]
    extra = set(recipe) - {p.name for p in parameters} - {"before", "undo", "one_pair_in"}
    if extra:
        raise SystemExit(f"valid_calls.py: {function.name} has no parameter {sorted(extra)}")
    valid, rows = [], []
    for p in parameters:
        expression = recipe.get(p.name) or ("{}" if p.role in MADE else default(p, function))
        valid.append(expression)
        size, alignment = pointed_to(p, header)
        rows.append(f'{{"{p.name}", "{p.type}", Role::{camel(p.role)}, {p.group}, {size}, {alignment}, '
                    f"Kind::{kind_of(p, header)}}}")
    before = f"[](World& w) {{ {recipe['before']}; }}" if "before" in recipe else "nullptr"
    unused = "" if any("w." in v for v in valid) else "[[maybe_unused]] "
    return (f'    {{"{function.name}",\n     {{{", ".join(rows)}}},\n     {thunk(function, parameters)},\n'
            f'     []({unused}World& w) -> std::vector<Valid> {{ return {{{", ".join(valid)}}}; }},\n'
            f"     {before}, {undo(function, recipe, parameters, header)}, {str(function.fallible).lower()}, "
            f"{recipe.get('one_pair_in', 1)}}},\n")


def main():
    header_path, manifest_path, output = sys.argv[1:]
    header = declarations.parse(header_path)
    with open(manifest_path, encoding="utf-8") as file:
        names = [item["name"] for item in json.load(file)]
    unknown = set(valid_calls.CALLS) - set(names)
    if unknown:
        raise SystemExit(f"valid_calls.py: not in the manifest: {sorted(unknown)}")
    text = ["// SPDX-License-Identifier: Apache-2.0\n// Generated by make_calls.py.\n",
            '#include "call.hpp"\n#include "world.hpp"\n\nconst std::vector<Function> kFunctions = {\n']
    text += [entry(header.function(name), header) for name in names]
    with open(output, "w", encoding="utf-8") as file:
        file.write("".join(text) + "};\n")


if __name__ == "__main__":
    main()
