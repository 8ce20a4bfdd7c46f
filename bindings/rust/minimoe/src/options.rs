// SPDX-License-Identifier: Apache-2.0
//! How a handle computes and whom it tells.
use std::mem::MaybeUninit;
use std::sync::Arc;

use minimoe_sys as sys;

use crate::call::check;
use crate::logging::{self, LogLevel, Sink};
use crate::version::require_version;
use crate::Result;

/// Kernels to compute with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InstructionSet {
    /// The best that this CPU has.
    #[default]
    Auto,
    /// Portable code.
    Scalar,
    /// SSE4.2.
    Sse4,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512.
    Avx512,
}

/// What multiplies matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MatmulBackend {
    /// The library's own; the same bits for any number of threads.
    #[default]
    Native,
    /// A BLAS, where the library was built with one.
    Blas,
}

/// How a handle computes and whom it tells. Every default is the library's.
///
/// ```
/// use minimoe::{InstructionSet, Model, Options};
///
/// let options = Options::new().num_threads(2).instruction_set(InstructionSet::Scalar);
/// let model = Model::with_options(r#"{"model": {"vocab_size": 32}}"#, &options)?;
/// # Ok::<(), minimoe::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Options {
    num_threads: u32,
    instruction_set: InstructionSet,
    matmul_backend: MatmulBackend,
    log: Option<(LogLevel, Arc<Sink>)>,
}

impl Options {
    /// All defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// 0: one thread per available core; else 1..256. Affects speed only, never a bit of a result.
    pub fn num_threads(mut self, count: u32) -> Self {
        self.num_threads = count;
        self
    }

    /// Kernels to compute with.
    pub fn instruction_set(mut self, set: InstructionSet) -> Self {
        self.instruction_set = set;
        self
    }

    /// What multiplies matrices.
    pub fn matmul_backend(mut self, backend: MatmulBackend) -> Self {
        self.matmul_backend = backend;
        self
    }

    /// Hands lines up to `level` to `sink`, a line at a time, on a thread that is inside a call. A panic in it ends there:
    /// the line is lost, the call goes on. Inside the sink, calls on the handle that it tells of are refused as busy.
    pub fn log_to(mut self, level: LogLevel, sink: impl Fn(LogLevel, &str) + Send + Sync + 'static) -> Self {
        self.log = Some((level, Arc::new(Sink::new(sink))));
        self
    }

    /// Hands lines up to `level` to the crate `log`, with the target `minimoe`.
    #[cfg(feature = "log")]
    #[cfg_attr(docsrs, doc(cfg(feature = "log")))]
    pub fn log_to_crate(self, level: LogLevel) -> Self {
        self.log_to(level, logging::to_log_crate)
    }

    /// What keeps the sink alive: every handle that is made with `raw` holds it.
    pub(crate) fn sink(&self) -> Option<Arc<Sink>> {
        self.log.as_ref().map(|(_, sink)| Arc::clone(sink))
    }

    pub(crate) fn raw(&self) -> Result<sys::minimoe_options> {
        require_version()?;
        let mut raw = MaybeUninit::<sys::minimoe_options>::uninit();
        let size = std::mem::size_of::<sys::minimoe_options>();
        // SAFETY: there are `size` bytes at `raw`.
        check(|err| unsafe { sys::minimoe_options_init(raw.as_mut_ptr(), size, err) })?;
        // SAFETY: the call has zeroed them, and set struct_size; all fields allow 0.
        let mut raw = unsafe { raw.assume_init() };
        raw.num_threads = self.num_threads.try_into().unwrap_or(i32::MAX);
        raw.instruction_set = match self.instruction_set {
            InstructionSet::Auto => sys::MINIMOE_INSTRUCTIONS_AUTO,
            InstructionSet::Scalar => sys::MINIMOE_INSTRUCTIONS_SCALAR,
            InstructionSet::Sse4 => sys::MINIMOE_INSTRUCTIONS_SSE4,
            InstructionSet::Avx2 => sys::MINIMOE_INSTRUCTIONS_AVX2,
            InstructionSet::Avx512 => sys::MINIMOE_INSTRUCTIONS_AVX512,
        };
        raw.matmul_backend = match self.matmul_backend {
            MatmulBackend::Native => sys::MINIMOE_MATMUL_NATIVE,
            MatmulBackend::Blas => sys::MINIMOE_MATMUL_BLAS,
        };
        if let Some((level, sink)) = &self.log {
            raw.log = Some(logging::deliver);
            raw.log_user_data = Arc::as_ptr(sink).cast_mut().cast();
            raw.log_level = level.code();
        }
        Ok(raw)
    }
}
