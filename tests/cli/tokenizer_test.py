# SPDX-License-Identifier: Apache-2.0
"""program: text with a BPE vocabulary. Usage: tokenizer_test.py PROGRAM"""
import json
import shutil

from program import ProgramTest, main, some_text, tiny

BPE = "--tokenizer=bpe:280"


class Tokenizer(ProgramTest):
    def checkpoint(self, run):
        return (self.dir / run / "checkpoint.safetensors").read_bytes()

    def vocabulary(self, run):
        return json.loads((self.dir / run / "tokenizer.json").read_text())["model"]["vocab"]

    def val_loss(self, *args):
        return self.json_of("eval", *args, "--json")["splits"]["val"]["loss"]

    def test_a_run_has_its_vocabulary_and_reads_with_it(self):
        self.succeed("train", *tiny(4), BPE, "--out=run")
        vocabulary = self.vocabulary("run")
        self.assertEqual(sorted(vocabulary.values()), list(range(280)))
        self.assertTrue(any(name.startswith("Ġ") and len(name) > 3 for name in vocabulary), "no word with its space")
        result = json.loads((self.dir / "run/result.json").read_text())
        self.assertEqual(result["corpus"]["vocab_size"], 280)
        whole = result["val_loss"]
        self.assertEqual(self.val_loss("run"), whole)
        sampled = self.json_of("sample", "run", "--prompt=ada boils", "--max-new-tokens=4", "--json")
        self.assertIn("ada boils", json.dumps(sampled))
        # Another text, which would give another vocabulary of as many tokens, is read with that of the run.
        (self.dir / "other.txt").write_text(some_text(6000)[2000:].replace("tea", "mate"))
        self.succeed("train", *tiny(1, "other.txt"), BPE, "--out=other")
        self.assertEqual(len(self.vocabulary("other")), 280)
        losses = []
        for run in ("run", "other"):  # the same weights, with both vocabularies named
            (self.dir / "named").mkdir()
            shutil.copy(self.dir / "run/checkpoint.safetensors", self.dir / "named")
            shutil.copy(self.dir / run / "tokenizer.json", self.dir / "named")
            losses.append(self.val_loss("named", "--corpus=other.txt"))
            shutil.rmtree(self.dir / "named")
        self.assertEqual(self.val_loss("run", "--corpus=other.txt"), losses[0])
        self.assertNotEqual(losses[0], losses[1])
        (self.dir / "run/tokenizer.json").write_text((self.dir / "run/tokenizer.json").read_text().replace('"BPE"', '"X"'))
        refused = self.call("eval", "run")
        self.assertEqual(refused.returncode, 2)
        self.assertIn('run/tokenizer.json: model.type is "X", expected "BPE"', refused.stderr)
        (self.dir / "run/tokenizer.json").unlink()
        self.assertEqual(self.val_loss("run"), whole)  # trained anew on the same text
        refused = self.call("eval", "run", "--corpus=other.txt")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("run: has no tokenizer.json beside its checkpoint", refused.stderr)

    def test_a_vocabulary_is_handed_on(self):
        self.succeed("train", *tiny(2), BPE, "--out=first")
        (self.dir / "other.txt").write_text(some_text(6000)[2000:].replace("tea", "mate"))
        self.succeed("train", *tiny(2, "other.txt"), "--tokenizer=first/tokenizer.json", "--out=second")
        self.assertEqual(self.vocabulary("second"), self.vocabulary("first"))
        self.succeed("train", *tiny(2, "other.txt"), BPE, "--out=third")
        self.assertNotEqual(self.vocabulary("third"), self.vocabulary("first"))
        (self.dir / "first").rename(self.dir / "gone")
        self.val_loss("second")  # has its own copy
        self.succeed("train", *tiny(2), "--out=second", "--force")
        self.assertFalse((self.dir / "second/tokenizer.json").exists())

    def test_resume_is_bit_for_bit(self):
        self.succeed("train", *tiny(6), BPE, "--out=whole")
        self.succeed("train", *tiny(6), BPE, "--stop-at=3", "--out=parts")
        self.succeed("train", "--resume", "--out=parts")
        self.assertEqual(self.checkpoint("parts"), self.checkpoint("whole"))

    def test_compare_shares_one_vocabulary(self):
        self.succeed("compare", *tiny(2), BPE, "--seeds=1", "--out=cmp", "--quiet")
        runs = sorted(p.name for p in (self.dir / "cmp/runs").iterdir())
        self.assertEqual(len({json.dumps(self.vocabulary(f"cmp/runs/{run}")) for run in runs}), 1)

    def test_another_vocabulary_of_the_same_size_is_other_data(self):
        (self.dir / "other.txt").write_text(some_text(6000)[2000:].replace("tea", "mate"))
        for corpus, name in (("text.txt", "ours"), ("other.txt", "theirs")):
            self.succeed("train", *tiny(1, corpus), BPE, f"--out={name}")
        shutil.copy(self.dir / "ours/tokenizer.json", self.dir / "t.json")
        for resumed in (["train", *tiny(6), "--tokenizer=t.json", "--out=run"],
                        ["compare", *tiny(2), "--tokenizer=t.json", "--seeds=1", "--out=cmp", "--quiet"]):
            shutil.copy(self.dir / "ours/tokenizer.json", self.dir / "t.json")
            self.succeed(*resumed, *(["--stop-at=3"] if resumed[0] == "train" else []))
            if resumed[0] == "train":
                shutil.copy(self.dir / "theirs/tokenizer.json", self.dir / "run/tokenizer.json")
            else:
                shutil.copy(self.dir / "theirs/tokenizer.json", self.dir / "t.json")
            refused = self.call(*resumed, "--resume")
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn("sha256", refused.stderr)

    def test_a_vocabulary_of_somebody_is_not_overwritten(self):
        (self.dir / "mine").mkdir()
        for name, content in (("tokenizer.json", "{}"), ("metrics.csv", "a,b\n")):
            file = self.dir / "mine" / name
            file.write_text(content)
            refused = self.call("train", *tiny(1), "--out=mine")
            self.assertEqual(refused.returncode, 2)
            self.assertIn(f"mine already holds a run ({name})", refused.stderr)
            self.assertEqual(file.read_text(), content)
            file.unlink()
        self.succeed("train", *tiny(1), "--out=mine")

    def test_what_has_no_place_for_a_vocabulary_is_refused(self):
        (self.dir / "a.bin").write_bytes(bytes(range(100)))
        for corpus, tokenizer, said in [("a.bin", "bpe:300", "expected auto"), ("grammar", "bpe:300", "data.tokenizer"),
                                        ("text.txt", "bpe:70000", "bpe:256 to bpe:65536"), ("text.txt", "bpe:x", "data.tokenizer"),
                                        ("text.txt", "no.json", "no.json: there is no such file"),
                                        ("text.txt", "text.txt", "text.txt: line 1, column 1")]:
            done = self.call("train", *tiny(2, corpus), f"--tokenizer={tokenizer}", "--out=run")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(said, done.stderr)
            self.assertFalse((self.dir / "run").exists())


if __name__ == "__main__":
    main()
