// SPDX-License-Identifier: Apache-2.0
//! The library that was linked is the one that the bindings are of.
use std::ffi::CStr;

#[test]
fn the_library_serves_these_bindings() {
    // SAFETY: neither has preconditions; `err` may be null.
    unsafe {
        assert_eq!(
            minimoe_sys::minimoe_check_version(minimoe_sys::MINIMOE_VERSION_NUMBER, std::ptr::null_mut()),
            minimoe_sys::MINIMOE_OK
        );
        let version = CStr::from_ptr(minimoe_sys::minimoe_version_string()).to_str().unwrap();
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
    }
}
