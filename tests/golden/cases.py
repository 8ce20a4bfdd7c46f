# SPDX-License-Identifier: Apache-2.0
"""What the golden files hold: configurations (the keys of a run configuration) and the shapes of their parameters."""

ORDERS = ["softmax_topk_renorm", "softmax_topk", "topk_softmax", "sigmoid_topk_renorm"]
MOE = dict(layers=[1], num_experts=5, top_k=2, d_expert=6, gate_order="softmax_topk_renorm", routed_scale=1.0,
           num_shared_experts=0, shared_expert_gate=False, router_bias=False, router_learning_rate_factor=1.0,
           aux_loss_coef=0.3, aux_loss_scope="micro_batch", z_loss_coef=0.2, bias_balancing=False,
           bias_update_rate=1e-3, bias_centering=False, capacity_factor=0.0, eval_capacity_factor=0.0,
           drop_priority="position")
GPT2 = dict(vocab_size=17, max_seq_len=10, num_layers=2, d_model=16, num_heads=4, num_kv_heads=0, d_ff=14,
            norm="layer_norm", position="learned", ffn="gelu", gelu="tanh", attention_bias=True,
            attention_output_bias=True, qk_norm=False, qk_norm_full_width=False, tied_embeddings=False,
            rope_theta=10000.0, rope_pairing="half_split", norm_eps=1e-5, moe=MOE)
LLAMA = GPT2 | dict(norm="rms_norm", position="rope", ffn="swiglu", attention_bias=False, num_kv_heads=2)


def config(model, moe=None, **fields):
    return model | fields | {"moe": MOE | (moe or {})}


def moe_layer_cases():
    """name: (fields of the model, of model.moe, lengths of the sequences)"""
    full, padded = [6, 6, 6, 6], [6, 2, 5, 6]
    swiglu = dict(ffn="swiglu")
    cases = {}
    for order in ORDERS:
        moe = dict(gate_order=order, routed_scale=2.5 if order == "sigmoid_topk_renorm" else 1.0)
        cases[f"{order}_gelu"] = {}, moe, full
        cases[f"{order}_swiglu"] = swiglu, moe, full
    cases["gelu_erf"] = dict(gelu="erf"), {}, full
    cases["top_1"] = {}, dict(gate_order="softmax_topk", top_k=1, router_bias=True), full
    cases["top_3_padding"] = swiglu, dict(top_k=3), padded
    cases["aux_sequence"] = swiglu, dict(aux_loss_scope="sequence", gate_order="sigmoid_topk_renorm"), padded
    cases["aux_global_batch"] = {}, dict(aux_loss_scope="global_batch"), full
    cases["shared_experts"] = {}, dict(num_shared_experts=2, gate_order="softmax_topk"), full
    cases["shared_experts_padding"] = swiglu, dict(num_shared_experts=1), padded
    cases["capacity_position"] = {}, dict(capacity_factor=0.8), padded
    cases["capacity_probability"] = swiglu, dict(capacity_factor=0.8, drop_priority="probability",
                                                 gate_order="sigmoid_topk_renorm"), padded
    cases["capacity_probability_softmax"] = {}, dict(capacity_factor=0.7, drop_priority="probability",
                                                     gate_order="topk_softmax"), full
    cases["shared_expert_gate_padding"] = swiglu, dict(num_shared_experts=2, shared_expert_gate=True), padded
    return cases


def model_cases():
    """name: (model, lengths of the sequences)"""
    full, padded = [8, 8], [5, 8]
    return {
        "gpt2_softmax_topk_renorm": (config(GPT2), full),
        "gpt2_softmax_topk": (config(GPT2, dict(gate_order="softmax_topk", layers=[0, 1]), tied_embeddings=True,
                                     gelu="erf"), full),
        "gpt2_topk_softmax": (config(GPT2, dict(gate_order="topk_softmax", capacity_factor=1.0, router_bias=True)),
                              padded),
        "gpt2_sigmoid_topk_renorm": (config(GPT2, dict(gate_order="sigmoid_topk_renorm", num_shared_experts=1),
                                            num_kv_heads=1), full),
        "llama_softmax_topk_renorm": (config(LLAMA, dict(layers=[0])), full),
        "llama_softmax_topk": (config(LLAMA, dict(gate_order="softmax_topk", top_k=1), rope_pairing="interleaved",
                                      qk_norm=True, tied_embeddings=True), full),
        "llama_topk_softmax": (config(LLAMA, dict(gate_order="topk_softmax", capacity_factor=0.9,
                                                  drop_priority="probability"), qk_norm=True, num_kv_heads=1), full),
        "llama_sigmoid_topk_renorm": (config(LLAMA, dict(gate_order="sigmoid_topk_renorm", aux_loss_scope="sequence",
                                                         layers=[0, 1]), num_kv_heads=0, rope_pairing="interleaved"),
                                      padded),
        "llama_full_width": (config(LLAMA, dict(gate_order="softmax_topk", num_shared_experts=1,
                                                shared_expert_gate=True), qk_norm=True,
                                    qk_norm_full_width=True, attention_bias=True, attention_output_bias=False), padded),
    }


TRAIN = dict(steps=20, batch_size=2, seq_len=8, accumulation_steps=1, learning_rate=5e-3, min_learning_rate=5e-4,
             warmup_steps=5, schedule="cosine", beta1=0.9, beta2=0.95, adam_eps=1e-8, weight_decay=0.1, clip_norm=1.0)


def training_cases():
    """name: (model, train, whether some sequences are padded)"""
    return {
        "gpt2_dense": (config(GPT2, dict(layers=[])), TRAIN | dict(clip_norm=2.5), False),
        "gpt2_lab": (config(GPT2, dict(aux_loss_coef=0.01, z_loss_coef=0.001)), TRAIN, False),
        "gpt2_global_batch": (config(GPT2, dict(aux_loss_scope="global_batch", gate_order="softmax_topk",
                                                layers=[0, 1]), num_kv_heads=2),
                              TRAIN | dict(accumulation_steps=2), True),
        "llama_bias_balancing": (config(LLAMA, dict(gate_order="sigmoid_topk_renorm", aux_loss_coef=0.001,
                                                    bias_balancing=True, bias_update_rate=0.02, bias_centering=True,
                                                    num_shared_experts=1), qk_norm=True), TRAIN, False),
        "llama_micro_batch": (config(LLAMA, dict(gate_order="softmax_topk", top_k=1, capacity_factor=1.25,
                                                 bias_balancing=True), rope_pairing="interleaved",
                                     tied_embeddings=True),
                              TRAIN | dict(accumulation_steps=2), True),
        "llama_sequence": (config(LLAMA, dict(aux_loss_scope="sequence", gate_order="topk_softmax", router_bias=True,
                                              router_learning_rate_factor=2.0)),
                           TRAIN | dict(accumulation_steps=2, weight_decay=0.02, clip_norm=4.0), True),
    }


def feed_forward_shapes(m, width, stack=()):
    d = m["d_model"]
    shapes = {"w_up_proj": (*stack, width, d), "w_down_proj": (*stack, d, width)}
    if m["ffn"] == "swiglu":
        return shapes | {"w_gate_proj": (*stack, width, d)}
    return shapes | {"b_up_proj": (*stack, width), "b_down_proj": (*stack, d)}


def moe_shapes(m):
    c = m["moe"]
    shapes = {"router.weight": (c["num_experts"], m["d_model"]), "expert_bias": (c["num_experts"],)}
    if c["router_bias"]:
        shapes["router.bias"] = (c["num_experts"],)
    shapes |= {f"experts.{n}": s for n, s in feed_forward_shapes(m, c["d_expert"], (c["num_experts"],)).items()}
    if c["num_shared_experts"]:
        width = c["num_shared_experts"] * c["d_expert"]
        shapes |= {f"shared.{n}": s for n, s in feed_forward_shapes(m, width).items()}
    if c["shared_expert_gate"]:
        shapes["shared_gate.weight"] = (1, m["d_model"])
    return shapes


def model_shapes(m):
    d, vocab, head_dim = m["d_model"], m["vocab_size"], m["d_model"] // m["num_heads"]
    width = (m["num_heads"] + 2 * (m["num_kv_heads"] or m["num_heads"])) * head_dim
    shapes = {"token_embedding.weight": (vocab, d)}
    if m["position"] == "learned":
        shapes["position_embedding.weight"] = (m["max_seq_len"], d)

    def norm(prefix):
        shapes[f"{prefix}.weight"] = (d,)
        if m["norm"] == "layer_norm":
            shapes[f"{prefix}.bias"] = (d,)

    for layer in range(m["num_layers"]):
        block = f"blocks.{layer}"
        norm(f"{block}.norm1")
        shapes |= {f"{block}.attn.qkv.weight": (width, d), f"{block}.attn.proj.weight": (d, d)}
        if m["attention_bias"]:
            shapes[f"{block}.attn.qkv.bias"] = (width,)
            if m["attention_output_bias"]:
                shapes[f"{block}.attn.proj.bias"] = (d,)
        if m["qk_norm"]:
            queries, keys = (d, (width - d) // 2) if m["qk_norm_full_width"] else (head_dim, head_dim)
            shapes |= {f"{block}.attn.q_norm.weight": (queries,), f"{block}.attn.k_norm.weight": (keys,)}
        norm(f"{block}.norm2")
        is_moe = layer in m["moe"]["layers"]
        inner = moe_shapes(m) if is_moe else feed_forward_shapes(m, m["d_ff"])
        shapes |= {f"{block}.{'moe' if is_moe else 'ffn'}.{n}": s for n, s in inner.items()}
    norm("final_norm")
    if not m["tied_embeddings"]:
        shapes["head.weight"] = (vocab, d)
    return shapes
