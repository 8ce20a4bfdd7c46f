# SPDX-License-Identifier: Apache-2.0
"""program: config, corpus, eval, sample, bench and help. Usage: commands_test.py PROGRAM"""
import json
import math
import os
import subprocess

import program
from program import ProgramTest, main, tiny


class Help(ProgramTest):
    def test_help_and_version(self):
        out = self.succeed("--help").stdout
        for command in ("train", "eval", "sample", "compare", "corpus", "bench", "config", "doctor", "completions"):
            self.assertIn(command, out)
            said = self.succeed(command, "--help").stdout
            self.assertIn("Usage", said)
            self.assertNotRegex(said, r"[A-Z]:[A-Z{]| in \[|\d{5}\]")  # INT:INT in [0 - 256], TEXT:{lab,mid}
        for code in range(4):
            self.assertRegex(out, rf"(?m)^  {code}  ")
        self.assertRegex(self.succeed("--version").stdout, r"^minimoe \d+\.\d+\.\d+\n$")

    def test_the_word_help_is_the_option(self):
        self.assertEqual(self.succeed("help").stdout, self.succeed("--help").stdout)
        self.assertEqual(self.succeed("help", "train").stdout, self.succeed("train", "--help").stdout)
        done = self.call("help", "trian")
        self.assertEqual([done.returncode, done.stdout], [2, ""])
        self.assertIn("unknown command 'trian'; did you mean 'train'?", done.stderr)

    def test_a_value_left_out_is_said_in_words(self):
        for words in (["train", "--threads"], ["bench", "--size"], ["train", "--schedule"]):
            done = self.call(*words)
            self.assertEqual([done.returncode, done.stderr], [2, f"minimoe: error: {words[1]}: its value is missing\n"])


class Config(ProgramTest):
    def test_the_default_is_the_lab(self):
        config = self.json_of("config")["config"]
        model, train = config["model"], config["train"]
        self.assertEqual([model[k] for k in ("num_layers", "d_model", "num_heads", "d_ff", "vocab_size")],
                         [2, 64, 4, 256, 0])
        self.assertEqual([model["moe"][k] for k in ("layers", "num_experts", "top_k", "aux_loss_coef", "z_loss_coef")],
                         [[1], 4, 2, 0.01, 0])
        self.assertEqual([train[k] for k in ("steps", "batch_size", "seq_len", "learning_rate", "seed")],
                         [5000, 16, 64, 1e-3, 36000])

    def test_every_flag_sets_its_key(self):
        flags = {
            "--num-layers=3": ("model.num_layers", 3), "--d-model=32": ("model.d_model", 32),
            "--num-heads=2": ("model.num_heads", 2), "--num-kv-heads=2": ("model.num_kv_heads", 2),
            "--d-ff=99": ("model.d_ff", 99), "--vocab-size=300": ("model.vocab_size", 300),
            "--max-seq-len=70": ("model.max_seq_len", 70), "--tied-embeddings": ("model.tied_embeddings", True),
            "--qk-norm": ("model.qk_norm", True), "--preset=llama": ("model.ffn", "swiglu"),
            "--qk-norm --qk-norm-full-width": ("model.qk_norm_full_width", True),
            "--num-shared-experts=1 --shared-expert-gate": ("model.moe.shared_expert_gate", True),
            "--moe-layer=0,1": ("model.moe.layers", [0, 1]), "--moe-layer=none": ("model.moe.layers", []),
            "--num-experts=8": ("model.moe.num_experts", 8), "--top-k=3": ("model.moe.top_k", 3),
            "--d-expert=77": ("model.moe.d_expert", 77), "--gate-order=topk_softmax": ("model.moe.gate_order", "topk_softmax"),
            "--allow-constant-gate": ("model.moe.allow_constant_gate", True),
            "--num-shared-experts=1": ("model.moe.num_shared_experts", 1), "--alpha=0": ("model.moe.aux_loss_coef", 0),
            "--aux-loss-scope=sequence": ("model.moe.aux_loss_scope", "sequence"),
            "--z-loss=0.001": ("model.moe.z_loss_coef", 0.001), "--bias-balancing": ("model.moe.bias_balancing", True),
            "--bias-update-rate=0.5": ("model.moe.bias_update_rate", 0.5),
            "--capacity-factor=1.25": ("model.moe.capacity_factor", 1.25),
            "--eval-capacity-factor=2": ("model.moe.eval_capacity_factor", 2),
            "--drop-priority=probability": ("model.moe.drop_priority", "probability"), "--steps=9": ("train.steps", 9),
            "--batch-size=3": ("train.batch_size", 3), "--seq-len=20": ("train.seq_len", 20),
            "--accumulation-steps=2": ("train.accumulation_steps", 2), "--lr=0.02": ("train.learning_rate", 0.02),
            "--min-lr=0.0001": ("train.min_learning_rate", 1e-4), "--warmup-steps=1": ("train.warmup_steps", 1),
            "--schedule=constant": ("train.schedule", "constant"), "--weight-decay=0": ("train.weight_decay", 0),
            "--clip-norm=0": ("train.clip_norm", 0), "--seed=18446744073709551615": ("train.seed", 2**64 - 1),
            "--languages=en": ("data.languages", ["en"]), "--max-vocab=50": ("data.max_vocab", 50),
            "--tokenizer=bpe:300": ("data.tokenizer", "bpe:300"),
            "--val-fraction=0.25": ("data.val_fraction", 0.25), "--format=text": ("data.format", "text"),
        }
        for flag, (key, expected) in flags.items():
            value = self.json_of("config", "--corpus=text.txt", *flag.split())["config"]
            for part in key.split("."):
                value = value[part]
            self.assertEqual(value, expected, flag)

    def test_flags_that_follow_from_others(self):
        config = self.json_of("config", "--corpus=text.txt", "--lr=0.03", "--seq-len=128", "--bias-update-rate=0.1")["config"]
        self.assertAlmostEqual(config["train"]["min_learning_rate"], 0.003)
        self.assertEqual(config["model"]["max_seq_len"], 128)
        self.assertTrue(config["model"]["moe"]["bias_balancing"])
        config = self.json_of("config", "--corpus=text.txt", "--bias-update-rate=0.1", "--bias-balancing=false")["config"]
        self.assertFalse(config["model"]["moe"]["bias_balancing"])

    def test_flags_win_over_set_free_files(self):
        (self.dir / "c.toml").write_text('[train]\nsteps = 7\nbatch_size = 5\n[model.moe]\ntop_k = 1\n[data]\ncorpus = "text.txt"\n')
        config = self.json_of("config", "--config=c.toml", "--steps=8", "--set", "model.moe.num_experts=6")["config"]
        self.assertEqual([config["train"]["steps"], config["train"]["batch_size"], config["model"]["moe"]["top_k"],
                          config["model"]["moe"]["num_experts"]], [8, 5, 1, 6])

    def test_toml_and_json_read_back(self):
        flags = ["--corpus=text.txt", "--preset=llama", "--lr=0.0007", "--moe-layer=0,1", "--qk-norm"]
        config = self.json_of("config", *flags)["config"]
        (self.dir / "c.toml").write_text(self.succeed("config", *flags, "--toml").stdout)
        (self.dir / "c.json").write_text(json.dumps(config))
        self.assertEqual(self.json_of("config", "--config=c.toml")["config"], config)
        self.assertEqual(self.json_of("config", "--config=c.json")["config"], config)

    def test_costs_of_the_lab_on_bytes(self):
        # Embedding and head 2 * 256 * 64, positions 64 * 64; a block: norms 4 * 64, attention 4 * 64 * 64 + 4 * 64,
        # FFN 2 * 64 * 256 + 256 + 64; the MoE block four of these and a router; the final norm.
        ffn, rest = 2 * 64 * 256 + 256 + 64, 4 * 64 + 4 * 64 * 64 + 4 * 64
        total = 2 * 256 * 64 + 64 * 64 + 2 * rest + 5 * ffn + 4 * 64 + 2 * 64
        document = self.json_of("config", "--corpus=text.txt")
        self.assertEqual(document["vocab_size"], 256)
        self.assertEqual(document["parameters"], {"total": total, "active": total - 2 * ffn})
        self.assertGreater(document["train_flops_per_token"], 6 * (total - 2 * ffn - 2 * 256 * 64))
        self.assertGreater(document["memory_bytes"]["total"], 16 * total)

    def test_keys_are_listed_with_meanings(self):
        keys = {k["key"]: k for k in self.json_of("config", "--keys", "--json")}
        self.assertEqual(keys["model.moe.top_k"]["default"], "2")
        self.assertIn("model.moe.top_k = 2\n    ", self.succeed("config", "--keys").stdout)
        self.assertTrue(all(k["meaning"] for k in keys.values()))


class Corpus(ProgramTest):
    def test_grammar_is_described_and_addressable(self):
        info = self.json_of("corpus", "--json")
        self.assertEqual(info["name"], "grammar")
        self.assertRegex(info["sha256"], r"^[0-9a-f]{64}$")
        self.assertGreaterEqual(len(info["class_names"]), 15)
        self.assertEqual(set(info["eval_windows"]), {"val", "held-out-verbs", "held-out-combinations"})
        for split in ("train", "val"):
            self.assertTrue(0.2 < info["entropy_floor"][split] < math.log(info["vocab_size"]), split)
        two = self.json_of("corpus", "--split=val", "--index=5", "--count=2", "--classes", "--json")["sentences"]
        one = self.json_of("corpus", "--split=val", "--index=6", "--classes", "--json")["sentences"]
        self.assertEqual([s["index"] for s in two], [5, 6])
        self.assertEqual(two[1], one[0])
        self.assertEqual(len(one[0]["classes"]), len(one[0]["tokens"]))
        self.assertTrue(set(one[0]["classes"]) <= set(info["class_names"]))
        self.assertEqual(self.succeed("corpus", "--split=val", "--index=6").stdout.strip(), one[0]["text"].strip())
        self.assertEqual(self.succeed("corpus", "--count=3").stdout, self.succeed("corpus", "--split=val", "--count=3").stdout)

    def test_train_sentences_follow_the_seed(self):
        texts = [self.succeed("corpus", "--split=train", "--count=5", f"--seed={seed}").stdout for seed in (1, 1, 2)]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])

    def test_vocabulary(self):
        words = self.json_of("corpus", "--vocabulary", "--json")
        self.assertEqual(len(words), self.json_of("corpus", "--json")["vocab_size"])
        self.assertEqual(len(self.succeed("corpus", "--corpus=text.txt", "--vocabulary", "--json").stdout) > 256, True)

    def test_a_file_gives_windows(self):
        info = self.json_of("corpus", "--corpus=text.txt", "--seq-len=16", "--json")
        self.assertEqual([info["name"], info["vocab_size"]], ["text.txt", 256])
        window = self.json_of("corpus", "--corpus=text.txt", "--split=val", "--seq-len=16", "--json")["sentences"][0]
        self.assertEqual(len(window["tokens"]), 17)
        self.assertIn(window["text"], program.some_text())


class EvalAndSample(ProgramTest):
    def setUp(self):
        super().setUp()
        self.succeed("train", *tiny(4), "--out=run", "--quiet")

    def test_eval_of_a_run_is_what_training_saw(self):
        document = self.json_of("eval", "run", "--json", "--eval-windows=200")
        result = json.loads((self.dir / "run/result.json").read_text())
        self.assertEqual(document["splits"], result["splits"])
        self.assertEqual(document["step"], 4)
        val = document["splits"]["val"]
        self.assertAlmostEqual(val["perplexity"], math.exp(val["loss"]))
        shares = val["layers"][0]["load_share"]
        mean = sum(shares) / 4
        self.assertAlmostEqual(val["layers"][0]["load_balance_stddev"], math.sqrt(sum((s - mean)**2 for s in shares) / 4))
        self.assertEqual(sum(val["layers"][0]["load"]), val["windows"] * 16 * 2)
        out = self.succeed("eval", "run/checkpoint.safetensors", "--split=val", "--eval-windows=200").stdout
        self.assertIn(f"val: loss={val['loss']:.4f}", out)
        self.assertIn("  block 1: load share", out)

    def test_sampling_follows_prompt_and_seed(self):
        call = ["sample", "run", "--prompt=tea for", "--max-new-tokens=9", "--json"]
        one, again, other = (self.json_of(*call, f"--seed={seed}") for seed in (1, 1, 2))
        self.assertEqual(one, again)
        self.assertNotEqual(one, other)
        self.assertEqual(one["prompt_tokens"], list(b"tea for"))
        self.assertEqual(len(one["samples"][0]["tokens"]), 9)
        self.assertTrue(one["samples"][0]["text"].startswith("tea for"))
        greedy = {json.dumps(self.json_of(*call, "--temperature=0", f"--seed={seed}")) for seed in (1, 2)}
        self.assertEqual(len(greedy), 1)
        both = self.json_of(*call, "--seed=1", "--count=2")["samples"]
        self.assertEqual(both, one["samples"] + other["samples"])
        shown = self.succeed(*call[:-1], "--seed=1")
        self.assertEqual(shown.stdout, one["samples"][0]["text"] + "\n")
        self.assertRegex(shown.stderr, r"^9 tokens, [0-9.]+ tokens/s\n$")
        self.assertEqual(self.json_of(*call, "--seed=1", "--top-k=1"), self.json_of(*call, "--seed=2", "--top-p=0"))

    def test_a_sample_grows_by_whole_characters(self):
        # An untrained model writes bytes at random: parts of characters, and some that are whole.
        self.succeed("train", *tiny(1), "--out=bytes")
        growing = subprocess.Popen([program.PROGRAM, "sample", "bytes", "--prompt=a", "--max-new-tokens=3000"], cwd=self.dir,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        text, pieces = b"", 0
        while piece := os.read(growing.stdout.fileno(), 4096):
            text += piece
            text.decode()
            pieces += 1
        growing.stdout.close()
        self.assertEqual(growing.wait(), 0)
        self.assertGreater(pieces, 1)
        whole = self.json_of("sample", "bytes", "--prompt=a", "--max-new-tokens=3000", "--json")["samples"][0]["text"]
        self.assertEqual(text.decode(), whole + "\n")
        self.assertGreater(len(set(whole)), 20)


class Bench(ProgramTest):
    def test_models_are_the_peers(self):
        # The peer's count: tied to nothing, no bias on the head.
        ffn, rest = 2 * 64 * 256 + 256 + 64, 4 * 64 + 4 * 64 * 64 + 4 * 64
        dense = 2 * 256 * 64 + 64 * 64 + 2 * (rest + ffn) + 2 * 64
        for flags, params, model in ((["--dense"], dense, "dense"), (["--moe"], dense + 3 * ffn + 4 * 64, "moe")):
            result = self.json_of("bench", "--size=lab", *flags, "--threads=1", "--steps=3", "--warmup=1", "--json")
            self.assertEqual([result["params"], result["model"], result["threads"]], [params, model, 1])
            self.assertLessEqual(result["ms_per_step"]["min"], result["ms_per_step"]["median"])
            self.assertAlmostEqual(result["tokens_per_s"], 1024 / result["ms_per_step"]["min"] * 1e3)
            self.assertLess(abs(result["loss"] - math.log(256)), 0.5)  # nothing to learn in random tokens yet
            for key in ("cpu_ms_per_step", "peak_rss_mb", "isa", "size", "steps"):
                self.assertIn(key, result)
        self.assertRegex(self.succeed("bench", "--steps=1", "--warmup=0").stdout, r"^lab dense, .* ms a step")

    def test_the_share_of_the_peak_is_that_of_the_models_flops(self):
        result = self.json_of("bench", "--moe", "--threads=1", "--steps=3", "--json")
        flops = result["train_flops_per_token"] * result["tokens_per_step"]
        self.assertAlmostEqual(result["gflops"], flops / result["ms_per_step"]["min"] * 1e-6)
        self.assertAlmostEqual(result["fma_peak_fraction"], result["gflops"] / result["fma_peak_gflops"])
        self.assertTrue(0 < result["fma_peak_fraction"] < 1, result)

    def test_the_profile_adds_up_to_the_fastest_step(self):
        result = self.json_of("bench", "--moe", "--threads=2", "--steps=4", "--profile", "--json")
        profile = result["profile"]
        self.assertEqual(profile["num_steps"], 1)
        self.assertAlmostEqual(sum(entry["ms"] for entry in profile["operations"]), profile["ms"], places=9)
        self.assertLessEqual(profile["ms"], result["ms_per_step"]["min"])
        self.assertGreater(profile["ms"], 0.5 * result["ms_per_step"]["min"])
        self.assertTrue({"experts", "attention", "router", "optimizer", "rest"} <=
                        {entry["operation"] for entry in profile["operations"]})
        text = self.succeed("bench", "--moe", "--steps=1", "--profile").stdout
        for words in ("the fastest step:", "experts", "forward", "of peak", "100.0%"):
            self.assertIn(words, text)
        self.assertNotIn("profile", self.json_of("bench", "--steps=1", "--json"))

    def test_a_configuration_of_ones_own_is_timed_on_its_data(self):
        (self.dir / "own.toml").write_text("[model]\nd_model = 8\nnum_heads = 2\nd_ff = 16\n"
                                           "[train]\nsteps = 2\nseq_len = 16\nbatch_size = 4\naccumulation_steps = 2\n"
                                           "learning_rate = 1e-2\nwarmup_steps = 0\n")
        result = self.json_of("bench", "--config=own.toml", "--set=model.num_layers=3", "--set=model.moe.layers=[2]",
                              "--set=data.corpus=text.txt", "--steps=60", "--json")
        self.assertEqual([result["size"], result["model"], result["tokens_per_step"]], ["own", "moe", 128])
        self.assertLess(result["loss"], 4)  # a few letters can be learned: random bytes would stay at ln 256 = 5.5
        changed = self.json_of("bench", "--size=lab", "--moe", "--set=model.moe.num_experts=8", "--steps=1", "--json")
        self.assertEqual(changed["params"] - self.json_of("bench", "--moe", "--steps=1", "--json")["params"],
                         4 * (2 * 64 * 256 + 256 + 64 + 64))


if __name__ == "__main__":
    main()
