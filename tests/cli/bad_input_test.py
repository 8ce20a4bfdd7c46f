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
    "comparison/runs/moe-seed1/empty": b"",
}


def train(*flags, corpus="text.txt"):
    return ["train", "--out=existing", "--force", *tiny(3, corpus, *flags)]


def compare(*flags):
    return ["compare", "--out=existing", "--force", *tiny(3, "text.txt", *flags)]


# What is asked, and what the line must say.
CASES = [
    # Options
    ([], ["no command"]),
    (["trian"], ["'trian'", "'train'"]),
    (["--jsn"], ["--jsn"]),
    (train("--top-kk=2"), ["--top-kk", "'--top-k'"]),
    (train("--num_experts=2"), ["--num_experts", "'--num-experts'"]),
    (train("--zzzzzzzzzz"), ["--zzzzzzzzzz"]),
    (train("surplus"), ["'surplus'"]),
    (train("--seed"), ["--seed"]),
    (train("--seed=1", "--seed=2"), ["--seed"]),
    (["corpus", "--json=perhaps"], ["json"]),
    (train("--threads=-1"), ["--threads", "256"]),
    (train("--threads=257"), ["--threads", "256"]),
    (train("--threads=two"), ["--threads", "two"]),
    (train("--isa=neon"), ["neon", "this machine auto, ", "scalar"]),
    (train("--log-interval=0"), ["--log-interval"]),
    (train("--stop-at=4"), ["--stop-at", "3"]),
    (train("--eval-windows=-3"), ["--eval-windows"]),
    (train("--resume"), ["--force", "--resume"]),
    (["train", *tiny(3), "--resume"], ["--out"]),
    (train("--dense-baseline=nowhere"), ["nowhere/result.json"]),
    (train("--dense-baseline=existing"), ["existing/result.json", "val_loss"]),
    (["train", b"--corpus=caf\xe9"], ["UTF-8"]),
    # Configuration values
    (train("--steps=0"), ["--steps", "train.steps", "0"]),
    (train("--steps=-5"), ["train.steps", "-5"]),
    (train("--steps=1.5"), ["train.steps", "1.5"]),
    (train("--steps=ten"), ["train.steps", "ten"]),
    (train("--steps=99999999999999999999"), ["train.steps"]),
    (train("--top-k=5"), ["--top-k", "moe.top_k", "5", "4"]),
    (train("--top-k=0"), ["moe.top_k", "0"]),
    (train("--num-experts=0"), ["moe.num_experts"]),
    (train("--num-experts=5000"), ["moe.num_experts", "4096"]),
    (train("--moe-layer=2"), ["moe.layers", "2"]),
    (train("--moe-layer=1,1"), ["moe.layers"]),
    (train("--moe-layer=-1"), ["moe.layers", "-1"]),
    (train("--moe-layer=one"), ["moe.layers", "one"]),
    (train("--moe-layer="), ["--moe-layer"]),
    (train("--alpha=-0.1"), ["moe.aux_loss_coef", "-0.1"]),
    (train("--alpha=nan"), ["moe.aux_loss_coef", "nan"]),
    (train("--alpha=1e999"), ["moe.aux_loss_coef"]),
    (train("--z-loss=x"), ["moe.z_loss_coef"]),
    (train("--capacity-factor=-1"), ["moe.capacity_factor"]),
    (train("--bias-update-rate=-1"), ["moe.bias_update_rate"]),
    (train("--gate-order=softmax_top_k"), ["moe.gate_order", "softmax_topk"]),
    (train("--top-k=1", "--gate-order=topk_softmax"), ["softmax_topk", "allow_constant_gate"]),
    (train("--drop-priority=luck"), ["moe.drop_priority", "position"]),
    (train("--aux-loss-scope=all"), ["moe.aux_loss_scope", "micro_batch"]),
    (train("--preset=gpt3"), ["model.preset", "gpt2", "llama"]),
    (train("--d-model=9"), ["model.", "9", "2"]),
    (train("--num-kv-heads=3"), ["num_kv_heads"]),
    (train("--num-layers=0"), ["model.num_layers"]),
    (train("--d-model=4096", "--num-heads=64", "--d-ff=1048576", "--num-layers=64"), ["memory"]),
    (train("--max-seq-len=8"), ["train.seq_len", "16", "8"]),
    (train("--lr=-1"), ["train.learning_rate", "-1"]),
    (train("--min-lr=1"), ["train.min_learning_rate"]),
    (train("--schedule=linear"), ["train.schedule", "cosine"]),
    (train("--languages=fr"), ["data.languages", "fr", "en"]),
    (train("--val-fraction=1.1"), ["data.val_fraction", "x <= 1"]),
    (train("--val-fraction=1"), ["the training part has 0 of"]),
    (train("--set", "model.moe.topk=2"), ["model.moe.topk", "'model.moe.top_k'"]),
    (train("--set", "top_k=2"), ["top_k", "model.moe.top_k"]),
    (train("--set", "train.steps"), ["KEY=VALUE"]),
    (train("--set", "train.steps="), ["train.steps"]),
    (train("--set", "model.qk_norm=maybe"), ["model.qk_norm", "maybe"]),
    # Configuration files
    (train("--config=unknown.toml"), ["unknown.toml:5", "num_expert", "'model.moe.num_experts'"]),
    (train("--config=table.toml"), ["table.toml:1", "modle"]),
    (train("--config=syntax.toml"), ["syntax.toml:3"]),
    (["train", "--out=existing", "--force", "--config=type.toml"], ["type.toml:3", "train.steps", "many"]),
    (train("--config=range.toml"), ["range.toml:4", "moe.top_k", "9"]),
    (train("--config=twice.toml"), ["twice.toml:3", "steps"]),
    (train("--config=date.toml"), ["date.toml:2", "train.steps"]),
    (train("--config=scalar.toml"), ["scalar.toml:1", "model"]),
    (train("--config=latin1.toml"), ["latin1.toml:2"]),
    (train("--config=nul.toml"), ["nul.toml:2"]),
    (train("--config=huge.toml"), ["huge.toml", "1048576"]),
    (train("--config=broken.json"), ["broken.json"]),
    (train("--config=unknown.json"), ["unknown.json", "stepz", "train.steps"]),
    (train("--config=list.json"), ["list.json"]),
    (train("--config=missing.toml"), ["missing.toml"]),
    (train("--config=."), ["not a regular file"]),
    # Data
    (train("--set", "data.corpus=missing.txt"), ["missing.txt"]),
    (train(corpus="missing.txt"), ["missing.txt"]),
    (train(corpus="."), ["."]),
    (train(corpus="empty.txt"), ["empty.txt"]),
    (train(corpus="short.txt"), ["short.txt"]),
    (train(corpus="nul.txt"), ["nul.txt", "2"]),
    (train(corpus="latin1.txt"), ["latin1.txt", "2"]),
    (train(corpus="truncated-utf8.txt"), ["truncated-utf8.txt"]),
    (train(corpus="odd.bin"), ["odd.bin"]),
    (train(corpus="empty.bin"), ["empty.bin"]),
    (train("--vocab-size=500", corpus="tokens.bin"), ["tokens.bin", "699", "500"]),
    (train(corpus="columns.conllu"), ["columns.conllu:1601"]),
    (train(corpus="ids.conllu"), ["ids.conllu:1602"]),
    (train(corpus="empty.conllu"), ["empty.conllu"]),
    (train(corpus="comments.conllu"), ["comments.conllu"]),
    (train(corpus="latin1.conllu"), ["latin1.conllu:1601"]),
    (train(corpus="damaged.conllu.gz"), ["damaged.conllu.gz"]),
    (train(corpus="nogzip.conllu.gz"), ["nogzip.conllu.gz"]),
    (train("--seq-len=3000"), ["text.txt"]),
    (train("--seq-len=500"), ["text.txt", "501"]),
    (train("--vocab-size=100"), ["model.vocab_size", "100", "256"]),
    (train("--format=tokens", "--set", "data.corpus=odd.bin"), ["odd.bin"]),
    # Places to write to
    (["train", *tiny(3), "--out=text.txt"], ["text.txt"]),
    (["train", *tiny(3), "--out=text.txt/below"], ["text.txt/below"]),
    (["train", *tiny(3), "--out=/proc/nowhere"], ["/proc/nowhere"]),
    (["train", *tiny(3), "--out=existing"], ["existing", "--force", "--resume"]),
    (["compare", *tiny(3), "--seeds=1", "--out=text.txt/below"], ["text.txt/below"]),
    (["compare", *tiny(3), "--seeds=1", "--out=existing"], ["existing", "--force"]),
    # The other commands
    (compare("--moe-layer=none"), ["--moe-layer"]),
    (compare("--seeds=0"), ["--seeds", "0"]),
    (compare("--seeds=1,x"), ["--seeds"]),
    (compare("--seeds=4,4"), ["--seeds"]),
    (compare("--lab"), ["--lab"]),
    (compare("--resume"), ["--force", "--resume"]),
    (["eval"], ["run"]),
    (["eval", "nowhere"], ["nowhere"]),
    (["eval", "result-less"], ["result-less", "checkpoint.safetensors"]),
    (["eval", "no.safetensors"], ["no.safetensors"]),
    (["eval", "comparison"], ["comparison", "checkpoint.safetensors", "comparison/runs"]),
    (["eval", "existing", "--split=test"], ["test", "val"]),
    (["eval", "existing", "--split=held-out-verbs"], ["held-out-verbs", "val"]),
    (["eval", "existing", "--corpus=tokens.bin"], ["model.vocab_size", "tokens.bin"]),
    (["sample", "existing"], ["--prompt"]),
    (["sample", "existing", "--prompt="], ["--prompt"]),
    (["sample", "existing", "--prompt=a", "--temperature=-1"], ["--temperature"]),
    (["sample", "existing", "--prompt=a", "--max-new-tokens=0"], ["--max-new-tokens"]),
    (["sample", "existing", "--prompt=a", "--top-p=1.5"], ["--top-p", "1.5"]),
    (["sample", "existing", "--prompt=a", "--top-k=-1"], ["--top-k", "-1"]),
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
            (self.dir / name).parent.mkdir(parents=True, exist_ok=True)
            (self.dir / name).write_bytes(content)
        self.succeed("train", *tiny(2), "--out=existing", "--quiet")
        (self.dir / "existing/manifest.json").write_text("{}")
        (self.dir / "existing/result.json").write_text('{"val_loss": "none"}')
        for args, said in CASES:
            for extra in ([], ["--json"]) if args and args[0] in ("train", "eval") else ([],):
                with self.subTest(" ".join(map(repr, [*args, *extra]))):
                    self.check([*args, *extra], said)

    def check(self, args, said):
        before = program.tree(self.dir)
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
