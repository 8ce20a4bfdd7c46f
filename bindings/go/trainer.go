// SPDX-License-Identifier: Apache-2.0

package minimoe

import (
	"context"

	"minimoe/internal/raw"
)

// Trainer trains its model on its dataset and keeps both alive. Run, Steps, Evaluate, Interference and Resume write to
// it and, training, to the model.
type Trainer struct {
	handle  *handle[raw.Trainer]
	model   *Model
	dataset *Dataset
}

// NewTrainer makes a trainer. The model part of config is that of the model ([Dataset.Fit] gives one for both); the data
// part is recorded in checkpoints, but tokens come from dataset. A model has at most one trainer: ErrBusy.
func NewTrainer(model *Model, dataset *Dataset, config Config) (*Trainer, error) {
	const op = "NewTrainer"
	if model == nil {
		return nil, refuse(op, "model is nil")
	}
	if dataset == nil {
		return nil, refuse(op, "dataset is nil")
	}
	written, err := encode(op, config)
	if err != nil {
		return nil, err
	}
	var ref raw.Trainer
	err = model.handle.use(op, func(modelRef raw.Model) error {
		return dataset.handle.try(op, func(datasetRef raw.Dataset, e *raw.Error) int32 {
			return raw.TrainerCreate(modelRef, datasetRef, written, &ref, e)
		})
	})
	if err != nil {
		return nil, err
	}
	modelSink, datasetSink := model.sink.retain(), dataset.sink.retain()
	t := &Trainer{model: model, dataset: dataset, handle: newHandle(ref, raw.TrainerFree, func() {
		modelSink.release()
		datasetSink.release()
	})}
	closeWith(t, t.handle)
	return t, nil
}

// Close frees the trainer. Its model goes on with the weights that it has, and may get another trainer. It never fails.
func (t *Trainer) Close() error {
	t.handle.close()
	return nil
}

// Model is what is trained.
func (t *Trainer) Model() *Model { return t.model }

// Dataset is what it is trained on.
func (t *Trainer) Dataset() *Dataset { return t.dataset }

// Config is the resolved configuration, whole.
func (t *Trainer) Config() (Config, error) {
	return documentOf[Config](t.handle, "Trainer.Config", raw.TrainerConfig)
}

// Step is the number of completed optimizer steps.
func (t *Trainer) Step() (int64, error) {
	var step int64
	err := t.handle.try("Trainer.Step", func(ref raw.Trainer, e *raw.Error) int32 {
		return raw.TrainerStep(ref, &step, e)
	})
	return step, err
}

// Evaluation is the mean loss over windows of a split.
type Evaluation struct {
	Loss       float64 // mean cross entropy, nats
	NumTargets int64   // tokens in the mean
	NumWindows int64   // windows evaluated
}

// Evaluate gives the mean loss over the first maxWindows (0: all) windows of a split, "val" say, which must be among the
// Splits of [DatasetInfo]. It trains nothing; its routing is RoutingEvaluation afterwards.
func (t *Trainer) Evaluate(ctx context.Context, split string, maxWindows uint64) (Evaluation, error) {
	const op = "Trainer.Evaluate"
	if err := checkName(op, "split", split); err != nil {
		return Evaluation{}, err
	}
	out := new(raw.Evaluation)
	err := cancellable(ctx, op, func(cancel raw.CancelToken) error {
		return t.handle.try(op, func(ref raw.Trainer, e *raw.Error) int32 {
			return raw.TrainerEvaluate(ref, split, maxWindows, cancel, out, e)
		})
	})
	return Evaluation{Loss: out.Loss, NumTargets: out.NumTargets, NumWindows: out.NumWindows}, err
}

// Save writes a checkpoint (weights, moments, biases, position) as safetensors; an earlier file is replaced only by a
// complete one.
func (t *Trainer) Save(path string) error {
	const op = "Trainer.Save"
	if err := checkName(op, "path", path); err != nil {
		return err
	}
	return t.handle.try(op, func(ref raw.Trainer, e *raw.Error) int32 { return raw.TrainerSave(ref, path, e) })
}

// Resume reads a checkpoint; training goes on bit for bit as if it had not stopped. Model, Train.Seed, BatchSize, SeqLen
// and AccumulationSteps must be those of the checkpoint; the other fields are the trainer's. ErrShape when its tensors
// are those of another model, ErrInvalidArgument when only such fields differ, ErrCorruptFile when it is damaged, cut
// off, or a file of [Model.Save]. Trainer and model are unchanged on failure, unless the disk fails while being read.
func (t *Trainer) Resume(path string) error {
	const op = "Trainer.Resume"
	if err := checkName(op, "path", path); err != nil {
		return err
	}
	return t.handle.try(op, func(ref raw.Trainer, e *raw.Error) int32 { return raw.TrainerResume(ref, path, e) })
}

// Checkpoint is what the head of a checkpoint or of a saved model says.
type Checkpoint struct {
	Step   int64  `json:"step"` // 0 for a model
	Config Config `json:"config"`
}

// ReadCheckpoint reads the head of a file only.
func ReadCheckpoint(path string) (Checkpoint, error) {
	const op = "ReadCheckpoint"
	if err := checkName(op, "path", path); err != nil {
		return Checkpoint{}, err
	}
	return document[Checkpoint](op, func(buf []byte, needed *uint64, e *raw.Error) int32 {
		return raw.CheckpointInfo(path, buf, needed, e)
	})
}
