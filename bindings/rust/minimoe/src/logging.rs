// SPDX-License-Identifier: Apache-2.0
//! Lines that the library tells a host.
use std::ffi::{c_char, c_void, CStr};
use std::fmt;

use minimoe_sys as sys;

use crate::contained::contained;

/// How detailed a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LogLevel {
    /// Something that is probably not wanted.
    Warning,
    /// A handle was made, a file read or written.
    Info,
    /// Every micro-batch of training.
    Trace,
}

impl LogLevel {
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Warning => sys::MINIMOE_LOG_WARNING,
            Self::Info => sys::MINIMOE_LOG_INFO,
            Self::Trace => sys::MINIMOE_LOG_TRACE,
        }
    }

    fn of(code: i32) -> Self {
        match code {
            sys::MINIMOE_LOG_WARNING => Self::Warning,
            sys::MINIMOE_LOG_INFO => Self::Info,
            _ => Self::Trace,
        }
    }
}

type Tell = dyn Fn(LogLevel, &str) + Send + Sync;

/// Who is told.
pub(crate) struct Sink {
    tell: Box<Tell>,
}

impl Sink {
    pub(crate) fn new(tell: impl Fn(LogLevel, &str) + Send + Sync + 'static) -> Self {
        Self { tell: Box::new(tell) }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

/// What the library calls.
///
/// # Safety
/// `user_data` is a live Sink, `message` a text with a NUL.
pub(crate) unsafe extern "C" fn deliver(user_data: *mut c_void, level: i32, message: *const c_char) {
    contained(|| {
        // SAFETY: as the caller promises; both are only borrowed for the call.
        let (sink, message) = unsafe { (&*user_data.cast::<Sink>(), CStr::from_ptr(message)) };
        (sink.tell)(LogLevel::of(level), &message.to_string_lossy());
    });
}

#[cfg(feature = "log")]
pub(crate) fn to_log_crate(level: LogLevel, message: &str) {
    let level = match level {
        LogLevel::Warning => log::Level::Warn,
        LogLevel::Info => log::Level::Info,
        LogLevel::Trace => log::Level::Trace,
    };
    log::log!(target: "minimoe", level, "{message}");
}
