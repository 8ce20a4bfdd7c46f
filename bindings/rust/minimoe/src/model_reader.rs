// SPDX-License-Identifier: Apache-2.0
//! What can be asked of a model.
use std::fmt;
use std::path::Path;

use minimoe_sys as sys;

use crate::call::{array, bytes, check, optional, text, with_c_path, with_c_text};
use crate::cancel;
use crate::handle::Handle;
use crate::reports::ModelInfo;
use crate::{CancelToken, Config, Json, ParameterInfo, Result, TokenStream};

/// Token ids of sequences of one length, and which of them count.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    pub(crate) tokens: &'a [i32],
    pub(crate) seq_len: usize,
    pub(crate) valid: Option<&'a [u8]>,
}

impl<'a> Batch<'a> {
    /// `tokens` are `[B * seq_len]`, at most 2^24.
    pub fn new(tokens: &'a [i32], seq_len: usize) -> Self {
        Self { tokens, seq_len, valid: None }
    }

    /// `[B * seq_len]`, 0 marks padding (on the right of a sequence).
    pub fn valid(mut self, valid: &'a [u8]) -> Self {
        self.valid = Some(valid);
        self
    }
}

/// Of L MoE layers, T tokens and K experts a token; each `[L, T, K]`, empty for a dense model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutingTrace {
    /// By descending biased score; -1 for padding.
    pub experts: Vec<i32>,
    /// Combine weights.
    pub weights: Vec<f32>,
    /// 1 for kept assignments, 0 for those that capacity dropped.
    pub kept: Vec<u8>,
}

/// Another owner of a model, which reads it: all that can be asked of a [`Model`](crate::Model) without borrowing from it.
///
/// [`reader`](Self::reader) makes one, for another thread that watches, answers or saves while the model is trained. While a
/// step is running its calls are refused as [`ErrorKind::Busy`](crate::ErrorKind::Busy); between steps they run, and keep the
/// next step from beginning. Views of parameters need the model itself.
pub struct ModelReader {
    handle: Handle<sys::minimoe_model>,
}

impl ModelReader {
    pub(crate) fn of(handle: Handle<sys::minimoe_model>) -> Self {
        Self { handle }
    }

    pub(crate) fn raw(&self) -> *mut sys::minimoe_model {
        self.handle.get()
    }

    /// One more owner that reads.
    pub fn reader(&self) -> Result<ModelReader> {
        self.handle.retain(sys::minimoe_model_retain).map(Self::of)
    }

    /// The resolved configuration, whole.
    pub fn config(&self) -> Result<Config> {
        // SAFETY: the handle is live, the output valid for the call.
        text(|buf, cap, needed, err| unsafe { sys::minimoe_model_config(self.raw(), buf, cap, needed, err) })
            .map(Config::from)
    }

    /// Threads, kernels, numbers of parameters, and which blocks are MoE.
    pub fn info(&self) -> Result<Json<ModelInfo>> {
        // SAFETY: the handle is live, the output valid for the call.
        text(|buf, cap, needed, err| unsafe { sys::minimoe_model_info(self.raw(), buf, cap, needed, err) })
            .map(Json::new)
    }

    /// Logits of every position, `[B * seq_len, V]`.
    pub fn forward(&self, batch: Batch<'_>) -> Result<Vec<f32>> {
        array(0, |values, cap, needed, err| self.call_forward(batch, values, cap, needed, err))
    }

    /// The same into memory of yours. Returns the number of logits; with too little room, the error tells it.
    pub fn forward_into(&self, logits: &mut [f32], batch: Batch<'_>) -> Result<usize> {
        let mut needed = 0;
        check(|err| self.call_forward(batch, logits.as_mut_ptr(), logits.len(), &mut needed, err))
            .map_err(|error| error.with_needed(needed))?;
        Ok(needed)
    }

    fn call_forward(
        &self,
        batch: Batch<'_>,
        values: *mut f32,
        cap: usize,
        needed: &mut usize,
        err: *mut sys::minimoe_error,
    ) -> sys::minimoe_status {
        let (valid, num_valid) = optional(batch.valid);
        // SAFETY: the handle is live, the inputs are valid for the call, and so are `cap` elements at `values`.
        unsafe {
            sys::minimoe_model_forward(
                self.raw(),
                batch.tokens.as_ptr(),
                batch.tokens.len(),
                valid,
                num_valid,
                batch.seq_len,
                values,
                cap,
                needed,
                err,
            )
        }
    }

    /// Continues a prompt of at least one token; the new tokens. `json`: `{"max_new_tokens": 64, "temperature": 1 (0:
    /// greedy), "top_k": 0 (all), "top_p": 1 (all), "seed": 0, "stop_token": -1, "when_full": "slide"}`. The token is
    /// looked at before each new one.
    pub fn generate(&self, prompt: &[i32], json: impl AsRef<str>, cancel: Option<&CancelToken>) -> Result<Vec<i32>> {
        let (json, len) = bytes(json.as_ref());
        array(0, |ids, cap, needed, err| {
            // SAFETY: the handles are live, inputs and output are valid for the call.
            unsafe {
                sys::minimoe_model_generate(
                    self.raw(),
                    prompt.as_ptr(),
                    prompt.len(),
                    json,
                    len,
                    cancel::raw(cancel),
                    ids,
                    cap,
                    needed,
                    err,
                )
            }
        })
    }

    /// The tokens of [`generate`](Self::generate), each computed when it is asked for; but unless `json` has `"when_full":
    /// "slide"` the text ends with token `model.max_seq_len + 1`, and a longer prompt than `model.max_seq_len` is refused.
    pub fn stream(&self, prompt: &[i32], json: impl AsRef<str>) -> Result<TokenStream> {
        let (json, len) = bytes(json.as_ref());
        let handle = Handle::create(self.handle.sink(), |out, err| {
            // SAFETY: the handle is live, inputs and output are valid for the call.
            unsafe { sys::minimoe_token_stream_create(self.raw(), prompt.as_ptr(), prompt.len(), json, len, out, err) }
        })?;
        Ok(TokenStream::of(handle))
    }

    /// Where every token is sent.
    pub fn routing_trace(&self, batch: Batch<'_>) -> Result<RoutingTrace> {
        let (valid, num_valid) = optional(batch.valid);
        let mut weights = Vec::<f32>::new();
        let mut kept = Vec::<u8>::new();
        let (mut num_weights, mut num_kept) = (0, 0);
        let experts = array(0, |ids, cap, needed, err| {
            if weights.try_reserve_exact(cap).is_err() || kept.try_reserve_exact(cap).is_err() {
                return sys::MINIMOE_E_OUT_OF_MEMORY;
            }
            // SAFETY: the handle is live, inputs are valid for the call, the outputs have the room that is stated.
            unsafe {
                sys::minimoe_model_routing_trace(
                    self.raw(),
                    batch.tokens.as_ptr(),
                    batch.tokens.len(),
                    valid,
                    num_valid,
                    batch.seq_len,
                    ids,
                    cap,
                    needed,
                    weights.as_mut_ptr(),
                    weights.capacity(),
                    &mut num_weights,
                    kept.as_mut_ptr(),
                    kept.capacity(),
                    &mut num_kept,
                    err,
                )
            }
        })?;
        assert!(num_weights <= weights.capacity() && num_kept <= kept.capacity(), "more than there was room for");
        // SAFETY: the call that succeeded wrote that many of each.
        unsafe {
            weights.set_len(num_weights);
            kept.set_len(num_kept);
        }
        Ok(RoutingTrace { experts, weights, kept })
    }

    /// Number of parameters (tensors, buffers such as `expert_bias` included).
    pub fn num_parameters(&self) -> Result<usize> {
        let mut count = 0;
        // SAFETY: the handle is live, the outputs valid for the call.
        check(|err| unsafe { sys::minimoe_model_num_parameters(self.raw(), &mut count, err) })?;
        Ok(count)
    }

    /// Name, shape and role of parameter `index`.
    pub fn parameter_info(&self, index: usize) -> Result<ParameterInfo> {
        let json = text(|buf, cap, needed, err| {
            // SAFETY: the handle is live, the output valid for the call.
            unsafe { sys::minimoe_model_parameter_info(self.raw(), index, buf, cap, needed, err) }
        })?;
        ParameterInfo::parse(&json)
    }

    /// A copy of a parameter.
    pub fn parameter(&self, name: &str) -> Result<Vec<f32>> {
        with_c_text("name", name, |name| {
            array(0, |values, cap, needed, err| {
                // SAFETY: the handle is live, `name` ends with a NUL, the output is valid for the call.
                unsafe { sys::minimoe_model_parameter_get(self.raw(), name, values, cap, needed, err) }
            })
        })
    }

    /// A number that grows whenever the values of parameters change; also while a step is running.
    pub fn generation(&self) -> Result<u64> {
        let mut generation = 0;
        // SAFETY: the handle is live, the outputs valid for the call.
        check(|err| unsafe { sys::minimoe_model_generation(self.raw(), &mut generation, err) })?;
        Ok(generation)
    }

    /// Writes the model for another program; an error when no architecture there holds it without loss. `json` is
    /// `{"format": "hf"}`, or empty: `config.json` and `model.safetensors` for Hugging Face's transformers in the directory
    /// `path`; or `{"format": "gguf", "tokenizer": "tokenizer.json"}`: the file `path` for llama.cpp. `"check": true` writes
    /// nothing.
    pub fn export(&self, path: impl AsRef<Path>, json: &str) -> Result<()> {
        let (json, len) = bytes(json);
        with_c_path(path.as_ref(), |path| {
            // SAFETY: the handle is live, `path` ends with a NUL, the text is valid for the call.
            check(|err| unsafe { sys::minimoe_model_export(self.raw(), json, len, path, err) })
        })
    }

    /// Writes logits, loss and, asked for in `json` (`{"router": true, "gradients": true}`, or empty), routing and gradients
    /// of a batch without padding as a safetensors file.
    pub fn write_logits(&self, batch: Batch<'_>, path: impl AsRef<Path>, json: &str) -> Result<()> {
        let (json, len) = bytes(json);
        let tokens = batch.tokens;
        with_c_path(path.as_ref(), |path| {
            check(|err| {
                // SAFETY: the handle is live, `path` ends with a NUL, the inputs are valid for the call.
                unsafe {
                    sys::minimoe_model_write_logits(
                        self.raw(),
                        tokens.as_ptr(),
                        tokens.len(),
                        batch.seq_len,
                        json,
                        len,
                        path,
                        err,
                    )
                }
            })
        })
    }

    /// Writes weights and configuration as safetensors; an earlier file is replaced only by a complete one.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        with_c_path(path.as_ref(), |path| {
            // SAFETY: the handle is live, `path` ends with a NUL.
            check(|err| unsafe { sys::minimoe_model_save(self.raw(), path, err) })
        })
    }
}

impl fmt::Debug for ModelReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelReader").finish_non_exhaustive()
    }
}
