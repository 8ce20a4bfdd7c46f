// SPDX-License-Identifier: Apache-2.0
//! The C interface of libminimoe, as `minimoe.h` declares it. Use the crate `minimoe`, which is safe, instead.
//!
//! What a function means, and who may call it when, stands in its comment, which is that of the header. `bindings` is
//! written by bindgen; `regenerate.sh` beside the workspace writes it anew.
#![cfg_attr(not(test), no_std)]

#[allow(missing_docs, rustdoc::all, clippy::all, clippy::undocumented_unsafe_blocks)]
#[allow(non_camel_case_types, non_upper_case_globals, unreachable_pub)]
mod bindings;

pub use bindings::*;
