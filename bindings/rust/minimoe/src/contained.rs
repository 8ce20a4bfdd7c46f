// SPDX-License-Identifier: Apache-2.0
//! What the library calls must not unwind into C++.
use std::panic::{catch_unwind, AssertUnwindSafe};

/// `call()`; a panic ends here, after the panic hook has told of it.
pub(crate) fn contained(call: impl FnOnce()) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else { return };
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // The payload's destructor has panicked; that of its payload may do so for ever.
        std::mem::forget(second);
    }
}

#[cfg(test)]
mod tests {
    use super::contained;

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            std::panic::panic_any(PanicsWhenDropped);
        }
    }

    #[test]
    fn neither_a_panic_nor_its_payload_gets_out() {
        contained(|| panic!("once"));
        contained(|| std::panic::panic_any(PanicsWhenDropped));
    }
}
