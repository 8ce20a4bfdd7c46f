// SPDX-License-Identifier: Apache-2.0
//! Finds or builds libminimoe, in this order:
//!
//! 1. `DOCS_RS` is set: nothing is linked, so that documentation needs no library.
//! 2. feature `vendored`: CMake builds vendor/, linked statically.
//! 3. `MINIMOE_LIB_DIR`: the library in that directory; `MINIMOE_STATIC=1` asks for the archive, `MINIMOE_INCLUDE_DIR` for a
//!    check that the header there is of a version that these bindings fit.
//! 4. feature `system`: pkg-config.
use std::env;

#[cfg(feature = "vendored")]
#[path = "vendored.rs"]
mod vendored;

/// The library must be of this minor version and not older than the bindings: the rule of `minimoe_check_version`.
#[cfg(all(feature = "system", not(feature = "vendored")))]
const VERSIONS: std::ops::Range<&str> = "0.1.0".."0.2.0";

fn main() {
    for name in ["DOCS_RS", "MINIMOE_LIB_DIR", "MINIMOE_INCLUDE_DIR", "MINIMOE_STATIC"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    if env::var_os("DOCS_RS").is_some() {
        return;
    }
    link();
}

#[cfg(feature = "vendored")]
fn link() {
    vendored::link();
}

#[cfg(not(feature = "vendored"))]
fn link() {
    match env::var_os("MINIMOE_LIB_DIR") {
        Some(directory) => link_directory(directory.into()),
        None => link_system(),
    }
}

#[cfg(not(feature = "vendored"))]
fn link_directory(directory: std::path::PathBuf) {
    let is_static = env::var("MINIMOE_STATIC").is_ok_and(|value| value == "1");
    let name = if is_static { "libminimoe.a" } else { "libminimoe.so" };
    let library = directory.join(name);
    assert!(library.exists(), "MINIMOE_LIB_DIR: there is no {}", library.display());
    println!("cargo:rerun-if-changed={}", library.display());
    println!("cargo:rustc-link-search=native={}", directory.display());
    if is_static {
        println!("cargo:rustc-link-lib=static=minimoe");
        for library in ["z", "mbedcrypto", "stdc++", "m"] {
            println!("cargo:rustc-link-lib={library}");
        }
    } else {
        println!("cargo:rustc-link-lib=dylib=minimoe");
    }
    if let Some(include) = env::var_os("MINIMOE_INCLUDE_DIR").map(std::path::PathBuf::from) {
        check_header(&include.join("minimoe.h"));
        println!("cargo:include={}", include.display());
    }
}

#[cfg(not(feature = "vendored"))]
fn check_header(path: &std::path::Path) {
    println!("cargo:rerun-if-changed={}", path.display());
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("MINIMOE_INCLUDE_DIR: {}: {error}", path.display()));
    let header = version_number(&text)
        .unwrap_or_else(|| panic!("MINIMOE_INCLUDE_DIR: {} has no version number", path.display()));
    let ours = version_number(include_str!("src/bindings.rs")).expect("bindings.rs has a version");
    assert!(
        header / 1000 == ours / 1000 && header >= ours,
        "MINIMOE_INCLUDE_DIR: {} is of version {header}, these bindings need {ours} or a later patch of it",
        path.display()
    );
}

/// The number after MINIMOE_VERSION_NUMBER, in C or in Rust.
#[cfg(not(feature = "vendored"))]
fn version_number(text: &str) -> Option<u32> {
    let line =
        text.lines().find(|line| line.contains("MINIMOE_VERSION_NUMBER") && !line.trim_start().starts_with('*'))?;
    let last = line.split([' ', ';']).rfind(|word| !word.is_empty())?;
    last.parse().ok()
}

#[cfg(all(feature = "system", not(feature = "vendored")))]
fn link_system() {
    let library = pkg_config::Config::new().range_version(VERSIONS).probe("minimoe").unwrap_or_else(|error| {
        panic!(
            "libminimoe was not found: {error}\n\
                 Install it (make install PREFIX=P) and set PKG_CONFIG_PATH=P/lib/pkgconfig, name its directory in \
                 MINIMOE_LIB_DIR, or use the feature \"vendored\", which builds it."
        )
    });
    for path in library.include_paths {
        println!("cargo:include={}", path.display());
    }
}

#[cfg(not(any(feature = "system", feature = "vendored")))]
fn link_system() {
    panic!("libminimoe: choose the feature \"system\" or \"vendored\", or name its directory in MINIMOE_LIB_DIR");
}
