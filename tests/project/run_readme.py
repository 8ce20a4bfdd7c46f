# SPDX-License-Identifier: Apache-2.0
"""Runs every `minimoe` command of README.md's shell blocks, in order, in an empty directory. Usage: run_readme.py README PROGRAM"""
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

readme, program = pathlib.Path(sys.argv[1]).read_text(), sys.argv[2]
blocks = re.findall(r"```sh\n(.*?)```", readme, re.S)
commands = [line for block in blocks for line in block.splitlines() if line.startswith("minimoe ")]
if not commands:
    sys.exit("README.md shows no minimoe command")
with tempfile.TemporaryDirectory() as directory:
    for command in commands:
        done = subprocess.run([program, *shlex.split(command, comments=True)[1:]], cwd=directory, capture_output=True, text=True)
        print(f"{command}: exit {done.returncode}")
        if done.returncode != 0 or not done.stdout.strip():
            sys.exit(done.stdout + done.stderr)
