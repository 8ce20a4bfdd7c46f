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
	RouterLogitNorm float64   `json:"router_logit_norm"` // root mean square over the tokens
	BiasMin         float64   `json:"bias_min"`          // of expert_bias, after the step
	BiasMax         float64   `json:"bias_max"`
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

// OperationProfile is what one operation of a step took, in the mean over the steps.
type OperationProfile struct {
	Operation string  `json:"operation"`
	Pass      string  `json:"pass"` // "forward", "backward", or "step" for neither
	MS        float64 `json:"ms"`
	Calls     float64 `json:"calls"`
	FLOPs     float64 `json:"flops"` // of matrix products, 2 a multiply-add
}

// Profile is where the time of steps went. MS is the sum over the operations, "rest" included.
type Profile struct {
	NumSteps   int64              `json:"num_steps"`
	MS         float64            `json:"ms"`
	FLOPs      float64            `json:"flops"`
	Operations []OperationProfile `json:"operations"`
}

// SetProfile begins to add up where the time of steps goes, from nothing, or ends it.
func (t *Trainer) SetProfile(enabled bool) error {
	var number int32
	if enabled {
		number = 1
	}
	return t.handle.try("Trainer.SetProfile",
		func(ref raw.Trainer, e *raw.Error) int32 { return raw.TrainerSetProfile(ref, number, e) })
}

// Profile tells where the time of the steps since [Trainer.SetProfile] went; ErrInvalidArgument while it is off.
func (t *Trainer) Profile() (Profile, error) {
	return documentOf[Profile](t.handle, "Trainer.Profile",
		func(ref raw.Trainer, buf []byte, needed *uint64, e *raw.Error) int32 {
			return raw.TrainerProfile(ref, buf, needed, e)
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
