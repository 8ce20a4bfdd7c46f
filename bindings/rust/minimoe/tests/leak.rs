// SPDX-License-Identifier: Apache-2.0
//! A leak, for the check that looks for leaks to find.
mod support;

#[test]
#[ignore = "it leaks, which ../check.sh has to see"]
fn a_forgotten_model() {
    std::mem::forget(support::model());
}
