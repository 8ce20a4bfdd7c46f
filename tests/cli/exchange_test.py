# SPDX-License-Identifier: Apache-2.0
"""program: import and export, without transformers and llama.cpp. Usage: exchange_test.py PROGRAM"""
import json
import shutil
import subprocess

import program
from program import ProgramTest, main, some_text, tiny, tree

LLAMA = ["--preset=llama", "--max-seq-len=16", "--moe-layer=0,1", "--num-experts=4", "--top-k=2"]


class Exchange(ProgramTest):
    def train(self, run, corpus="text.txt", *flags):
        self.succeed("train", *tiny(2, corpus), *LLAMA, *flags, f"--out={run}")

    def refused(self, said, *args):
        done = self.call(*args)
        self.assertEqual(done.returncode, 2, f"{args}: {done.stderr}")
        self.assertIn(said, done.stderr)

    def read(self, path):
        return (self.dir / path).read_text()

    def loss(self, *args):
        return self.json_of("eval", *args, "--json")["splits"]["val"]["loss"]

    def check_same_loss(self, run, other, *flags):
        """Their batches differ, and with them the order of the sum of doubles."""
        self.assertAlmostEqual(self.loss(run, *flags), self.loss(other, *flags), delta=1e-12)

    def test_an_imported_run_reads_with_the_tokenizer_that_came_with_it(self):
        for flags in ([], ["--tokenizer=bpe:280"]):
            self.train("run", "text.txt", *flags, "--force")
            self.succeed("export", "run", "exported", "--force")
            self.succeed("import", "exported", "--out=imported", "--force")
            (self.dir / "other.txt").write_text(some_text(6000)[2000:].replace("tea", "mate"))
            for text in ("text.txt", "other.txt"):
                self.check_same_loss("imported", "run", f"--corpus={text}")
            sample = ["--prompt=ada boils", "--seed=3", "--json"]
            self.assertEqual(self.json_of("sample", "imported", "--corpus=other.txt", *sample),
                             self.json_of("sample", "run", *sample))
            for command in (["eval", "imported"], ["sample", "imported/checkpoint.safetensors", "--prompt=a"]):
                self.refused("was imported, so it has no data of its own; --corpus", *command)
            self.succeed("export", "imported", "again", "--force")
            self.assertEqual(tree(self.dir / "again"), tree(self.dir / "exported"))
            self.succeed("export", "imported", "again", "--force", "--corpus=other.txt")
            self.assertEqual(json.loads(self.read("again/tokenizer.json"))["model"],
                             json.loads(self.read("exported/tokenizer.json"))["model"])

    def test_an_imported_run_without_a_tokenizer_has_no_text(self):
        self.train("run")
        self.succeed("export", "run", "exported", "--no-tokenizer")
        self.succeed("import", "exported", "--out=imported")
        for command in (["eval", "imported"], ["eval", "imported", "--corpus=text.txt"], ["eval", "imported", "--corpus=grammar"],
                        ["sample", "imported", "--corpus=text.txt", "--prompt=a"],
                        ["export", "imported", "again", "--corpus=text.txt"]):
            self.refused("was imported without a tokenizer.json", *command)
        self.assertFalse((self.dir / "again").exists())
        (self.dir / "ids.bin").write_bytes(bytes(byte for letter in some_text() for byte in (ord(letter), 0)))
        self.check_same_loss("imported", "run", "--corpus=ids.bin")
        self.succeed("export", "imported", "again")
        self.assertEqual(sorted(tree(self.dir / "again")), ["config.json", "model.safetensors"])

    def test_an_imported_checkpoint_that_was_moved_away_reads_as_no_other_data(self):
        self.train("run", "grammar")
        self.succeed("export", "run", "exported", "--no-tokenizer")
        self.succeed("import", "exported", "--out=imported")
        (self.dir / "alone.safetensors").write_bytes((self.dir / "imported/checkpoint.safetensors").read_bytes())
        for command in (["eval", "alone.safetensors"], ["eval", "alone.safetensors", "--corpus=text.txt"],
                        ["train", "--init-from=alone.safetensors", "--out=new"]):
            self.refused("was imported without a tokenizer.json", *command)
        self.succeed("export", "alone.safetensors", "again")
        self.assertEqual(tree(self.dir / "again"), tree(self.dir / "exported"))

    def test_a_tokenizer_that_cannot_be_read_is_named(self):
        self.train("run", "grammar")
        self.succeed("export", "run", "exported")
        self.succeed("import", "exported", "--out=imported")
        self.refused("imported/tokenizer.json: pre_tokenizer.type is", "eval", "imported", "--corpus=text.txt")

    def test_import_removes_what_belongs_to_the_old_run(self):
        self.train("run", "text.txt", "--tokenizer=bpe:280", "--metrics=jsonl,csv")
        self.succeed("export", "run", "exported", "--no-tokenizer")
        (self.dir / "run/notes.md").write_text("mine")
        (self.dir / "run/report.html").write_text("of the old run")
        self.refused("already holds a run", "import", "exported", "--out=run")
        self.succeed("import", "exported", "--out=run", "--force")
        self.assertEqual(sorted(tree(self.dir / "run")), ["checkpoint.safetensors", "config.json", "notes.md"])
        before = tree(self.dir / "exported")
        self.refused("is the model to import", "import", "exported", "--out=exported/../exported", "--force")
        self.assertEqual(tree(self.dir / "exported"), before)

    def test_export_needs_no_corpus_for_a_run_with_a_vocabulary(self):
        self.train("run", "text.txt", "--tokenizer=bpe:280")
        (self.dir / "text.txt").rename(self.dir / "gone.txt")
        for number, run in enumerate(("run", "run/checkpoint.safetensors")):
            self.succeed("export", run, f"out{number}")
            self.assertEqual(self.read(f"out{number}/tokenizer.json"), self.read("run/tokenizer.json"))
            self.assertEqual(json.loads(self.read(f"out{number}/tokenizer_config.json"))["model_max_length"], 16)
        (self.dir / "run/tokenizer.json").unlink()
        self.refused("has no tokenizer.json beside its checkpoint", "export", "run", "other", "--corpus=gone.txt")
        self.refused("--corpus FILE tells where it is", "export", "run", "other")
        self.assertFalse((self.dir / "other").exists(), "a model was written before its tokenizer was known")

    def test_an_export_replaces_whole_directories_only(self):
        self.train("run")
        self.succeed("export", "run", "whole")
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            shutil.rmtree(self.dir / "out", ignore_errors=True)
            (self.dir / "out").mkdir()
            (self.dir / "out" / name).write_text("mine")
            self.refused(f"already holds a model ({name})", "export", "run", "out")
            self.assertEqual(self.read(f"out/{name}"), "mine")
            self.succeed("export", "run", "out", "--force")
            self.assertEqual(tree(self.dir / "out"), tree(self.dir / "whole"))
        self.succeed("export", "run", "out", "--force", "--no-tokenizer")
        self.assertEqual(sorted(tree(self.dir / "out")), ["config.json", "model.safetensors"])

    def test_a_gguf_file_comes_back_as_the_same_model(self):
        self.train("run")
        said = self.succeed("export", "run", "--to", "gguf", "out.gguf").stdout
        self.assertEqual(said, "out.gguf: with its vocabulary\n")
        before = tree(self.dir)
        self.refused("out.gguf exists; use --force", "export", "run", "--to", "gguf", "out.gguf")
        self.assertEqual(tree(self.dir), before)
        self.succeed("export", "run", "--to", "gguf", "out.gguf", "--force", "--no-tokenizer")
        self.succeed("import", "out.gguf", "--out=imported")
        self.assertEqual(sorted(tree(self.dir / "imported")), ["checkpoint.safetensors", "config.json"])
        for tensor in ("blocks.1.attn.qkv.weight", "blocks.0.moe.experts.w_down_proj"):
            self.assertEqual(self.tensor("imported/checkpoint.safetensors", tensor),
                             self.tensor("run/checkpoint.safetensors", tensor))
        self.succeed("export", "imported", "--to", "gguf", "again.gguf")
        self.assertEqual((self.dir / "again.gguf").read_bytes(), (self.dir / "out.gguf").read_bytes())
        (self.dir / "ids.json").write_text("[1, 2, 3]")
        for model in ("run", "out.gguf"):
            self.succeed("logits", model, "--tokens", "ids.json", "--out", f"{model}.logits")
        self.assertEqual(tree(self.dir)["out.gguf.logits"], tree(self.dir)["run.logits"])
        (self.dir / "cut.gguf").write_bytes((self.dir / "out.gguf").read_bytes()[:-1])
        self.refused("cut.gguf: tensor", "import", "cut.gguf", "--out=cut")
        self.refused("nowhere.gguf: cannot open", "import", "nowhere.gguf", "--out=cut")
        self.assertFalse((self.dir / "cut").exists())
        self.train("words", "grammar")
        self.assertIn("without a vocabulary", self.succeed("export", "words", "--to", "gguf", "words.gguf").stdout)
        self.assertEqual([name for name in tree(self.dir) if "tokenizer" in name], [])
        self.refused('"onnx", allowed "hf", "gguf"', "export", "run", "--to", "onnx", "out.onnx")

    def test_a_gguf_export_leaves_its_neighbours_alone(self):
        self.train("run")
        neighbour = self.dir / "out.gguf.tokenizer.json"
        neighbour.write_text("mine")
        for flags in ([], ["--no-tokenizer", "--force"]):
            self.succeed("export", "run", "--to", "gguf", "out.gguf", *flags)
            self.assertEqual(neighbour.read_text(), "mine")
            self.assertEqual(sorted(p.name for p in self.dir.iterdir()), ["out.gguf", neighbour.name, "run", "text.txt"])
        self.train("run", "text.txt", "--set=model.moe.gate_order=softmax_topk", "--force")
        self.refused("which needs model.moe.gate_order", "export", "run", "--to", "gguf", "out.gguf", "--force")
        self.assertEqual(neighbour.read_text(), "mine")
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()), ["out.gguf", neighbour.name, "run", "text.txt"])

    def test_an_export_never_replaces_the_run_itself(self):
        self.train("run")
        (self.dir / "model.safetensors").symlink_to("run/checkpoint.safetensors")
        (self.dir / "link").symlink_to("run")
        before = tree(self.dir / "run")
        for out in (["--to", "gguf", "run/checkpoint.safetensors"], ["--to", "gguf", "model.safetensors"], ["link"], ["."]):
            self.refused("is the run to export", "export", "run", *out, "--force")
            self.assertEqual(tree(self.dir / "run"), before)

    def test_what_a_model_is_decides_how_it_is_read_and_not_its_name(self):
        self.train("run.gguf")
        self.succeed("export", "run.gguf", "hf.gguf")
        self.succeed("export", "run.gguf", "--to", "gguf", "plain")
        (self.dir / "ids.json").write_text("[1, 2, 3]")
        for model in ("run.gguf", "hf.gguf", "plain"):
            self.succeed("logits", model, "--tokens", "ids.json", "--out", f"{model}.logits")
            self.assertEqual(tree(self.dir)[f"{model}.logits"], tree(self.dir)["run.gguf.logits"], model)
        for number, model in enumerate(("hf.gguf", "plain")):
            self.succeed("import", model, f"--out=run{number}")
            self.assertEqual(self.tensor(f"run{number}/checkpoint.safetensors", "blocks.1.attn.qkv.weight"),
                             self.tensor("run.gguf/checkpoint.safetensors", "blocks.1.attn.qkv.weight"))
        self.refused("nowhere.gguf: cannot open", "logits", "nowhere.gguf", "--tokens", "ids.json", "--out", "out")

    def test_train_warns_of_a_model_that_no_format_holds(self):
        def warnings(*flags):
            done = self.succeed("train", *tiny(2, "text.txt"), *flags, "--out=run", "--force")
            return [line for line in done.stderr.splitlines() if line.startswith("minimoe: warning: ")]
        gelu_experts = warnings("--moe-layer=1")
        self.assertEqual(len(gelu_experts), 1)
        self.assertIn("cannot be exported, to gguf or to hf: ", gelu_experts[0])
        self.assertIn("the nearest is qwen3_moe, which needs model.norm = rms_norm", gelu_experts[0])
        self.refused("the nearest is llama, which needs", "export", "run", "--to", "gguf", "out.gguf")
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()), ["run", "text.txt"])
        self.assertEqual(warnings(*LLAMA), [])
        self.assertEqual(warnings("--set=model.moe.layers=[]"), [])
        self.assertEqual(warnings(*LLAMA, "--bias-balancing"), [])  # ernie4_5-moe
        self.assertIn("every expert_bias = 0", warnings(*LLAMA, "--bias-balancing", "--qk-norm")[0])

    def test_an_upcycled_run_begins_at_the_dense_loss_and_trains_on(self):
        for flags in (["--preset=llama"], ["--preset=gpt2", "--tokenizer=bpe:280"]):
            self.succeed("train", *tiny(20, "text.txt", "--moe-layer=none", *flags), "--max-seq-len=16", "--out=dense", "--force")
            self.succeed("upcycle", "dense", "--experts=4", "--top-k=2", "--seed=3", "--out=moe", "--force")
            dense = self.loss("dense")
            self.assertAlmostEqual(self.loss("moe"), dense, delta=1e-5)
            config = json.loads(self.read("moe/config.json"))["model"]["moe"]
            self.assertEqual((config["layers"], config["num_experts"], config["d_expert"]), ([0, 1], 4, 16))
            self.refused("without the optimizer's moments", "train", "--resume", "--out=moe")
            self.succeed("train", "--init-from=moe", "--steps=40", "--alpha=0.02", "--out=trained", "--force", "--quiet")
            self.assertAlmostEqual(self.metrics("trained")[0]["loss"], dense, delta=0.5)  # of another batch
            self.assertLess(self.loss("trained"), dense - 0.05)
            self.assertEqual(json.loads(self.read("trained/config.json"))["model"]["moe"]["aux_loss_coef"], 0.02)
            self.succeed("train", "--resume", "--out=trained")
            self.assertIn("verdict", json.loads(self.call("health", "trained", "--json").stdout))
        self.refused("--init-from and --resume exclude each other", "train", "--init-from=moe", "--resume", "--out=trained")

    def test_an_imported_dense_model_is_upcycled_trained_and_exported_as_mixtral(self):
        self.succeed("train", *tiny(5, "text.txt", "--moe-layer=none", "--preset=llama"), "--max-seq-len=16", "--out=dense")
        self.succeed("export", "dense", "hf")
        self.succeed("upcycle", "hf", "--out=moe")
        self.assertAlmostEqual(self.loss("moe", "--corpus=text.txt"), self.loss("dense"), delta=1e-5)
        self.assertEqual(self.read("moe/tokenizer.json"), self.read("hf/tokenizer.json"))
        self.refused("--corpus FILE names a text", "train", "--init-from=moe", "--out=trained")
        self.succeed("train", "--init-from=moe", "--corpus=text.txt", "--steps=5", "--seq-len=16", "--batch-size=4", "--out=trained")
        self.succeed("export", "trained", "out")
        self.assertEqual(json.loads(self.read("out/config.json"))["model_type"], "mixtral")
        self.succeed("upcycle", "dense/checkpoint.safetensors", "--blocks=every-other", "--out=half")
        self.assertEqual(json.loads(self.read("half/config.json"))["model"]["moe"]["layers"], [1])

    def test_a_run_is_not_replaced_by_what_begins_at_it(self):
        self.succeed("train", *tiny(1, "text.txt", "--moe-layer=none"), "--out=dense")
        before = tree(self.dir)
        self.refused("is the model to upcycle", "upcycle", "dense/checkpoint.safetensors", "--out=./dense", "--force")
        self.refused("is the run to begin at", "train", "--init-from=dense", "--out=dense/", "--force")
        done = subprocess.run([program.PROGRAM, "upcycle", "checkpoint.safetensors", "--out=.", "--force"], cwd=self.dir / "dense",
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, tree(self.dir)), (2, before), done.stderr)
        self.assertIn("is the model to upcycle", done.stderr)

    def test_weights_are_not_given_another_vocabulary(self):
        self.succeed("train", *tiny(1, "grammar", "--moe-layer=none"), "--out=words")
        self.refused("are those of its data", "train", "--init-from=words", "--corpus=text.txt", "--out=on")
        self.refused("data.tokenizer is that of the weights", "train", "--init-from=words", "--tokenizer=bpe:300", "--out=on")
        self.assertFalse((self.dir / "on").exists())
        self.succeed("train", "--init-from=words", "--steps=1", "--out=on")
        shutil.copy(self.dir / "words/checkpoint.safetensors", self.dir / "alone.safetensors")
        self.succeed("upcycle", "alone.safetensors", "--experts=2", "--out=moe")
        self.assertAlmostEqual(self.loss("moe"), self.loss("words"), delta=1e-5)

    def test_what_cannot_be_upcycled_is_one_error(self):
        self.train("run")
        self.refused("has MoE layers already, the first in block 0", "upcycle", "run", "--out=moe")
        self.succeed("train", *tiny(1, "text.txt", "--moe-layer=none"), "--out=dense")
        for said, flags in (("num_experts: 1, expected 2 or more", ["--experts=1"]), ("top_k: 9, expected 2..8", ["--top-k=9"]),
                            ("top_k: 1, expected 2 or more", ["--top-k=1"]), ("7 is not a block; there are 2", ["--blocks=7"]),
                            ("'1;2', allowed all, every-other, or a list", ["--blocks=1;2"]),
                            ("'0,', allowed all", ["--blocks=0,"]),
                            ("weights sum to less than 1", ["--gate-order=softmax_topk"]),
                            ('gate_order: "nonsense", allowed', ["--gate-order=nonsense"]),
                            ("already holds a run", ["--out=dense"]),
                            ("is the model to upcycle", ["--out=dense/../dense", "--force"])):
            self.refused(said, "upcycle", "dense", *flags, *([] if "--out" in flags[0] else ["--out=moe"]))
        self.assertFalse((self.dir / "moe").exists())
        self.refused("no such run", "upcycle", "nothing", "--out=moe")


if __name__ == "__main__":
    main()
