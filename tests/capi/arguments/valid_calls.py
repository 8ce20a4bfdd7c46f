# SPDX-License-Identifier: Apache-2.0
"""A valid call of every function: C++ expressions over a World `w`, for what has no value that suits all functions.

A function or parameter without an entry here fails the build, so that a new function cannot be forgotten.
"""

# By parameter name: for every function that says nothing else.
DEFAULTS = {
    "token": "handle(w.token)", "dataset": "handle(w.dataset)", "model": "handle(w.model)", "trainer": "handle(w.trainer)",
    "layer": "handle(w.layer)", "cache": "handle(w.cache)", "cancel": "handle(w.token)",
    "json": "content(w.config)", "text": 'content("1 2 3")', "tokens": "content(bytes(w.tokens))",
    "classes": "content(bytes(w.classes))", "valid": "content(bytes(w.valid))", "x": "content(bytes(w.x))",
    "d_y": "content(bytes(w.d_y))", "load": "content(bytes(w.load))", "seq_len": "number(8)", "seed": "number(1)",
    "index": "number(0)", "split": 'content("val")', "num_windows": "number(1)", "max_windows": "number(1)",
    "source": "number(MINIMOE_ROUTING_STEP)",
}

# By function: parameters, and `before` (state to bring back before each call), `undo` (what a
# success began), `one_pair_in` (where a call takes long).
CALLS = {
    "minimoe_check_version": {"header_version": "number(MINIMOE_VERSION_NUMBER)"},
    "minimoe_status_name": {"code": "number(MINIMOE_E_BUSY)"},
    "minimoe_config_preset": {"name": 'content("lab")'},
    "minimoe_cancel_token_fire": {"token": "handle(w.spare_token)"},
    "minimoe_cancel_token_retain": {"undo": "minimoe_cancel_token_free"},
    "minimoe_dataset_open": {"json": "content(w.file_json)"},
    "minimoe_dataset_create": {"json": "content(w.memory_json)"},
    "minimoe_dataset_append_i32": {"dataset": "handle(w.growing)"},
    "minimoe_dataset_append_u16": {"dataset": "handle(w.growing)", "tokens": "content(bytes(w.tokens_u16))"},
    "minimoe_dataset_borrow_i32": {"json": "content(w.memory_json)"},
    "minimoe_dataset_borrow_u16": {"json": "content(w.memory_json)", "tokens": "content(bytes(w.tokens_u16))"},
    "minimoe_dataset_retain": {"undo": "minimoe_dataset_free"},
    "minimoe_dataset_sentence": {"dataset": "handle(w.grammar)"},
    "minimoe_dataset_entropy_floor": {"dataset": "handle(w.grammar)"},
    "minimoe_model_load": {"path": "content(w.model_file)"},
    "minimoe_model_retain": {"undo": "minimoe_model_free"},
    "minimoe_model_generate": {"json": "content(w.generate_json)"},
    "minimoe_model_answer_probes": {"max_count": "number(2)"},
    "minimoe_model_specialisation": {"json": "content(w.analysis_json)", "one_pair_in": 4},
    "minimoe_model_capacity_report": {"json": "content(w.capacity_json)", "one_pair_in": 4},
    "minimoe_model_parameter_get": {"name": "content(w.parameter)"},
    "minimoe_model_parameter_set": {"name": "content(w.parameter)", "data": "content(bytes(w.weights))"},
    "minimoe_model_parameter_view": {"name": "content(w.parameter)"},
    "minimoe_model_save": {"path": "content(w.written_file)"},
    "minimoe_model_load_weights": {"path": "content(w.model_file)"},
    "minimoe_trainer_steps": {"max_steps": "number(1)", "metrics_cap": "number(2)", "one_pair_in": 4, "before": "w.rewind()"},
    "minimoe_trainer_expert_loads": {"layer": "number(0)", "one_pair_in": 4, "before": "w.one_step()"},
    "minimoe_trainer_routing": {"one_pair_in": 4, "before": "w.one_step()"},
    "minimoe_trainer_save": {"path": "content(w.written_file)"},
    "minimoe_trainer_resume": {"path": "content(w.checkpoint_file)"},
    "minimoe_trainer_interference": {"one_pair_in": 4},
    "minimoe_checkpoint_info": {"path": "content(w.checkpoint_file)"},
    "minimoe_moe_layer_retain": {"undo": "minimoe_moe_layer_free"},
    "minimoe_moe_layer_parameter_get": {"name": "content(w.layer_parameter)"},
    "minimoe_moe_layer_parameter_set": {"name": "content(w.layer_parameter)", "data": "content(bytes(w.layer_weights))"},
    "minimoe_moe_layer_parameter_view": {"name": "content(w.layer_parameter)"},
    "minimoe_moe_layer_bind_parameter": {"name": "content(w.layer_parameter)", "data": "content(bytes(w.layer_weights))",
                                         "undo": "unbind_parameter"},
    "minimoe_moe_layer_bind_gradient": {"name": "content(w.layer_parameter)", "data": "content(bytes(w.layer_weights))",
                                        "undo": "unbind_gradient"},
    "minimoe_moe_layer_gradient_get": {"name": "content(w.layer_parameter)"},
    "minimoe_moe_layer_infer": {"valid": "content(bytes(w.layer_valid))"},
    "minimoe_moe_layer_forward": {"valid": "content(bytes(w.layer_valid))", "seq_len": "number(4)"},
    "minimoe_moe_layer_backward": {"balance_scale": "real(1)", "one_pair_in": 4, "before": "w.forward()"},
    "minimoe_moe_cache_create": {"max_tokens": "number(4)"},
    "minimoe_health_check": {"log": 'content(R"({"step":200,"layer":0,"top_k":1,"load":[9,9]})")', "json": 'content("{}")'},
    "minimoe_trainer_health": {"json": 'content("{}")', "one_pair_in": 4, "before": "w.one_step()"},
    "minimoe_load_statistics": {"top_k": "number(2)"},
    "minimoe_compare_verdict": {"json": "content(w.figures_json)"},
    "minimoe_compare_findings": {"json": "content(w.manifest_json)"},
}
