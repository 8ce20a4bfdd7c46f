# SPDX-License-Identifier: Apache-2.0
"""Every function of the manifest is called by minimoe.hpp. Usage: wrapper_functions_test.py CAPI_DIRECTORY"""
import json
import pathlib
import re
import sys

capi = pathlib.Path(sys.argv[1])
code = re.sub(r"//.*", "", (capi / "minimoe.hpp").read_text())
missing = [f["name"] for f in json.loads((capi / "functions.json").read_text())
           if not re.search(rf"\b{f['name']}\b", code)]
if missing:
    sys.exit(f"minimoe.hpp does not reach: {', '.join(missing)}")
