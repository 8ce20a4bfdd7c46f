// SPDX-License-Identifier: Apache-2.0
//! A language model.
use std::fmt;
use std::ops::Deref;
use std::path::Path;

use minimoe_sys as sys;

use crate::call::{bytes, check, with_c_path, with_c_text};
use crate::handle::Handle;
use crate::{ModelReader, Options, Parameter, ParameterInfo, Result};

/// A language model, and the only way to write to its weights: what can be asked of it is that of [`ModelReader`].
///
/// `&Model` may be shared by threads, whose calls run side by side; a [`Trainer`](crate::Trainer) takes the model or
/// borrows it mutably, so a view of a parameter cannot be alive while it is trained.
///
/// ```
/// use minimoe::{Batch, Model};
///
/// let model = Model::new(r#"{"model": {"vocab_size": 32}}"#)?;
/// let logits = model.forward(Batch::new(&[1, 2, 3, 4], 4))?;
/// assert_eq!(logits.len(), 4 * 32);
/// # Ok::<(), minimoe::Error>(())
/// ```
pub struct Model {
    // No further reader of this handle can write: ModelReader has no such call.
    reader: ModelReader,
}

impl Model {
    /// A model with the start values of `train.seed`. `config` is a run configuration whose `model.vocab_size` is not 0; see
    /// [`Dataset::fit_config`](crate::Dataset::fit_config).
    pub fn new(config: impl AsRef<str>) -> Result<Self> {
        Self::with_options(config, &Options::new())
    }

    /// The same with options.
    pub fn with_options(config: impl AsRef<str>, options: &Options) -> Result<Self> {
        let (json, len) = bytes(config.as_ref());
        let raw = options.raw()?;
        let handle = Handle::create(options.sink(), |out, err| {
            // SAFETY: inputs and output are valid for the call.
            unsafe { sys::minimoe_model_create(json, len, &raw, out, err) }
        })?;
        Ok(Self { reader: ModelReader::of(handle) })
    }

    /// A model from a file of [`save`](ModelReader::save) or [`Trainer::save`](crate::Trainer::save).
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_with(path, &Options::new())
    }

    /// The same with options.
    pub fn load_with(path: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let raw = options.raw()?;
        let handle = with_c_path(path.as_ref(), |path| {
            Handle::create(options.sink(), |out, err| {
                // SAFETY: `path` ends with a NUL, inputs and output are valid for the call.
                unsafe { sys::minimoe_model_load(path, &raw, out, err) }
            })
        })?;
        Ok(Self { reader: ModelReader::of(handle) })
    }

    /// A model from a directory of Hugging Face's transformers, or a GGUF file.
    pub fn import(path: impl AsRef<Path>) -> Result<Self> {
        Self::import_with(path, &Options::new())
    }

    /// The same with options.
    pub fn import_with(path: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let raw = options.raw()?;
        let handle = with_c_path(path.as_ref(), |path| {
            Handle::create(options.sink(), |out, err| {
                // SAFETY: `path` ends with a NUL, inputs and output are valid for the call.
                unsafe { sys::minimoe_model_import(path, &raw, out, err) }
            })
        })?;
        Ok(Self { reader: ModelReader::of(handle) })
    }

    /// A new model whose experts are copies of this dense one's feed-forward networks, and whose logits are this one's, to
    /// rounding, until it is trained. `json` as `minimoe_model_upcycle` reads it (`{"num_experts": 8, "top_k": 2}`), or
    /// empty.
    pub fn upcycle(&self, json: &str) -> Result<Self> {
        self.upcycle_with(json, &Options::new())
    }

    /// The same with options.
    pub fn upcycle_with(&self, json: &str, options: &Options) -> Result<Self> {
        let raw = options.raw()?;
        let (json, len) = bytes(json);
        let handle = Handle::create(options.sink(), |out, err| {
            // SAFETY: the handle is live, inputs and output are valid for the call.
            unsafe { sys::minimoe_model_upcycle(self.raw(), json, len, &raw, out, err) }
        })?;
        Ok(Self { reader: ModelReader::of(handle) })
    }

    /// A parameter without a copy, for as long as the model is borrowed.
    pub fn parameter_view(&self, name: &str) -> Result<Parameter<'_>> {
        // SAFETY: the values live as long as the model. Only calls that take it mutably, or a trainer that has taken it or
        // borrowed it mutably, write to them.
        unsafe {
            Parameter::new(name, |name, view, size, err| {
                sys::minimoe_model_parameter_view(self.raw(), name, view, size, err)
            })
        }
    }

    /// Every parameter with its description, in the order of checkpoints.
    ///
    /// ```
    /// let model = minimoe::Model::new(r#"{"model": {"vocab_size": 32}}"#)?;
    /// for parameter in model.parameters()? {
    ///     let (info, values) = parameter?;
    ///     assert_eq!(info.shape, values.shape());
    /// }
    /// # Ok::<(), minimoe::Error>(())
    /// ```
    pub fn parameters(&self) -> Result<impl Iterator<Item = Result<(ParameterInfo, Parameter<'_>)>>> {
        Ok((0..self.num_parameters()?).map(|index| {
            let info = self.parameter_info(index)?;
            let view = self.parameter_view(&info.name)?;
            Ok((info, view))
        }))
    }

    /// Overwrites a parameter; every value must be finite.
    pub fn set_parameter(&mut self, name: &str, values: &[f32]) -> Result<()> {
        set_parameter(self, name, values)
    }

    /// Reads the weights of a file into this model, whose parameters must have the same names and shapes. On failure the
    /// model is unchanged, unless the disk fails while being read.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        with_c_path(path.as_ref(), |path| {
            // SAFETY: the handle is live, `path` ends with a NUL.
            check(|err| unsafe { sys::minimoe_model_load_weights(self.raw(), path, err) })
        })
    }
}

/// For a caller that has the model to itself.
pub(crate) fn set_parameter(model: &ModelReader, name: &str, values: &[f32]) -> Result<()> {
    with_c_text("name", name, |name| {
        check(|err| {
            // SAFETY: the handle is live, `name` ends with a NUL, the slice is valid for the call.
            unsafe { sys::minimoe_model_parameter_set(model.raw(), name, values.as_ptr(), values.len(), err) }
        })
    })
}

impl Deref for Model {
    type Target = ModelReader;

    fn deref(&self) -> &ModelReader {
        &self.reader
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").finish_non_exhaustive()
    }
}
