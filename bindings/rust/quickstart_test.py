# SPDX-License-Identifier: Apache-2.0
"""The quickstart of docs/rust.md in a project of its own, as a reader makes it: the TOML block is its manifest's, the first Rust
block its main.rs, and it stands beside a checkout. Usage: quickstart_test.py BUILD"""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.S | re.M)


def main(build):
    document = ROOT / "docs" / "rust.md"
    program, dependencies = blocks(document, "rust")[0], blocks(document, "toml")
    if len(program.splitlines()) > 22 or len(dependencies) != 1:
        return f"docs/rust.md: a quickstart of {len(program.splitlines())} lines, {len(dependencies)} TOML blocks"
    shutil.rmtree(build, ignore_errors=True)
    host = build / "host"
    (host / "src").mkdir(parents=True)
    (build / "libminimoe").symlink_to(ROOT)
    header = '[package]\nname = "host"\nversion = "0.1.0"\nedition = "2021"\nrust-version = "1.75"\n\n'
    (host / "Cargo.toml").write_text(header + dependencies[0])
    (host / "src" / "main.rs").write_text(program)
    shutil.copy(ROOT / "bindings" / "rust" / "Cargo.lock", host)
    run = subprocess.run(["cargo", "run", "--quiet"], cwd=host, capture_output=True, text=True)
    if run.returncode or "validation loss" not in run.stdout or run.stdout.count("step") != 50:
        return f"{run.stdout}{run.stderr}\nthe quickstart failed"
    print(run.stdout.splitlines()[-1])
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve()))
