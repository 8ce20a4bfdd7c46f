# SPDX-License-Identifier: Apache-2.0
"""program: models to and from Hugging Face's transformers. Usage: transformers_test.py PROGRAM

Random small models of each architecture are made here, and both sides must agree on logits, routing and gradients. Runs
under $HF_PYTHON when it is set, else under this Python; exits with 77 (skipped) without torch and transformers."""
import json
import os
import pathlib
import sys

other = os.environ.pop("HF_PYTHON", "")
if other:
    os.execv(other, [other, *sys.argv])
try:
    import safetensors.torch
    import tokenizers
    import torch
    import transformers
except ImportError as error:
    print(f"skipped: {error}; pip install torch transformers, or set HF_PYTHON to a Python that has them")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from program import ProgramTest, main, tiny  # noqa: E402

SIZES = {"vocab_size": 61, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
         "intermediate_size": 40, "max_position_embeddings": 24, "bos_token_id": None, "eos_token_id": None,
         "pad_token_id": None}
EXPERTS = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 20}
OLMOE = {"num_experts": 6, "num_experts_per_tok": 3}
SHARED = {"shared_expert_intermediate_size": 60}
ERNIE = {"moe_num_experts": 6, "moe_k": 2, "moe_intermediate_size": 20}


def theta(value):
    return {"rope_parameters": {"rope_type": "default", "rope_theta": value}}


MODELS = {
    "gpt2": ("GPT2", {"vocab_size": 61, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 24, "resid_pdrop": 0,
                      "embd_pdrop": 0, "attn_pdrop": 0}),
    "gpt2, erf, untied, narrow": ("GPT2", {"vocab_size": 61, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 24,
                                           "resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0, "n_inner": 24,
                                           "activation_function": "gelu", "tie_word_embeddings": False}),
    "llama": ("Llama", {**SIZES, **theta(500.0)}),
    "llama, biases, tied": ("Llama", {**SIZES, "attention_bias": True, "tie_word_embeddings": True,
                                      "rms_norm_eps": 1e-3}),
    "mixtral": ("Mixtral", {**SIZES, "num_local_experts": 6, "num_experts_per_tok": 3}),
    "mixtral, one expert a token": ("Mixtral", {**SIZES, "num_local_experts": 4, "num_experts_per_tok": 1}),
    "qwen3_moe": ("Qwen3Moe", {**SIZES, **EXPERTS, "norm_topk_prob": True, "head_dim": 8}),
    "qwen3_moe, mixed, not renormalised": ("Qwen3Moe", {**SIZES, **EXPERTS, "norm_topk_prob": False, "head_dim": 8,
                                                        "mlp_only_layers": [1], "attention_bias": True, **theta(100.0)}),
    "qwen3_moe, each second": ("Qwen3Moe", {**SIZES, **EXPERTS, "norm_topk_prob": True, "head_dim": 8,
                                            "decoder_sparse_step": 2}),
    "ernie4_5_moe": ("Ernie4_5_Moe", {**SIZES, **ERNIE, "moe_num_shared_experts": 2, "moe_layer_start_index": 1}),
    "olmoe": ("Olmoe", {**SIZES, **OLMOE, **theta(300.0)}),
    "olmoe, renormalised, biases, tied": ("Olmoe", {**SIZES, **OLMOE, "num_key_value_heads": 4, "norm_topk_prob": True,
                                                    "attention_bias": True, "tie_word_embeddings": True}),
    "qwen2_moe": ("Qwen2Moe", {**SIZES, **EXPERTS, **SHARED}),
    "qwen2_moe, mixed, renormalised, tied": ("Qwen2Moe", {**SIZES, **EXPERTS, **SHARED, "norm_topk_prob": True,
                                                          "mlp_only_layers": [1], "tie_word_embeddings": True,
                                                          "rms_norm_eps": 1e-3}),
    "qwen2_moe, each second, no biases": ("Qwen2Moe", {**SIZES, **EXPERTS, "shared_expert_intermediate_size": 20,
                                                       "decoder_sparse_step": 2, "qkv_bias": False, **theta(700.0)}),
    "ernie4_5_moe, untied, none shared": ("Ernie4_5_Moe", {**SIZES, **ERNIE, "moe_num_shared_experts": 0,
                                                           "moe_layer_start_index": 0, "moe_layer_interval": 2,
                                                           "tie_word_embeddings": False}),
}


def make(name, seed=0):
    """A model whose every tensor is random, so that nothing can be left out without a trace."""
    kind, settings = MODELS[name]
    torch.manual_seed(seed)
    config = getattr(transformers, kind + "Config")(**settings)
    classes = {"GPT2": "GPT2LMHeadModel"}
    model = getattr(transformers, classes.get(kind, kind + "ForCausalLM"))(config).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            spread = 0.3 if parameter.dim() > 1 else 0.1
            if "e_score_correction_bias" in parameter_name:
                spread = 0.2
            base = 1.0 if "norm" in parameter_name.lower() or ".ln_" in parameter_name else 0.0
            parameter.copy_((base if parameter_name.endswith("weight") and parameter.dim() == 1 else 0.0)
                            + spread * torch.randn_like(parameter))
    return model


class Routers:
    """Logits and choices of every router during a forward pass."""

    def __init__(self, model):
        self.logits, self.chosen = [], []
        self.hooks = [module.register_forward_hook(self.keep) for name, module in model.named_modules()
                      if type(module).__name__.endswith("TopKRouter")]

    def keep(self, module, inputs, output):
        self.logits.append(output[0])
        self.chosen.append(output[2])


def relative(ours, theirs):
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


class Transformers(ProgramTest):
    def tokens(self, batch=3, length=17, vocab=61):
        torch.manual_seed(7)
        ids = torch.randint(0, vocab, (batch, length))
        (self.dir / "ids.json").write_text(json.dumps(ids.tolist()))
        return ids

    def ours(self, model, *flags):
        self.succeed("logits", model, "--tokens", "ids.json", "--out", "out.safetensors", *flags)
        return safetensors.torch.load_file(self.dir / "out.safetensors")

    def check_equal(self, name, model, directory):
        """The program's logits, loss, routing and gradients of `directory` beside those of `model`."""
        ids = self.tokens()
        routers = Routers(model)
        model.zero_grad()
        result = model(ids, labels=ids)
        result.loss.backward()
        ours = self.ours(directory, "--router", "--grads")
        self.assertLess(relative(ours["logits"], result.logits.detach()), 2e-5, name)
        self.assertLess(abs(ours["loss"].item() - result.loss.item()), 2e-5 * result.loss.item(), name)
        blocks = sorted(int(key.split(".")[1]) for key in ours if key.startswith("router_logits."))
        self.assertEqual(len(blocks), len(routers.logits), name)
        for block, logits, chosen in zip(blocks, routers.logits, routers.chosen):
            self.assertLess(relative(ours[f"router_logits.{block}"].reshape(logits.shape), logits.detach()), 2e-5, name)
            self.assertTrue(torch.equal(ours[f"chosen_experts.{block}"].reshape(chosen.shape).long(), chosen), name)
        # transformers writes the names on disk; its gradients, saved as weights, get the same ones.
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.copy_(gradient)
        model.save_pretrained(self.dir / "gradients", max_shard_size="100GB")
        theirs = safetensors.torch.load_file(self.dir / "gradients/model.safetensors")
        grads = {key[len("grad."):]: value for key, value in ours.items() if key.startswith("grad.")}
        # The one tensor without a gradient is the selection bias.
        self.assertEqual(set(theirs) - set(grads), {key for key in theirs if "e_score_correction_bias" in key}, name)
        self.assertLessEqual(set(grads), set(theirs), name)
        for key, gradient in grads.items():
            expected = theirs[key]
            self.assertEqual(gradient.shape, expected.shape, key)
            if key.endswith("c_attn.bias"):  # its key third has the true gradient 0
                width = expected.shape[0] // 3
                gradient, expected = gradient.clone(), expected.clone()
                gradient[width:2 * width] = expected[width:2 * width] = 0
            if expected.abs().max() > 1e-6 or gradient.abs().max() > 1e-6:
                self.assertLess(relative(gradient, expected), 1e-4, f"{name}: {key}")

    def test_every_architecture_computes_the_same(self):
        for name in MODELS:
            with self.subTest(name):
                make(name).save_pretrained(self.dir / "theirs")
                self.succeed("import", "theirs", "--out", "run", "--force")
                self.check_equal(name, make(name), "run")

    def test_what_is_exported_computes_the_same_in_transformers(self):
        for name in MODELS:
            with self.subTest(name):
                make(name, 1).save_pretrained(self.dir / "theirs")
                self.succeed("import", "theirs", "--out", "run", "--force")
                self.succeed("export", "run", "--to", "hf", "exported", "--force")
                self.succeed("import", "exported", "--out", "again", "--force")
                self.succeed("export", "again", "--to", "hf", "exported-again", "--force")
                for file in ("config.json", "model.safetensors"):
                    self.assertEqual((self.dir / "exported" / file).read_bytes(),
                                     (self.dir / "exported-again" / file).read_bytes(), name)
                loaded, report = transformers.AutoModelForCausalLM.from_pretrained(self.dir / "exported",
                                                                                   output_loading_info=True)
                self.assertFalse(report["missing_keys"] or report["unexpected_keys"] or report["mismatched_keys"], report)
                self.assertEqual(loaded.dtype, torch.float32)
                ids = self.tokens()
                with torch.no_grad():
                    for parameter in loaded.parameters():  # torch's product with one row depends on where the row lies
                        parameter.data = parameter.data.clone()
                    self.assertEqual(relative(loaded(ids).logits, make(name, 1)(ids).logits), 0, name)
                self.check_equal(name, loaded.eval(), "exported")

    def test_a_model_trained_here_runs_there(self):
        self.succeed("train", *tiny(4, "text.txt", "--num-heads=2", "--d-model=16"), "--preset=llama",
                     "--moe-layer=0,1", "--num-experts=4", "--top-k=2", "--out=run")
        self.succeed("export", "run", "--to", "hf", "exported")
        loaded = transformers.AutoModelForCausalLM.from_pretrained(self.dir / "exported")
        self.assertEqual(loaded.config.model_type, "mixtral")
        ids = self.tokens(vocab=256, length=16)
        with torch.no_grad():
            self.assertLess(relative(self.ours("run")["logits"], loaded(ids).logits), 2e-5)
        text = "ada boils tea\n\tcaf\u00e9 \u4e16\u754c \U0001f600 \x00\x7f\xa0\xad '  ' 12"
        tokenizer = tokenizers.Tokenizer.from_file(str(self.dir / "exported/tokenizer.json"))
        self.assertEqual(tokenizer.encode(text).ids, list(text.encode()))
        self.assertEqual(tokenizer.decode(list(text.encode())), text)
        fast = transformers.AutoTokenizer.from_pretrained(self.dir / "exported")
        self.assertEqual(fast(text)["input_ids"], list(text.encode()))

    def test_words_become_the_same_ids(self):
        self.succeed("train", *tiny(2, "grammar"), "--preset=llama", "--moe-layer=0,1", "--out=run")
        self.succeed("export", "run", "--to", "hf", "exported")
        tokenizer = tokenizers.Tokenizer.from_file(str(self.dir / "exported/tokenizer.json"))
        shown = self.json_of("corpus", "--split=val", "--count=20", "--json")
        sentences = shown["sentences"] if isinstance(shown, dict) else shown
        self.assertGreater(len(sentences), 5)
        for sentence in sentences:
            self.assertEqual(tokenizer.encode(sentence["text"]).ids, sentence["tokens"], sentence["text"])

    def test_half_precision_and_shards_are_read(self):
        for kind, dtype in (("mixtral", torch.bfloat16), ("gpt2", torch.float16)):
            make(kind).to(dtype).save_pretrained(self.dir / "half", max_shard_size="60KB")
            self.assertTrue((self.dir / "half/model.safetensors.index.json").exists())
            ids = self.tokens()
            with torch.no_grad():
                rounded = make(kind)  # its weights alone: .to() rounds the rotary frequencies too
                for parameter in rounded.parameters():
                    parameter.copy_(parameter.to(dtype).float())
                expected = rounded(ids).logits
            self.assertLess(relative(self.ours("half")["logits"], expected), 2e-5)
            for file in (self.dir / "half").iterdir():
                file.unlink()

    def test_what_does_not_fit_is_one_error_that_lists_it(self):
        make("mixtral").save_pretrained(self.dir / "theirs")
        path = self.dir / "theirs/model.safetensors"
        tensors = safetensors.torch.load_file(path)
        gate = next(key for key in tensors if key.endswith("gate.weight"))
        for wrong, message in ((lambda t: t.pop(gate), f"{gate} is missing"),
                               (lambda t: t.pop("lm_head.weight"), "lm_head.weight is missing"),
                               (lambda t: t.update(extra=torch.zeros(2)), '"extra" is not a tensor of the model'),
                               (lambda t: t.update({gate: torch.zeros(3, 32)}), f"{gate} is [3, 32], expected [6, 32]")):
            changed = dict(tensors)
            wrong(changed)
            changed.pop("model.norm.weight")
            safetensors.torch.save_file(changed, path)
            done = self.call("import", "theirs", "--out", "run")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(message, done.stderr)
            self.assertIn("model.norm.weight is missing", done.stderr)
        self.assertFalse((self.dir / "run").exists())


if __name__ == "__main__":
    main()
