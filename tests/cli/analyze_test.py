# SPDX-License-Identifier: Apache-2.0
"""minimoe analyze: what it writes agrees with itself, and what it cannot do it says."""
import csv
import json
import signal
import subprocess
import time

import program
from program import ProgramTest, is_sanitized, main, some_text, tiny, tree

FILES = {"specialisation.json", "capacity.json", "trace.jsonl", "trace.csv"}


def some_treebank(sentences=260):
    """Nouns and verbs; "run" is either, by the word before it."""
    text = ""
    for i in range(sentences):
        words = [("the", "DET"), (("tea", "dog", "run")[i % 3], "NOUN"), (("run", "sings")[i % 2], "VERB"), (".", "PUNCT")]
        for n, (word, tag) in enumerate(words, 1):
            text += f"{n}\t{word}\t{word}\t{tag}\t_\t_\t{n - 1}\tdep\t_\t_\n"
        text += "\n"
    return text


class Analyze(ProgramTest):
    def train(self, run, *flags, corpus="text.txt"):
        self.succeed("train", *tiny(4, corpus, *flags), f"--out={run}", "--quiet")

    def read(self, path):
        return json.loads((self.dir / path).read_text())

    def lines(self, path):
        return [json.loads(line) for line in (self.dir / path).read_text().splitlines()]

    def test_files_agree_with_each_other(self):
        self.train("run", "--eval-capacity-factor=0.75")
        out = self.succeed("analyze", "run").stdout
        self.assertTrue(FILES <= set(tree(self.dir / "run")))
        report, capacity, trace = self.read("run/specialisation.json"), self.read("run/capacity.json"), self.lines("run/trace.jsonl")
        self.assertIn(report["text"], out)
        self.assertIn(capacity["text"], out)
        self.assertEqual([report["by"], report["split"], report["corpus"]], ["frequency", "val", "text.txt"])
        layer = report["layers"][0]
        self.assertEqual([layer["block"], layer["num_experts"], layer["top_k"]], [1, 4, 2])
        self.assertEqual(len(trace), report["num_tokens"])
        counts, dropped = [0] * 4, [0] * 4
        for line in trace:
            for expert, kept in zip(line["experts"], line["kept"]):
                counts[expert] += 1
                dropped[expert] += 1 - kept
            self.assertAlmostEqual(sum(line["weights"]), 1, places=4)
        self.assertEqual(counts, layer["histogram"])
        evaluation = capacity["evaluation"]
        self.assertEqual([e["load"] for e in evaluation["layers"][0]["experts"]], counts)
        self.assertEqual([e["dropped"] for e in evaluation["layers"][0]["experts"]], dropped)
        self.assertGreater(sum(dropped), 0)
        self.assertEqual([capacity["train"]["capacity_factor"], evaluation["capacity_factor"]], [0, 0.75])
        self.assertEqual(capacity["train"]["difference"]["mean"], 0)
        self.assertAlmostEqual(evaluation["difference"]["mean"], evaluation["loss"] - evaluation["loss_without_drops"])
        self.assertAlmostEqual(evaluation["loss"], self.json_of("eval", "run", "--json")["splits"]["val"]["loss"])

    def test_the_csv_is_the_jsonl(self):
        (self.dir / "quotes.txt").write_text('a "b", c;\nd\t' * 300)
        self.train("run", "--moe-layer=0,1", corpus="quotes.txt")
        self.succeed("analyze", "run", "--max-windows=2")
        trace = self.lines("run/trace.jsonl")
        self.assertEqual(len(trace), 2 * 16 * 2)
        with open(self.dir / "run/trace.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), len(trace))
        for row, line in zip(rows, trace):
            self.assertEqual([row["token"], int(row["id"]), row["class"], int(row["window"]), int(row["position"]), int(row["block"])],
                             [line["token"], line["id"], "", line["window"], line["position"], line["block"]])
            self.assertIsNone(line["class"])
            for key, number in (("experts", int), ("weights", float), ("kept", int)):
                self.assertEqual([number(n) for n in row[key].split(";")], line[key])
        self.assertEqual({(line["window"], line["position"], line["block"]) for line in trace},
                         {(w, p, b) for w in range(2) for p in range(16) for b in range(2)})

    def test_classes_of_a_treebank(self):
        (self.dir / "some.conllu").write_text(some_treebank())
        self.train("run", corpus="some.conllu")
        before = tree(self.dir / "run")
        document = self.json_of("analyze", "run", "--out=there", "--json")
        self.assertEqual(tree(self.dir / "run"), before)
        report = document["specialisation"]
        self.assertEqual(report, self.read("there/specialisation.json"))
        self.assertEqual(report["by"], "class")
        by_name = {c["name"]: c for c in report["layers"][0]["classes"]}
        trace = self.lines("there/trace.jsonl")
        for name in {line["class"] for line in trace}:
            tokens = [line for line in trace if line["class"] == name]
            self.assertEqual(len(tokens), by_name[name]["count"])
            for expert in range(4):
                share = sum(line["experts"].count(expert) for line in tokens) / (2 * len(tokens))
                self.assertAlmostEqual(by_name[name]["share"][expert], share)
        self.assertEqual(report["class_names"], [c["name"] for c in report["layers"][0]["classes"]])

    def test_the_same_bytes_for_any_number_of_threads_and_others_for_another_seed(self):
        self.train("run")
        texts = []
        for flags in (["--threads=1"], ["--threads=2"], ["--threads=1", "--seed=1"]):
            self.succeed("analyze", "run", *flags)
            texts.append((self.dir / "run/specialisation.json").read_bytes())
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])

    def refused(self, message, *args):
        before = tree(self.dir)
        done = self.call("analyze", *args)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"^minimoe: error: [^\n]+\n$")
        self.assertIn(message, done.stderr)
        self.assertEqual(tree(self.dir), before)

    def test_what_it_cannot_do_it_says(self):
        self.train("dense", "--moe-layer=none")
        self.refused("dense: its model is dense", "dense")
        self.train("run")
        self.refused("no evaluation windows here; allowed: val", "run", "--split=held-out-verbs")
        self.refused("no evaluation windows here; allowed: val", "run", "--split=train")
        self.refused("nonsense", "run", "--split=nonsense")
        self.refused("fewer than 2 windows", "run", "--max-windows=1")
        (self.dir / "run/checkpoint.safetensors").unlink()
        self.refused("run: has no checkpoint.safetensors", "run")
        self.refused("no such run directory", "nowhere")

    def test_memory_that_is_not_there_is_said_before_it_is_taken(self):
        if is_sanitized():
            self.skipTest("a sanitizer needs more than the limit itself")
        self.train("run")
        (self.dir / "long.txt").write_text(some_text() * 1000)
        before = tree(self.dir)
        done = self.call("analyze", "run", "--corpus=long.txt", "--max-windows=0", memory=64 << 20)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, r"--max-windows: analyzing [\d,]+ windows of 16 tokens needs .* of memory, this process may "
                                      r"use 64\.0 MiB")
        self.assertEqual(tree(self.dir), before)

    def test_a_checkpoint_of_hugging_faces_is_analyzed_block_by_block(self):
        llama = ["--preset=llama", "--moe-layer=0,1", "--num-experts=4", "--top-k=2", "--max-seq-len=16", "--tokenizer=bpe:280"]
        self.train("run", *llama)
        self.succeed("export", "run", "hf")
        (self.dir / "tree.conllu").write_text(some_treebank())
        out = self.succeed("analyze", "--hf=hf", "--text=text.txt", "--seq-len=12", "--out=report").stdout
        special, health = self.read("report/specialisation.json"), self.read("report/health.json")
        self.assertEqual((special["by"], special["num_tokens"], len(special["layers"])), ("frequency", 64 * 12, 2))
        self.assertEqual([layer["block"] for layer in health["layers"]], [0, 1])
        self.assertEqual(health["layers"][0]["figures"]["load"], special["layers"][0]["histogram"])
        self.assertIn(special["text"] + health["text"], out)
        self.assertIn("written: specialisation.json, health.json", out)
        parts = self.json_of("analyze", "--hf=hf", "--conllu=tree.conllu", "--max-windows=0", "--seed=3", "--out=report", "--json")
        classes = {c["name"]: c["count"] for c in parts["specialisation"]["layers"][1]["classes"]}
        self.assertEqual(parts["specialisation"]["by"], "class")
        self.assertGreater(classes["noun"], classes["verb"] / 2)
        self.assertGreater(classes["sentence-end"], 200)  # a line feed each
        self.assertEqual(sum(classes.values()), parts["specialisation"]["num_tokens"])
        (self.dir / "ids.bin").write_bytes(bytes(byte for i in range(2000) for byte in (i * 7 % 200, 0)))
        (self.dir / "hf/tokenizer.json").unlink()
        ids = self.json_of("analyze", "--hf=hf", "--text=ids.bin", "--max-windows=3", "--out=report", "--json")
        self.assertEqual(ids["specialisation"]["num_windows"], 3)
        before = tree(self.dir)
        for said, flags in (("hf: has no tokenizer.json", ["--hf=hf", "--text=text.txt", "--out=new"]),
                            ("--hf needs either --text FILE or --conllu FILE", ["--hf=hf", "--out=new"]),
                            ("--hf needs either", ["--hf=hf", "--text=ids.bin", "--conllu=tree.conllu", "--out=new"]),
                            ("--hf needs --out DIR", ["--hf=hf", "--text=ids.bin"]),
                            ("--hf excludes a run", ["run", "--hf=hf", "--text=ids.bin", "--out=new"]),
                            ("--text goes with --hf", ["run", "--text=text.txt"]),
                            ("run: required, or --hf DIR", []),
                            ("seq_len: 99, expected an integer 1..16", ["--hf=hf", "--text=ids.bin", "--seq-len=99", "--out=new"]),
                            ("nowhere/config.json", ["--hf=nowhere", "--text=ids.bin", "--out=new"])):
            self.refused(said, *flags)
        self.assertEqual(tree(self.dir), before)

    def test_ctrl_c_during_the_trace_leaves_no_directory(self):
        self.train("run")
        (self.dir / "long.txt").write_text(some_text() * 200)
        child = subprocess.Popen([program.PROGRAM, "analyze", "run", "--corpus=long.txt", "--max-windows=0", "--out=new/out"],
                                 cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while child.poll() is None and not (self.dir / "new/out").exists():
            time.sleep(0.001)
        child.send_signal(signal.SIGINT)
        stderr = child.communicate(timeout=120)[1]
        self.assertEqual(child.returncode, 3, stderr)
        self.assertIn("interrupted; nothing was written", stderr)
        self.assertFalse((self.dir / "new").exists())


if __name__ == "__main__":
    main()
