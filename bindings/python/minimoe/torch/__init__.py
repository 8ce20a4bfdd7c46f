# SPDX-License-Identifier: Apache-2.0
"""libminimoe's MoE layer as a torch.nn.Module, for PyTorch models on a CPU.

    from minimoe.torch import MoELayer
    block.mlp = MoELayer(d_model=512, num_experts=8, top_k=2, d_expert=1024)

Its weights are ordinary torch Parameters, which the library computes with where they lie: any torch optimizer steps
them, state_dict and pickle hold them. docs/pytorch.md leads through it.
"""
from .moe_layer import MoELayer
from .routing import Routing
from .swap import from_experts, from_mixtral

__all__ = ["MoELayer", "Routing", "from_experts", "from_mixtral"]
