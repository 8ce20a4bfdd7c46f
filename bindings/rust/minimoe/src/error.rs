// SPDX-License-Identifier: Apache-2.0
//! What a call reports when it fails.
use std::ffi::CStr;
use std::fmt;

use minimoe_sys as sys;

/// The result of a call that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value of the caller's is outside what is allowed.
    InvalidArgument,
    /// An allocation failed, or a thread could not be started.
    OutOfMemory,
    /// The operating system refused a file operation.
    Io,
    /// A file's content is not what its format promises.
    CorruptFile,
    /// A loss, gradient or logit is NaN or infinite.
    NonFinite,
    /// Valid, but this build, machine or handle cannot do it.
    Unsupported,
    /// A bug of the library, or a code that this crate does not know.
    Internal,
    /// A count or shape does not fit the others, or the handle.
    Shape,
    /// The output does not fit; [`Error::needed`] says how many elements there are.
    BufferTooSmall,
    /// Another call is using the handle, or the model already has a trainer.
    Busy,
    /// The cancel token was fired.
    Cancelled,
    /// The handle was inside a call when the process was forked.
    Forked,
    /// This crate and the library that is running do not fit together.
    Version,
}

impl ErrorKind {
    fn of(code: i32) -> Self {
        match code {
            sys::MINIMOE_E_INVALID_ARGUMENT => Self::InvalidArgument,
            sys::MINIMOE_E_OUT_OF_MEMORY => Self::OutOfMemory,
            sys::MINIMOE_E_IO => Self::Io,
            sys::MINIMOE_E_CORRUPT_FILE => Self::CorruptFile,
            sys::MINIMOE_E_NON_FINITE => Self::NonFinite,
            sys::MINIMOE_E_UNSUPPORTED => Self::Unsupported,
            sys::MINIMOE_E_SHAPE => Self::Shape,
            sys::MINIMOE_E_BUFFER_TOO_SMALL => Self::BufferTooSmall,
            sys::MINIMOE_E_BUSY => Self::Busy,
            sys::MINIMOE_E_CANCELLED => Self::Cancelled,
            sys::MINIMOE_E_FORKED => Self::Forked,
            sys::MINIMOE_E_VERSION => Self::Version,
            _ => Self::Internal,
        }
    }
}

/// A call that did not succeed: its kind, and a message that says where, what came and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: i32,
    needed: Option<usize>,
    message: Box<str>,
}

impl Error {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::of(self.code)
    }

    /// The `MINIMOE_E_` code of the C interface.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// Where it happened, what came and what is allowed.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// With [`ErrorKind::BufferTooSmall`]: how many elements the output has.
    pub fn needed(&self) -> Option<usize> {
        self.needed
    }

    pub(crate) fn new(code: i32, message: impl Into<Box<str>>) -> Self {
        Self { code, needed: None, message: message.into() }
    }

    /// A value that this crate refuses itself. `message` begins with the name of the argument.
    pub(crate) fn invalid(message: impl Into<Box<str>>) -> Self {
        Self::new(sys::MINIMOE_E_INVALID_ARGUMENT, message)
    }

    pub(crate) fn with_needed(mut self, needed: usize) -> Self {
        if self.code == sys::MINIMOE_E_BUFFER_TOO_SMALL {
            self.needed = Some(needed);
        }
        self
    }

    /// # Safety
    /// `err.message` holds a NUL.
    pub(crate) unsafe fn from_raw(code: i32, err: *const sys::minimoe_error) -> Self {
        // SAFETY: the caller promises the NUL; what lies behind it may be uninitialised and is not looked at.
        let message = unsafe { CStr::from_ptr(std::ptr::addr_of!((*err).message).cast()) };
        Self::new(code, message.to_string_lossy())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            ErrorKind::InvalidArgument | ErrorKind::Shape => Io::InvalidInput,
            ErrorKind::CorruptFile => Io::InvalidData,
            ErrorKind::OutOfMemory => Io::OutOfMemory,
            ErrorKind::Unsupported => Io::Unsupported,
            _ => Io::Other,
        };
        Self::new(kind, error)
    }
}
