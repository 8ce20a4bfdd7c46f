# SPDX-License-Identifier: Apache-2.0
"""program: completions, the manual page, the table of keys and the tables of what was measured. Usage: generated_test.py PROGRAM"""
import pathlib
import re
import shutil
import subprocess
import sys

import program
from program import ProgramTest, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLI = ROOT / "examples" / "cli"
FILES = {"bash": "minimoe.bash", "zsh": "_minimoe", "fish": "minimoe.fish"}


class Generated(ProgramTest):
    def commands(self):
        """{command: its options}, as --help tells them."""
        top = self.succeed("--help").stdout
        names = re.findall(r"(?m)^  ([a-z]+) ", top.split("Subcommands:")[1].split("Exit codes")[0])
        return {name: set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", self.options_of(name))) for name in names}

    def options_of(self, command):
        listed = re.findall(r"(?m)^  (-.*?)(?:  |$)", self.succeed(command, "--help").stdout)
        return "\n".join(listed)

    def test_checked_in_files_are_current(self):
        for shell, name in FILES.items():
            self.assertEqual(self.succeed("completions", shell).stdout, (CLI / "completions" / name).read_text(),
                             f"minimoe completions {shell} > examples/cli/completions/{name}")
        self.assertEqual(self.succeed("manual").stdout, (CLI / "minimoe.1").read_text(),
                         "minimoe manual > examples/cli/minimoe.1")

    def test_the_table_of_keys_is_current(self):
        done = subprocess.run([sys.executable, ROOT / "docs" / "make_configuration.py", program.PROGRAM, "--check"],
                              capture_output=True, text=True)
        self.assertEqual([done.returncode, done.stdout, done.stderr], [0, "configuration.md is current\n", ""])
        page = (ROOT / "docs" / "configuration.md").read_text()
        for key in self.json_of("config", "--keys", "--json"):
            self.assertIn(f"\n| `{key['key']}` | ", page)

    def test_the_tables_of_performance_are_those_of_their_measurements(self):
        done = subprocess.run([sys.executable, ROOT / "docs" / "make_performance.py", "--check"], capture_output=True,
                              text=True)
        self.assertEqual([done.returncode, done.stderr], [0, ""])

    def test_every_option_of_every_command_is_there(self):
        commands = self.commands()
        self.assertIn("--top-k", commands["train"])
        self.assertIn("doctor", commands)
        self.assertNotIn("manual", commands)
        bash, fish, zsh = (self.succeed("completions", shell).stdout for shell in ("bash", "fish", "zsh"))
        page = self.succeed("manual").stdout.replace("\\-", "-")
        for command, options in commands.items():
            words = re.search(rf"(?m)^ *{command}\) words=\"([^\"]*)\"", bash)[1].split()
            self.assertEqual({word for word in words if word.startswith("--")}, options, command)
            block = re.search(rf"(?ms)^    {command}\)\n(.*?) ;;", zsh)[1]
            self.assertEqual(set(re.findall(r"'\*?(--[a-z-]+)", block)), options, command)
            lines = [line for line in fish.splitlines() if f"__fish_seen_subcommand_from {command}'" in line]
            self.assertEqual({"--" + name for line in lines for name in re.findall(r" -l ([a-z-]+)", line)}, options)
            self.assertIn(f".SS minimoe {command}\n", page)
            for option in options:
                self.assertIn(f"{option}\\fR", page)

    def complete(self, *words):
        script = ('source completions.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _minimoe; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        (self.dir / "completions.bash").write_text(self.succeed("completions", "bash").stdout)
        done = subprocess.run(["bash", "-c", script, "bash", *words], cwd=self.dir, capture_output=True, text=True)
        self.assertEqual([done.returncode, done.stderr], [0, ""])
        return done.stdout.split()

    def test_bash_completes(self):
        self.assertEqual(self.complete("minimoe", "tr"), ["train"])
        self.assertEqual(self.complete("minimoe", "--ver"), ["--version"])
        self.assertEqual(self.complete("minimoe", "train", "--num-e"), ["--num-experts"])
        self.assertEqual(self.complete("minimoe", "train", "--config", "te"), ["text.txt"])
        self.assertEqual(self.complete("minimoe", "train", "--config", "=", "te"), ["text.txt"])
        self.assertEqual(self.complete("minimoe", "bench", "--size", "l"), ["lab"])
        self.assertEqual(self.complete("minimoe", "completions", "f"), ["fish"])

    def test_what_has_few_values_is_completed_with_these_and_not_with_files(self):
        few = {"--schedule": "constant cosine", "--languages": "en es", "--drop-priority": "position probability",
               "--aux-loss-scope": "micro_batch sequence global_batch", "--preset": "gpt2 llama",
               "--gate-order": "auto softmax_topk_renorm softmax_topk topk_softmax sigmoid_topk_renorm",
               "--format": "auto text jsonl conllu tokens llmc", "--isa": "auto avx512 avx2 sse4 scalar"}
        lists = [("train", option, words.split()) for option, words in few.items()]
        lists += [("eval", "--split", ["val", "held-out-verbs", "held-out-combinations"]),
                  ("corpus", "--split", ["train", "val", "held-out-verbs", "held-out-combinations"])]
        fish, zsh = (self.succeed("completions", shell).stdout for shell in ("fish", "zsh"))
        for command, option, words in lists:
            self.assertEqual(self.complete("minimoe", command, option, ""), words, option)
            line = next(line for line in fish.splitlines()
                        if f"_from {command}'" in line and f" -l {option[2:]} " in line)
            self.assertIn(f" -x -a '{' '.join(words)}' ", line)
            block = re.search(rf"(?ms)^    {command}\)\n(.*?) ;;", zsh)[1]
            self.assertRegex(block, rf"{option}=[^\n]*:\({' '.join(words)}\)'")
        self.assertIn("text.txt", self.complete("minimoe", "train", "--corpus", ""))

    def test_other_shells_and_man_accept_what_is_theirs(self):
        checks = [(["zsh", "-n"], "completions/_minimoe"), (["fish", "--no-execute"], "completions/minimoe.fish"),
                  (["groff", "-man", "-ww", "-z"], "minimoe.1")]
        for command, name in checks:
            if shutil.which(command[0]):
                done = subprocess.run([*command, CLI / name], capture_output=True, text=True)
                self.assertEqual([done.returncode, done.stderr], [0, ""], command[0])


if __name__ == "__main__":
    main()
