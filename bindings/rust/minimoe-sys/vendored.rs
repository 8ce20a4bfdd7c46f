// SPDX-License-Identifier: Apache-2.0
//! Builds the static library of vendor/ with the project's own CMake files.
use std::fs;
use std::path::{Path, PathBuf};

/// Archives that the static library needs, by the name that CMake found them under.
const ARCHIVES: [&str; 2] = ["MINIMOE_ZLIB_ARCHIVE", "MINIMOE_MBEDCRYPTO_ARCHIVE"];

pub(crate) fn link() {
    let vendor = Path::new("vendor");
    assert!(
        vendor.join("CMakeLists.txt").exists() && vendor.join("src/core").exists(),
        "vendor/ does not lead to the C++ sources: a checkout needs symbolic links"
    );
    for part in ["CMakeLists.txt", "src", "capi", "include", "cmake"] {
        println!("cargo:rerun-if-changed=vendor/{part}");
    }
    // An unoptimised kernel is of use to nobody, so the profile of the crate does not matter.
    let built = cmake::Config::new(vendor)
        .profile("Release")
        .define("MINIMOE_BUILD_PROGRAM", "OFF")
        .define("MINIMOE_BUILD_TESTS", "OFF")
        .define("MINIMOE_INSTALL", "OFF")
        .define("CMAKE_UNITY_BUILD", "ON")
        .build_target("minimoe_static")
        .build()
        .join("build");
    println!("cargo:rustc-link-search=native={}", built.join("lib").display());
    println!("cargo:rustc-link-lib=static=minimoe");
    let cache = fs::read_to_string(built.join("CMakeCache.txt")).expect("CMake writes CMakeCache.txt");
    for name in ARCHIVES {
        link_archive(&cached_path(&cache, name));
    }
    println!("cargo:rustc-link-lib=stdc++");
    println!("cargo:rustc-link-lib=m");
    println!("cargo:include={}", built.join("include").display());
}

/// The value of a line `NAME:TYPE=VALUE`.
fn cached_path(cache: &str, name: &str) -> PathBuf {
    cache
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split_once('='))
        .map(|(_type, value)| PathBuf::from(value))
        .next()
        .unwrap_or_else(|| panic!("CMakeCache.txt has no {name}"))
}

fn link_archive(archive: &Path) {
    let directory = archive.parent().expect("the path of an archive is absolute");
    let stem = archive.file_stem().and_then(|stem| stem.to_str()).expect("the name of an archive is UTF-8");
    println!("cargo:rustc-link-search=native={}", directory.display());
    println!("cargo:rustc-link-lib=static={}", stem.trim_start_matches("lib"));
}
