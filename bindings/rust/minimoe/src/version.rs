// SPDX-License-Identifier: Apache-2.0
//! Version of the library, and how it was built.
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

use minimoe_sys as sys;

use crate::call::{check, text};
use crate::reports::BuildInfo;
use crate::{Json, Result};

/// Version of the library that is running: major * 1000000 + minor * 1000 + patch.
pub fn version_number() -> i32 {
    // SAFETY: has no preconditions.
    unsafe { sys::minimoe_version_number() }
}

/// The same as text, `"0.1.0"`.
pub fn version_string() -> &'static str {
    // SAFETY: the text belongs to the library, which stays loaded as long as this program.
    unsafe { CStr::from_ptr(sys::minimoe_version_string()) }.to_str().unwrap_or("?")
}

/// Whether the running library serves a program that was built for version `header_version`.
///
/// # Errors
/// [`ErrorKind::Version`](crate::ErrorKind::Version), with both versions in the message.
pub fn check_version(header_version: i32) -> Result<()> {
    // SAFETY: `err` is valid for the call.
    check(|err| unsafe { sys::minimoe_check_version(header_version, err) })
}

/// Name of a code of the C interface, `"MINIMOE_E_BUSY"`; `"MINIMOE_E_?"` for an unknown one.
pub fn status_name(code: i32) -> &'static str {
    // SAFETY: as version_string.
    unsafe { CStr::from_ptr(sys::minimoe_status_name(code)) }.to_str().unwrap_or("?")
}

/// How the library was built and what this CPU offers.
pub fn build_info() -> Result<Json<BuildInfo>> {
    // SAFETY: the output is valid for the call.
    text(|buf, cap, needed, err| unsafe { sys::minimoe_build_info(buf, cap, needed, err) }).map(Json::new)
}

/// Fails unless the running library serves these bindings. Asked once; everything that makes a handle begins with it.
pub(crate) fn require_version() -> Result<()> {
    static CHECKED: AtomicBool = AtomicBool::new(false);
    if CHECKED.load(Ordering::Relaxed) {
        return Ok(());
    }
    check_version(sys::MINIMOE_VERSION_NUMBER)?;
    CHECKED.store(true, Ordering::Relaxed);
    Ok(())
}
