# SPDX-License-Identifier: Apache-2.0
"""program: models to llama.cpp. Usage: gguf_test.py PROGRAM

Random small models of each architecture are made here by the program; the gguf package's reader must see every key and
tensor as meant, and llama.cpp (by llama_cpp or cyllama) must give the program's logits. Runs under $LLAMA_PYTHON (which has
one of those, and gguf), else under $GGUF_PYTHON (which has gguf), else under this Python; exits with 77 (skipped) without
gguf, and says what it leaves out without llama.cpp."""
import json
import os
import pathlib
import sys

other = os.environ.pop("LLAMA_PYTHON", "") or os.environ.pop("GGUF_PYTHON", "")
if other:
    os.environ.pop("GGUF_PYTHON", "")
    os.execv(other, [other, *sys.argv])
try:
    import gguf
    import numpy
except ImportError as error:
    print(f"skipped: {error}; pip install gguf, or set GGUF_PYTHON or LLAMA_PYTHON to a Python that has it")
    sys.exit(77)
try:
    import llama_cpp
except ImportError:
    llama_cpp = None
try:
    import cyllama.llama.llama_cpp as cyllama
except ImportError:
    cyllama = None

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from program import ProgramTest, main, tiny  # noqa: E402

LLAMA = ["--preset=llama", "--d-model=32", "--num-heads=4", "--d-ff=48", "--d-expert=24", "--max-seq-len=24"]
MOE = ["--moe-layer=0,1", "--num-experts=6", "--top-k=3"]
DENSE = ["--set=model.moe.layers=[]"]
GROUPED = ["--num-kv-heads=2"]
MODELS = {
    "gpt2": [*DENSE, "--d-model=32", "--num-heads=4", "--d-ff=48", "--max-seq-len=24"],
    "gpt2, grouped heads": [*DENSE, *GROUPED, "--d-model=32", "--num-heads=4", "--d-ff=48", "--max-seq-len=24"],
    "llama": [*LLAMA, *DENSE, *GROUPED],
    "llama, biases, tied": [*LLAMA, *DENSE, "--set=model.attention_bias=true", "--set=model.tied_embeddings=true"],
    "llama, adjacent pairs": [*LLAMA, *DENSE, *GROUPED, "--set=model.rope_pairing=interleaved"],
    "llama, experts": [*LLAMA, *GROUPED, *MOE],
    "llama, one expert a token": [*LLAMA, "--moe-layer=0,1", "--num-experts=4", "--top-k=1",
                                  "--set=model.moe.gate_order=softmax_topk_renorm",
                                  "--set=model.moe.allow_constant_gate=true"],
    "ernie4_5-moe": [*LLAMA, *GROUPED, "--moe-layer=1", "--num-experts=6", "--top-k=2", "--num-shared-experts=2",
                     "--bias-balancing", "--bias-update-rate=0.01", "--set=model.rope_pairing=interleaved"],
    "ernie4_5-moe, halves": [*LLAMA, *MOE, "--bias-balancing", "--bias-update-rate=0.01"],
    "olmoe": [*LLAMA, *MOE, "--qk-norm", "--qk-norm-full-width", "--gate-order=softmax_topk",
              "--set=model.rope_theta=300"],
    "qwen2moe": [*LLAMA, *GROUPED, *MOE, "--num-shared-experts=2", "--shared-expert-gate", "--gate-order=softmax_topk",
                 "--set=model.attention_bias=true", "--set=model.attention_output_bias=false"],
    "qwen3moe": [*LLAMA, *GROUPED, *MOE, "--set=model.qk_norm=true", "--set=model.rope_theta=500"],
}
OURS = {"token_embd": "token_embedding", "position_embd": "position_embedding", "output_norm": "final_norm", "output": "head",
        "attn_norm": "norm1", "ffn_norm": "norm2", "attn_qkv": "attn.qkv", "attn_output": "attn.proj", "attn_q_norm": "attn.q_norm",
        "attn_k_norm": "attn.k_norm", "ffn_gate_inp": "moe.router",
        "ffn_gate_inp_shexp": "moe.shared_gate"}
PARTS = {"gate": "w_gate_proj", "up": "w_up_proj", "down": "w_down_proj"}
TOLERANCE = {"gpt2": 1e-3}  # ggml takes GELU from a table in float16
TOKENS = [65 + 7 * i % 60 for i in range(17)]


def contents(path):
    """Keys and tensors of a file, as the gguf package reads them."""
    reader = gguf.GGUFReader(path)
    keys = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    return keys, {tensor.name: tensor for tensor in reader.tensors}


if cyllama:
    class CyllamaModel(cyllama.LlamaModel):
        """With the attribute that its context asks for."""
        n_vocab = 256


def llama_logits(path, tokens):
    """Logits [len(tokens), V] of llama.cpp with a float32 cache of keys and values."""
    if llama_cpp:
        model = llama_cpp.Llama(str(path), n_ctx=len(tokens), logits_all=True, verbose=False, n_threads=1, type_k=0,
                                type_v=0, flash_attn=False)
        model.eval(tokens)
        return numpy.array(model.scores[:len(tokens)], dtype=numpy.float32)
    model = CyllamaModel(str(path), cyllama.LlamaModelParams(), verbose=False)
    how = cyllama.LlamaContextParams()
    how.n_ctx, how.n_threads, how.n_threads_batch = 32, 1, 1
    how.type_k = how.type_v = how.flash_attn_type = 0
    context = cyllama.LlamaContext(model, how, verbose=False)
    batch = cyllama.LlamaBatch(n_tokens=len(tokens), embd=0, n_seq_max=1)
    for position, token in enumerate(tokens):
        batch.add(token, position, [0], True)
    context.decode(batch)
    return numpy.array([context.get_logits_ith(i) for i in range(len(tokens))], dtype=numpy.float32)


def llama_tokens(path, text):
    if llama_cpp:
        return llama_cpp.Llama(str(path), vocab_only=True, verbose=False).tokenize(text.encode(), add_bos=False)
    model = cyllama.LlamaModel(str(path), cyllama.LlamaModelParams(), verbose=False)
    return model.get_vocab().tokenize(text, False, False)


class Gguf(ProgramTest):
    def train(self, name, run="run"):
        """Large steps, so that no weight is near its start."""
        self.succeed("train", *tiny(6, "text.txt", *MODELS[name], "--lr=0.03", "--set=model.init_std=0.15"),
                     f"--out={run}", "--force")

    def ours(self, run):
        (self.dir / "ids.json").write_text(json.dumps(TOKENS))
        self.succeed("logits", run, "--tokens", "ids.json", "--out", "out.safetensors")
        values = numpy.array(self.tensor("out.safetensors", "logits"), dtype=numpy.float32)
        return values.reshape(len(TOKENS), -1)

    def check_tensors(self, tensors, config):
        d, kv = 32, config["model"]["num_kv_heads"] or 4
        expected = {"token_embd.weight": [d, 256], "output_norm.weight": [d]}
        self.assertTrue(all(t.tensor_type == gguf.GGMLQuantizationType.F32 for t in tensors.values()))
        if "blk.0.attn_qkv.weight" in tensors:
            expected |= {"position_embd.weight": [d, 24], "blk.1.attn_qkv.bias": [d + 16 * kv], "blk.1.ffn_up.weight": [d, 48]}
        else:
            expected |= {"blk.1.attn_k.weight": [d, 8 * kv], "blk.1.attn_output.weight": [d, d]}
        if config["model"]["moe"]["layers"]:
            experts = config["model"]["moe"]["num_experts"]
            expected |= {"blk.1.ffn_gate_inp.weight": [d, experts], "blk.1.ffn_up_exps.weight": [d, 24, experts],
                         "blk.1.ffn_down_exps.weight": [24, d, experts]}
        for name, shape in expected.items():
            self.assertEqual(list(tensors[name].shape), shape, name)

    def check_values(self, tensors, config, architecture):
        """Every value of every tensor is one of the checkpoint's, in its place, and none of the checkpoint's is missing."""
        model = config["model"]
        heads = {"q": 4, "k": model["num_kv_heads"] or 4, "v": model["num_kv_heads"] or 4}
        halves = model["rope_pairing"] == "half_split" and architecture in ("llama", "ernie4_5-moe")  # which rotate pairs
        seen = set()

        def ours(name):
            seen.add(name)
            return numpy.array(self.tensor("run/checkpoint.safetensors", name), dtype=numpy.float32)
        for name, tensor in tensors.items():
            block, part, kind = [None, *name.split(".")][-3:]
            prefix = f"blocks.{block}." if block else ""
            words = part.split("_")
            if part in OURS:
                expected = ours(f"{prefix}{OURS[part]}.{kind}")
            elif part in ("attn_q", "attn_k", "attn_v"):
                begin = {"q": 0, "k": 4, "v": 4 + heads["k"]}[words[1]] * 8  # rows: heads of 8
                rows = ours(f"{prefix}attn.qkv.{kind}").reshape(8 * (4 + 2 * heads["k"]), -1)
                rows = rows[begin:begin + 8 * heads[words[1]]]
                if halves and words[1] != "v":
                    rows = rows.reshape(heads[words[1]], 2, 4, -1).swapaxes(1, 2)
                expected = rows.ravel()
            elif part == "exp_probs_b":
                expected = ours(f"{prefix}moe.expert_bias")
            else:
                where = {"exps": "moe.experts.", "shexp": "moe.shared."}.get(words[-1], "ffn.")
                expected = ours(prefix + where + PARTS[words[1]].replace("w_", "w_" if kind == "weight" else "b_"))
            self.assertEqual(tensor.data.ravel().tolist(), expected.tolist(), name)
        data = (self.dir / "run/checkpoint.safetensors").read_bytes()
        names = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
        left = {name for name in names if name.startswith(("blocks.", "token_", "position_", "final_", "head.")) and name not in seen}
        self.assertEqual({name for name in left if not name.endswith("expert_bias")}, set())

    def test_every_architecture_is_read_and_computes_the_same(self):
        for name in MODELS:
            with self.subTest(name):
                self.train(name)
                self.succeed("export", "run", "--to", "gguf", "out.gguf", "--force")
                config = json.loads((self.dir / "run/config.json").read_text())
                keys, tensors = contents(self.dir / "out.gguf")
                architecture = name.split(",")[0]
                self.assertEqual(keys["general.architecture"], architecture)
                for key, value in {"context_length": 24, "embedding_length": 32, "block_count": 2, "vocab_size": 256,
                                   "attention.head_count": 4,
                                   "attention.head_count_kv": config["model"]["num_kv_heads"] or 4}.items():
                    self.assertEqual(keys[f"{architecture}.{key}"], value, key)
                self.assertEqual(keys["tokenizer.ggml.model"], "gpt2")
                self.assertEqual(len(keys["tokenizer.ggml.tokens"]), 256)
                self.check_tensors(tensors, config)
                self.check_values(tensors, config, architecture)
                if llama_cpp or cyllama:
                    theirs = llama_logits(self.dir / "out.gguf", TOKENS)
                    expected = self.ours("run")
                    error = abs(theirs - expected).max() / abs(expected).max()
                    print(f"{name}: logits up to {abs(expected).max():.2f}, llama.cpp differs by {error:.1e}")
                    self.assertLess(error, TOLERANCE.get(architecture, 1e-5), name)
                else:
                    print(f"{name}: keys and tensors are right; logits not compared: no llama.cpp")

    def test_export_import_export_gives_the_same_bytes(self):
        for name in MODELS:
            with self.subTest(name):
                self.train(name)
                self.succeed("export", "run", "--to", "gguf", "out.gguf", "--force", "--no-tokenizer")
                self.succeed("import", "out.gguf", "--out", "again", "--force")
                self.succeed("export", "again", "--to", "gguf", "again.gguf", "--force")
                self.assertEqual((self.dir / "again.gguf").read_bytes(), (self.dir / "out.gguf").read_bytes())
                if name not in ("llama, adjacent pairs", "ernie4_5-moe, halves"):  # which comes back with its rows in the other order
                    self.assertEqual(self.ours("again").tolist(), self.ours("run").tolist())

    def test_llama_splits_text_as_the_vocabulary_here(self):
        if not (llama_cpp or cyllama):
            self.skipTest("no llama.cpp")
        text = "ada boils tea\n\tcaf\u00e9 it's 12  '  ' \u4e16\u754c <|endoftext|>"
        for flags in ([], ["--tokenizer=bpe:300"]):
            self.succeed("train", *tiny(2, "text.txt", *LLAMA, *DENSE, *flags), "--out=run", "--force")
            self.succeed("export", "run", "--to", "gguf", "out.gguf", "--force")
            ids = llama_tokens(self.dir / "out.gguf", text)
            if not flags:
                self.assertEqual(ids, list(text.encode()))
                continue
            vocab = json.loads((self.dir / "run/tokenizer.json").read_text())["model"]["vocab"]
            keys, _ = contents(self.dir / "out.gguf")
            self.assertEqual(keys["tokenizer.ggml.tokens"], sorted(vocab, key=vocab.get))
            shown = self.json_of("sample", "run", f"--prompt={text}", "--max-new-tokens=1", "--json")
            self.assertEqual(shown["prompt_tokens"], ids)


if __name__ == "__main__":
    main()
