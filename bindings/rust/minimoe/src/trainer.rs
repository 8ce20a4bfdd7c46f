// SPDX-License-Identifier: Apache-2.0
//! Trains a model on a dataset.
use std::fmt;
use std::marker::PhantomData;
use std::mem::{size_of, MaybeUninit};
use std::path::Path;

use minimoe_sys as sys;

use crate::call::{array, bytes, check, text, with_c_path, with_c_text};
use crate::cancel;
use crate::handle::Handle;
use crate::model::set_parameter;
use crate::reports::{Health, Interference, LayerRouting, Profile};
use crate::step::{room, METRICS_SIZE};
use crate::{CancelToken, Config, Dataset, Evaluation, Json, Model, Result, Run, Step, Steps};

/// What a [`Trainer`] holds its model by: a [`Model`] or a `&mut Model`.
///
/// Sealed: a type of which the model could be taken away would let safe code look at weights in training.
pub trait HoldsModel: sealed::Sealed {
    #[doc(hidden)]
    fn held(&self) -> &Model;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::Model {}
    impl Sealed for &mut crate::Model {}
}

impl HoldsModel for Model {
    fn held(&self) -> &Model {
        self
    }
}

impl HoldsModel for &mut Model {
    fn held(&self) -> &Model {
        self
    }
}

/// Which routing [`Trainer::routing`] and [`Trainer::expert_loads`] tell of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RoutingSource {
    /// The last step.
    #[default]
    Step,
    /// The last evaluation.
    Evaluation,
}

impl RoutingSource {
    fn code(self) -> i32 {
        match self {
            Self::Step => sys::MINIMOE_ROUTING_STEP,
            Self::Evaluation => sys::MINIMOE_ROUTING_EVALUATION,
        }
    }
}

/// Trains a model on a dataset. It owns its model, which [`into_model`](Self::into_model) gives back, or borrows it mutably.
///
/// ```
/// use minimoe::{Dataset, Model, Trainer};
///
/// let dataset = Dataset::from_tokens(r#"{"vocab_size": 8}"#, &[1, 2, 3, 4, 5, 6, 7, 0].repeat(64))?;
/// let config = dataset.fit_config(r#"{"model": {"d_model": 16, "num_heads": 2}, "train": {"seq_len": 8}}"#)?;
/// let mut model = Model::new(&config)?;
///
/// let mut borrowing = Trainer::new(&mut model, &dataset, &config)?;
/// for step in borrowing.steps(3) {
///     println!("{:.3}", step?.loss);
/// }
/// drop(borrowing);
/// let mut owning = Trainer::new(model, &dataset, &config)?;
/// owning.run(2, None).into_result()?;
/// let model = owning.into_model();
/// # Ok::<(), minimoe::Error>(())
/// ```
///
/// The weights cannot be looked at while they are trained, nor trained while they are looked at:
///
/// ```compile_fail,E0502
/// # use minimoe::{Dataset, Model, Trainer};
/// # fn overlap(mut model: Model, dataset: &Dataset) -> minimoe::Result<()> {
/// let view = model.parameter_view("token_embedding.weight")?;
/// let mut trainer = Trainer::new(&mut model, dataset, "{}")?;  // error: `model` is borrowed by `view`
/// println!("{}", view[0]);
/// # Ok(()) }
/// ```
///
/// ```compile_fail,E0502
/// # use minimoe::{Model, Trainer};
/// # fn overlap(mut trainer: Trainer) -> minimoe::Result<()> {
/// let view = trainer.model().parameter_view("token_embedding.weight")?;
/// let _ = trainer.run(1, None);  // error: `trainer` is borrowed by `view`
/// println!("{}", view[0]);
/// # Ok(()) }
/// ```
///
/// ```compile_fail,E0502
/// # use minimoe::{Dataset, Model, Trainer};
/// # fn overlap(mut model: Model, dataset: &Dataset) -> minimoe::Result<()> {
/// let trainer = Trainer::new(&mut model, dataset, "{}")?;
/// let view = model.parameter_view("token_embedding.weight")?;  // error: `model` is borrowed by `trainer`
/// # Ok(()) }
/// ```
///
/// ```compile_fail,E0382
/// # use minimoe::{Dataset, Model, Trainer};
/// # fn overlap(model: Model, dataset: &Dataset) -> minimoe::Result<()> {
/// let trainer = Trainer::new(model, dataset, "{}")?;
/// model.generation()?;  // error: `model` was moved into `trainer`
/// # Ok(()) }
/// ```
pub struct Trainer<M: HoldsModel = Model> {
    // Freed first, so that the model has no trainer any more when it is given back.
    handle: HandleOf<M>,
    dataset: Dataset,
    model: M,
}

/// The library's trainer, which has the model until it is freed: the destructor, though empty, makes a borrow of the model last
/// as long as the trainer and not only to its last use.
struct HandleOf<M> {
    handle: Handle<sys::minimoe_trainer>,
    model: PhantomData<M>,
}

impl<M> Drop for HandleOf<M> {
    fn drop(&mut self) {}
}

impl<M: HoldsModel> Trainer<M> {
    /// A trainer of `model` on `dataset`. The model part of `config`, a run configuration, is left out or that of the model.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`](crate::ErrorKind::Busy) when the model has a trainer that was leaked.
    pub fn new(model: M, dataset: &Dataset, config: impl AsRef<str>) -> Result<Self> {
        let (json, len) = bytes(config.as_ref());
        let handle = Handle::create(None, |out, err| {
            // SAFETY: the handles are live, input and output are valid for the call.
            unsafe { sys::minimoe_trainer_create(model.held().raw(), dataset.raw(), json, len, out, err) }
        })?;
        // The dataset's log sink has to live as long as the library's own reference to the dataset.
        Ok(Self { handle: HandleOf { handle, model: PhantomData }, dataset: dataset.clone(), model })
    }

    fn raw(&self) -> *mut sys::minimoe_trainer {
        self.handle.handle.get()
    }

    /// Its model, to be looked at until the next step.
    pub fn model(&self) -> &Model {
        self.model.held()
    }

    /// Its dataset.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The resolved configuration, whole.
    pub fn config(&self) -> Result<Config> {
        // SAFETY: the handle is live, the output valid for the call.
        text(|buf, cap, needed, err| unsafe { sys::minimoe_trainer_config(self.raw(), buf, cap, needed, err) })
            .map(Config::from)
    }

    /// Completed optimizer steps.
    pub fn step(&self) -> Result<i64> {
        let mut step = 0;
        // SAFETY: the handle is live, the outputs valid for the call.
        check(|err| unsafe { sys::minimoe_trainer_step(self.raw(), &mut step, err) })?;
        Ok(step)
    }

    /// At most `max_steps` steps, one for each turn of a loop: a `break` leaves the trainer exactly at the step seen. It
    /// ends early with the schedule (`train.steps`) and after an error.
    pub fn steps(&mut self, max_steps: u64) -> Steps<'_, M> {
        Steps::new(self, max_steps)
    }

    /// One step; none when the schedule has ended. For loops that look at the trainer in between:
    ///
    /// ```
    /// # use minimoe::{Dataset, Model, RoutingSource, Trainer};
    /// # let dataset = Dataset::from_tokens(r#"{"vocab_size": 8}"#, &[1, 2, 3, 4, 5, 6, 7, 0].repeat(64))?;
    /// # let config = dataset.fit_config(r#"{"model": {"d_model": 16, "num_heads": 2, "moe": {"layers": [0]}},
    /// #     "train": {"seq_len": 8, "steps": 3}}"#)?;
    /// # let mut trainer = Trainer::new(Model::new(&config)?, &dataset, &config)?;
    /// while let Some(step) = trainer.next_step(None)? {
    ///     println!("{} {:?}", step.step, trainer.expert_loads(RoutingSource::Step, 0)?);
    /// }
    /// # Ok::<(), minimoe::Error>(())
    /// ```
    ///
    /// # Errors
    /// What broke the step off (cancelled, not finite, no memory); it left no trace, and training can go on.
    pub fn next_step(&mut self, cancel: Option<&CancelToken>) -> Result<Option<Step>> {
        let mut metrics = MaybeUninit::<sys::minimoe_step_metrics>::uninit();
        let mut count = 0;
        check(|err| {
            let cancel = cancel::raw(cancel);
            // SAFETY: the handles are live, there is room for the metrics of one step.
            unsafe {
                sys::minimoe_trainer_steps(
                    self.raw(),
                    1,
                    cancel,
                    metrics.as_mut_ptr(),
                    METRICS_SIZE,
                    1,
                    &mut count,
                    err,
                )
            }
        })?;
        // SAFETY: a completed step has its metrics filled in.
        Ok((count == 1).then(|| Step::from(unsafe { metrics.assume_init_ref() })))
    }

    /// At most `max_steps` steps at once. No completed step is lost: whatever ends the training is reported beside them.
    pub fn run(&mut self, max_steps: u64, cancel: Option<&CancelToken>) -> Run {
        let mut steps = Vec::new();
        let mut left = max_steps;
        let result = loop {
            // Room is made before the steps that need it, and not for a schedule that may end long before.
            let chunk = left.min(256);
            let done = self.run_chunk(chunk, cancel, &mut steps);
            left -= chunk;
            match done {
                Ok(count) if count == chunk && left > 0 => {}
                other => break other.map(|_| ()),
            }
        };
        Run { steps, result }
    }

    fn run_chunk(&mut self, chunk: u64, cancel: Option<&CancelToken>, steps: &mut Vec<Step>) -> Result<u64> {
        let mut metrics = room(chunk as usize)?;
        let mut count = 0;
        let result = check(|err| {
            let cancel = cancel::raw(cancel);
            let room = metrics.as_mut_ptr().cast();
            // SAFETY: the handles are live, there is room for the metrics of `chunk` steps.
            unsafe {
                sys::minimoe_trainer_steps(
                    self.raw(),
                    chunk as i64,
                    cancel,
                    room,
                    METRICS_SIZE,
                    metrics.len(),
                    &mut count,
                    err,
                )
            }
        });
        // SAFETY: the completed steps, which are told whatever the result is, have their metrics filled in.
        steps.extend(metrics[..count].iter().map(|metrics| Step::from(unsafe { metrics.assume_init_ref() })));
        result.map(|()| count as u64)
    }

    /// Mean loss over the first `max_windows` (0: all) windows of a split; trains nothing.
    pub fn evaluate(&mut self, split: &str, max_windows: u64, cancel: Option<&CancelToken>) -> Result<Evaluation> {
        let mut evaluation = MaybeUninit::<sys::minimoe_evaluation>::uninit();
        let size = size_of::<sys::minimoe_evaluation>();
        with_c_text("split", split, |split| {
            check(|err| {
                let (cancel, out) = (cancel::raw(cancel), evaluation.as_mut_ptr());
                // SAFETY: the handles are live, `split` ends with a NUL, there are `size` bytes at `out`.
                unsafe { sys::minimoe_trainer_evaluate(self.raw(), split, max_windows, cancel, out, size, err) }
            })
        })?;
        // SAFETY: a call that succeeds has filled in all of it.
        let raw = unsafe { evaluation.assume_init() };
        Ok(Evaluation { loss: raw.loss, num_targets: raw.num_targets, num_windows: raw.num_windows })
    }

    /// What the routers did, one entry an MoE layer; empty before the first step or evaluation.
    pub fn routing(&self, source: RoutingSource) -> Result<Json<Vec<LayerRouting>>> {
        text(|buf, cap, needed, err| {
            // SAFETY: the handle is live, the output valid for the call.
            unsafe { sys::minimoe_trainer_routing(self.raw(), source.code(), buf, cap, needed, err) }
        })
        .map(Json::new)
    }

    /// Assignments of each expert of MoE layer `layer` (0 is the first), before any capacity drop.
    pub fn expert_loads(&self, source: RoutingSource, layer: usize) -> Result<Vec<i64>> {
        array(0, |counts, cap, needed, err| {
            // SAFETY: the handle is live, the output valid for the call.
            unsafe { sys::minimoe_trainer_expert_loads(self.raw(), source.code(), layer, counts, cap, needed, err) }
        })
    }

    /// Begins to add up where the time of steps goes, from nothing, or ends it.
    pub fn set_profile(&mut self, enabled: bool) -> Result<()> {
        // SAFETY: the handle is live.
        check(|err| unsafe { sys::minimoe_trainer_set_profile(self.raw(), i32::from(enabled), err) })
    }

    /// Where the time of the steps since [`Trainer::set_profile`] went.
    pub fn profile(&self) -> Result<Json<Profile>> {
        text(|buf, cap, needed, err| {
            // SAFETY: the handle is live, the output valid for the call.
            unsafe { sys::minimoe_trainer_profile(self.raw(), buf, cap, needed, err) }
        })
        .map(Json::new)
    }

    /// How the balance loss pulls at each router, for the batch of the next step. Changes nothing.
    pub fn interference(&mut self, cancel: Option<&CancelToken>) -> Result<Json<Vec<Interference>>> {
        text(|buf, cap, needed, err| {
            // SAFETY: the handles are live, the output valid for the call.
            unsafe { sys::minimoe_trainer_interference(self.raw(), cancel::raw(cancel), buf, cap, needed, err) }
        })
        .map(Json::new)
    }

    /// Judges the routers over the steps since the trainer was made or resumed; `json` as
    /// [`health_check`](crate::health_check).
    pub fn health(&self, json: impl AsRef<str>) -> Result<Json<Health>> {
        let (json, len) = bytes(json.as_ref());
        text(|buf, cap, needed, err| {
            // SAFETY: the handle is live, input and output are valid for the call.
            unsafe { sys::minimoe_trainer_health(self.raw(), json, len, buf, cap, needed, err) }
        })
        .map(Json::new)
    }

    /// Overwrites a parameter of the model between two steps.
    pub fn set_parameter(&mut self, name: &str, values: &[f32]) -> Result<()> {
        set_parameter(self.model.held(), name, values)
    }

    /// Writes a checkpoint (weights, moments, biases, position); an earlier file is replaced only by a complete one.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        with_c_path(path.as_ref(), |path| {
            // SAFETY: the handle is live, `path` ends with a NUL.
            check(|err| unsafe { sys::minimoe_trainer_save(self.raw(), path, err) })
        })
    }

    /// Reads a checkpoint: training goes on bit for bit as if it had not stopped. On failure trainer and model are
    /// unchanged, unless the disk fails while being read.
    pub fn resume(&mut self, path: impl AsRef<Path>) -> Result<()> {
        with_c_path(path.as_ref(), |path| {
            // SAFETY: the handle is live, `path` ends with a NUL.
            check(|err| unsafe { sys::minimoe_trainer_resume(self.raw(), path, err) })
        })
    }
}

impl Trainer<Model> {
    /// Ends the training; the model goes on with the weights that it has.
    pub fn into_model(self) -> Model {
        self.model
    }
}

impl<M: HoldsModel> fmt::Debug for Trainer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer").field("step", &self.step().ok()).finish_non_exhaustive()
    }
}
