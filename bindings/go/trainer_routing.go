// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"context"

	"minimoe/internal/raw"
)

// RoutingSource is what [Trainer.Routing] and [Trainer.ExpertLoads] tell of.
type RoutingSource int32

// Sources.
const (
	RoutingStep       = RoutingSource(raw.MINIMOE_ROUTING_STEP)       // the last step
	RoutingEvaluation = RoutingSource(raw.MINIMOE_ROUTING_EVALUATION) // the last evaluation
)

// LayerRouting is what the router of one MoE layer did.
type LayerRouting struct {
	Block           int       `json:"block"`
	NumTokens       int64     `json:"num_tokens"`
	Load            []int64   `json:"load"`    // [E] assignments, before any capacity drop
	Dropped         []int64   `json:"dropped"` // [E] those cut by capacity
	MeanProbs       []float64 `json:"mean_probs"`
	GateWeightShare []float64 `json:"gate_weight_share"`
	AuxLoss         float64   `json:"aux_loss"`
	ZLoss           float64   `json:"z_loss"`
}

// Routing tells what the routers did, one entry an MoE layer. Empty before the first step or evaluation.
func (t *Trainer) Routing(source RoutingSource) ([]LayerRouting, error) {
	return documentOf[[]LayerRouting](t.handle, "Trainer.Routing",
		func(ref raw.Trainer, buf []byte, needed *uint64, e *raw.Error) int32 {
			return raw.TrainerRouting(ref, int32(source), buf, needed, e)
		})
}

// ExpertLoads gives the loads [E] of MoE layer number layer, from 0, summed over the micro-batches. 0 before the first
// step; ErrInvalidArgument before the first evaluation.
func (t *Trainer) ExpertLoads(source RoutingSource, layer int) ([]int64, error) {
	const op = "Trainer.ExpertLoads"
	index, err := count(op, "layer", layer)
	if err != nil {
		return nil, err
	}
	return growOf(t.handle, op, 0, func(ref raw.Trainer, counts []int64, needed *uint64, e *raw.Error) int32 {
		return raw.TrainerExpertLoads(ref, int32(source), index, counts, needed, e)
	})
}

// LayerInterference is how the balance loss pulls at one router. The norms are of the gradients with respect to the
// router's weight and bias.
type LayerInterference struct {
	Block       int      `json:"block"`
	MainNorm    float64  `json:"main_norm"`    // of the main loss
	AuxNorm     float64  `json:"aux_norm"`     // of the unscaled aux loss
	ScaledRatio *float64 `json:"scaled_ratio"` // AuxLossCoef * AuxNorm / MainNorm; nil where a norm is 0
	Cosine      *float64 `json:"cosine"`       // between the two gradients; nil where a norm is 0
}

// Interference tells, for the batch of the next step, how the balance loss pulls at each router. Nothing changes: the
// next step gives the same bits.
func (t *Trainer) Interference(ctx context.Context) ([]LayerInterference, error) {
	const op = "Trainer.Interference"
	var layers []LayerInterference
	err := cancellable(ctx, op, func(cancel raw.CancelToken) error {
		var err error
		layers, err = documentOf[[]LayerInterference](t.handle, op,
			func(ref raw.Trainer, buf []byte, needed *uint64, e *raw.Error) int32 {
				return raw.TrainerInterference(ref, cancel, buf, needed, e)
			})
		return err
	})
	return layers, err
}
