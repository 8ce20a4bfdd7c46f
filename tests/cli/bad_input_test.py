# SPDX-License-Identifier: Apache-2.0
"""program: every bad input gives one clear line, exit code 2, and leaves what was there. Usage: bad_input_test.py PROGRAM"""
import gzip
import json
import struct

import program
from program import ProgramTest, main, tiny

CONLLU = "".join(f"# sentence {i}\n1\tThe\tthe\tDET\t_\t_\t2\tdet\t_\t_\n2\tcat\tcat\tNOUN\t_\t_\t0\troot\t_\t_\n\n" for i in range(400))

# Files that the cases name: content, made once per test.
FILES = {
    "empty.txt": b"",
    "short.txt": b"too short",
    "nul.txt": b"line one\nline t\0o\n" + b"more text " * 400,
    "latin1.txt": b"good line\ncaf\xe9 is not UTF-8\n" + b"more text " * 400,
    "truncated-utf8.txt": b"more text " * 400 + b"\xe2\x82",
    "odd.bin": struct.pack("<999H", *range(999)) + b"\x01",
    "tokens.bin": struct.pack("<4000H", *[i % 700 for i in range(4000)]),
    "empty.bin": b"",
    "columns.conllu": (CONLLU + "1\tonly\tthree\n\n").encode(),
    "ids.conllu": (CONLLU + "1\ta\ta\tDET\t_\t_\t0\troot\t_\t_\n7\tb\tb\tDET\t_\t_\t0\troot\t_\t_\n\n").encode(),
    "empty.conllu": b"",
    "comments.conllu": b"# nothing but\n# comments\n\n",
    "latin1.conllu": CONLLU.encode() + b"1\tcaf\xe9\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n",
    "damaged.conllu.gz": gzip.compress(CONLLU.encode())[:-20],
    "nogzip.conllu.gz": CONLLU.encode(),
    "unknown.toml": b"[train]\nsteps = 3\n\n[model.moe]\nnum_expert = 4\n",
    "table.toml": b"[modle]\nd_model = 8\n",
    "syntax.toml": b"[train]\nsteps = 3\nbatch_size = = 4\n",
    "type.toml": b"[train]\nseed = 1\nsteps = \"many\"\n",
    "range.toml": b"[model]\nnum_layers = 2\n[model.moe]\ntop_k = 9\n",
    "twice.toml": b"[train]\nsteps = 3\nsteps = 4\n",
    "date.toml": b"[train]\nsteps = 2020-01-01\n",
    "scalar.toml": b"model = 3\n",
    "latin1.toml": b"[data]\ncorpus = \"caf\xe9\"\n",
    "nul.toml": b"[train]\nsteps = 3\0\n",
    "broken.json": b"{\"train\": {\"steps\": }}",
    "unknown.json": b"{\"train\": {\"stepz\": 4}}",
    "list.json": b"[1]",
    "huge.toml": b"# " + b"x" * (1 << 20) + b"\n",
    "no.safetensors": b"this is no checkpoint",
    "result-less/empty": b"",
}

TRAIN = ["train", *tiny(3), "--out=existing", "--force"]
COMPARE = ["compare", *tiny(3), "--seeds=1", "--out=existing", "--force"]

# What is asked, and what the line must say.
CASES = [
    # Options
    ([], ["no command"]),
    (["trian"], ["'trian'", "'train'"]),
    (["--jsn"], ["--jsn"]),
    ([*TRAIN, "--top-kk=2"], ["--top-kk", "'--top-k'"]),
    ([*TRAIN, "--num_experts=2"], ["--num_experts", "'--num-experts'"]),
    ([*TRAIN, "--zzzzzzzzzz"], ["--zzzzzzzzzz"]),
    ([*TRAIN, "surplus"], ["'surplus'"]),
    ([*TRAIN, "--seed"], ["--seed"]),
    ([*TRAIN, "--seed=1", "--seed=2"], ["--seed"]),
    ([*TRAIN, "--json=perhaps"], ["json"]),
    ([*TRAIN, "--threads=-1"], ["--threads", "256"]),
    ([*TRAIN, "--threads=257"], ["--threads", "256"]),
    ([*TRAIN, "--threads=two"], ["--threads", "two"]),
    ([*TRAIN, "--isa=neon"], ["neon", "avx2"]),
    ([*TRAIN, "--log-interval=0"], ["--log-interval"]),
    ([*TRAIN, "--stop-at=4"], ["--stop-at", "3"]),
    ([*TRAIN, "--eval-windows=-3"], ["--eval-windows"]),
    ([*TRAIN, "--resume"], ["--force", "--resume"]),
    (["train", *tiny(3), "--resume"], ["--out"]),
    ([*TRAIN, "--dense-baseline=nowhere"], ["nowhere/result.json"]),
    ([*TRAIN, "--dense-baseline=existing"], ["existing/result.json", "val_loss"]),
    ([*TRAIN, b"--corpus=caf\xe9"], ["UTF-8"]),
    # Configuration values
    ([*TRAIN, "--steps=0"], ["--steps", "train.steps", "0"]),
    ([*TRAIN, "--steps=-5"], ["train.steps", "-5"]),
    ([*TRAIN, "--steps=1.5"], ["train.steps", "1.5"]),
    ([*TRAIN, "--steps=ten"], ["train.steps", "ten"]),
    ([*TRAIN, "--steps=99999999999999999999"], ["train.steps"]),
    ([*TRAIN, "--top-k=5"], ["--top-k", "moe.top_k", "5", "4"]),
    ([*TRAIN, "--top-k=0"], ["moe.top_k", "0"]),
    ([*TRAIN, "--num-experts=0"], ["moe.num_experts"]),
    ([*TRAIN, "--num-experts=5000"], ["moe.num_experts", "4096"]),
    ([*TRAIN, "--moe-layer=2"], ["moe.layers", "2"]),
    ([*TRAIN, "--moe-layer=1,1"], ["moe.layers"]),
    ([*TRAIN, "--moe-layer=-1"], ["moe.layers", "-1"]),
    ([*TRAIN, "--moe-layer=one"], ["moe.layers", "one"]),
    ([*TRAIN, "--moe-layer="], ["moe.layers"]),
    ([*TRAIN, "--alpha=-0.1"], ["moe.aux_loss_coef", "-0.1"]),
    ([*TRAIN, "--alpha=nan"], ["moe.aux_loss_coef", "nan"]),
    ([*TRAIN, "--alpha=1e999"], ["moe.aux_loss_coef"]),
    ([*TRAIN, "--z-loss=x"], ["moe.z_loss_coef"]),
    ([*TRAIN, "--capacity-factor=-1"], ["moe.capacity_factor"]),
    ([*TRAIN, "--bias-update-rate=-1"], ["moe.bias_update_rate"]),
    ([*TRAIN, "--gate-order=softmax_top_k"], ["moe.gate_order", "softmax_topk"]),
    ([*TRAIN, "--top-k=1", "--gate-order=topk_softmax"], ["softmax_topk", "allow_constant_gate"]),
    ([*TRAIN, "--drop-priority=luck"], ["moe.drop_priority", "position"]),
    ([*TRAIN, "--aux-loss-scope=all"], ["moe.aux_loss_scope", "micro_batch"]),
    ([*TRAIN, "--preset=gpt3"], ["model.preset", "gpt2", "llama"]),
    ([*TRAIN, "--d-model=9"], ["model.", "9", "2"]),
    ([*TRAIN, "--num-kv-heads=3"], ["num_kv_heads"]),
    ([*TRAIN, "--num-layers=0"], ["model.num_layers"]),
    ([*TRAIN, "--d-model=65536", "--d-ff=1048576", "--num-layers=64"], ["memory"]),
    ([*TRAIN, "--max-seq-len=8"], ["train.seq_len", "16", "8"]),
    ([*TRAIN, "--lr=-1"], ["train.learning_rate", "-1"]),
    ([*TRAIN, "--min-lr=1"], ["train.min_learning_rate"]),
    ([*TRAIN, "--schedule=linear"], ["train.schedule", "cosine"]),
    ([*TRAIN, "--languages=fr"], ["data.languages", "fr", "en"]),
    ([*TRAIN, "--val-fraction=0.9"], ["data.val_fraction", "0.5"]),
    ([*TRAIN, "--set", "model.moe.topk=2"], ["model.moe.topk", "'model.moe.top_k'"]),
    ([*TRAIN, "--set", "top_k=2"], ["top_k", "model.moe.top_k"]),
    ([*TRAIN, "--set", "train.steps"], ["KEY=VALUE"]),
    ([*TRAIN, "--set", "train.steps="], ["train.steps"]),
    ([*TRAIN, "--set", "model.qk_norm=maybe"], ["model.qk_norm", "maybe"]),
    # Configuration files
    ([*TRAIN, "--config=unknown.toml"], ["unknown.toml:5", "num_expert", "'model.moe.num_experts'"]),
    ([*TRAIN, "--config=table.toml"], ["table.toml:1", "modle"]),
    ([*TRAIN, "--config=syntax.toml"], ["syntax.toml:3"]),
    (["train", "--out=existing", "--force", "--config=type.toml"], ["type.toml:3", "train.steps", "many"]),
    ([*TRAIN, "--config=range.toml"], ["range.toml:4", "moe.top_k", "9"]),
    ([*TRAIN, "--config=twice.toml"], ["twice.toml:3", "steps"]),
    ([*TRAIN, "--config=date.toml"], ["date.toml:2", "train.steps"]),
    ([*TRAIN, "--config=scalar.toml"], ["scalar.toml:1", "model"]),
    ([*TRAIN, "--config=latin1.toml"], ["latin1.toml:2"]),
    ([*TRAIN, "--config=nul.toml"], ["nul.toml:2"]),
    ([*TRAIN, "--config=huge.toml"], ["huge.toml", "1048576"]),
    ([*TRAIN, "--config=broken.json"], ["broken.json"]),
    ([*TRAIN, "--config=unknown.json"], ["unknown.json", "stepz", "train.steps"]),
    ([*TRAIN, "--config=list.json"], ["list.json"]),
    ([*TRAIN, "--config=missing.toml"], ["missing.toml"]),
    ([*TRAIN, "--config=."], ["not a regular file"]),
    # Data
    ([*TRAIN, "--set", "data.corpus=missing.txt"], ["missing.txt"]),
    (["train", *tiny(3, "missing.txt"), "--out=existing", "--force"], ["missing.txt"]),
    (["train", *tiny(3, "."), "--out=existing", "--force"], ["."]),
    (["train", *tiny(3, "empty.txt"), "--out=existing", "--force"], ["empty.txt"]),
    (["train", *tiny(3, "short.txt"), "--out=existing", "--force"], ["short.txt"]),
    (["train", *tiny(3, "nul.txt"), "--out=existing", "--force"], ["nul.txt", "2"]),
    (["train", *tiny(3, "latin1.txt"), "--out=existing", "--force"], ["latin1.txt", "2"]),
    (["train", *tiny(3, "truncated-utf8.txt"), "--out=existing", "--force"], ["truncated-utf8.txt"]),
    (["train", *tiny(3, "odd.bin"), "--out=existing", "--force"], ["odd.bin"]),
    (["train", *tiny(3, "empty.bin"), "--out=existing", "--force"], ["empty.bin"]),
    (["train", *tiny(3, "tokens.bin"), "--vocab-size=500", "--out=existing", "--force"], ["tokens.bin", "699", "500"]),
    (["train", *tiny(3, "columns.conllu"), "--out=existing", "--force"], ["columns.conllu:1601"]),
    (["train", *tiny(3, "ids.conllu"), "--out=existing", "--force"], ["ids.conllu:1602"]),
    (["train", *tiny(3, "empty.conllu"), "--out=existing", "--force"], ["empty.conllu"]),
    (["train", *tiny(3, "comments.conllu"), "--out=existing", "--force"], ["comments.conllu"]),
    (["train", *tiny(3, "latin1.conllu"), "--out=existing", "--force"], ["latin1.conllu:1601"]),
    (["train", *tiny(3, "damaged.conllu.gz"), "--out=existing", "--force"], ["damaged.conllu.gz"]),
    (["train", *tiny(3, "nogzip.conllu.gz"), "--out=existing", "--force"], ["nogzip.conllu.gz"]),
    ([*TRAIN, "--seq-len=3000"], ["text.txt"]),
    ([*TRAIN, "--seq-len=500"], ["text.txt", "501"]),
    ([*TRAIN, "--vocab-size=100"], ["model.vocab_size", "100", "256"]),
    ([*TRAIN, "--format=tokens", "--set", "data.corpus=odd.bin"], ["odd.bin"]),
    # Places to write to
    (["train", *tiny(3), "--out=text.txt"], ["text.txt"]),
    (["train", *tiny(3), "--out=text.txt/below"], ["text.txt/below"]),
    (["train", *tiny(3), "--out=/proc/nowhere"], ["/proc/nowhere"]),
    (["train", *tiny(3), "--out=existing"], ["existing", "--force", "--resume"]),
    (["compare", *tiny(3), "--seeds=1", "--out=text.txt/below"], ["text.txt/below"]),
    (["compare", *tiny(3), "--seeds=1", "--out=existing"], ["existing", "--force"]),
    # The other commands
    ([*COMPARE, "--moe-layer=none"], ["--moe-layer"]),
    ([*COMPARE, "--seeds=0"], ["--seeds", "0"]),
    ([*COMPARE[:-3], "--seeds=1,x", "--out=new"], ["--seeds"]),
    ([*COMPARE[:-3], "--seeds=4,4", "--out=new"], ["--seeds"]),
    ([*COMPARE, "--lab"], ["--lab"]),
    ([*COMPARE, "--resume"], ["--force", "--resume"]),
    (["eval"], ["run"]),
    (["eval", "nowhere"], ["nowhere"]),
    (["eval", "result-less"], ["result-less", "checkpoint.safetensors"]),
    (["eval", "no.safetensors"], ["no.safetensors"]),
    (["eval", "existing", "--split=test"], ["test", "val"]),
    (["eval", "existing", "--split=held-out-verbs"], ["held-out-verbs", "val"]),
    (["eval", "existing", "--corpus=tokens.bin"], ["model.vocab_size", "tokens.bin"]),
    (["sample", "existing"], ["--prompt"]),
    (["sample", "existing", "--prompt="], ["--prompt"]),
    (["sample", "existing", "--prompt=a", "--temperature=-1"], ["--temperature"]),
    (["sample", "existing", "--prompt=a", "--max-new-tokens=0"], ["--max-new-tokens"]),
    (["corpus", "--corpus=missing.txt"], ["missing.txt"]),
    (["corpus", "--corpus=text.txt", "--split=tst"], ["tst", "val"]),
    (["corpus", "--corpus=text.txt", "--split=val", "--index=99999"], ["99999"]),
    (["corpus", "--corpus=text.txt", "--split=val", "--classes"], ["--classes"]),
    (["corpus", "--split=val", "--index=99999999"], ["99999999"]),
    (["corpus", "--steps=3"], ["--steps"]),
    (["bench", "--size=huge"], ["--size", "lab", "mid"]),
    (["bench", "--moe", "--dense"], ["--moe", "--dense"]),
    (["bench", "--steps=0"], ["--steps"]),
    (["config", "--toml", "--json"], ["--toml", "--json"]),
    (["config", "--corpus=missing.txt"], ["missing.txt"]),
]


class BadInput(ProgramTest):
    def test_every_case(self):
        for name, content in FILES.items():
            (self.dir / name).parent.mkdir(exist_ok=True)
            (self.dir / name).write_bytes(content)
        self.succeed("train", *tiny(2), "--out=existing", "--quiet")
        (self.dir / "existing/manifest.json").write_text("{}")
        (self.dir / "existing/result.json").write_text('{"val_loss": "none"}')
        before = program.tree(self.dir)
        for args, said in CASES:
            for extra in ([], ["--json"]) if args and args[0] in ("train", "eval") else ([],):
                with self.subTest(" ".join(map(repr, [*args, *extra]))):
                    self.check([*args, *extra], said, before)

    def check(self, args, said, before):
        done = program.subprocess.run([program.PROGRAM, *args], cwd=self.dir, capture_output=True, timeout=120,
                                      stdin=program.subprocess.DEVNULL)
        error = done.stderr.decode("utf-8", "replace")
        self.assertEqual(done.returncode, 2, error)
        self.assertRegex(error, r"^minimoe: error: [^\n]+\n$")
        for part in said:
            self.assertIn(part, error)
        self.assertEqual(done.stdout, b"")
        self.assertEqual(program.tree(self.dir), before)

    def test_there_are_enough_cases(self):
        self.assertGreaterEqual(len({json.dumps([str(args), said]) for args, said in CASES}), 100)


if __name__ == "__main__":
    main()
