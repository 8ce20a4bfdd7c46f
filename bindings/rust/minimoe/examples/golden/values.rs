// SPDX-License-Identifier: Apache-2.0
//! How results are written, and how inputs are made.
use std::fs;

use minimoe::{status_name, Error, Result};
use serde_json::{json, Map, Value};

/// What a case gave.
pub(crate) type Results = Map<String, Value>;

pub(crate) fn error(error: &Error) -> Value {
    json!({"error": status_name(error.code()), "message": error.message()})
}

/// Writes the value or the error under `key`.
pub(crate) fn put<T>(out: &mut Results, key: &str, result: Result<T>, write: impl FnOnce(T) -> Value) {
    let value = result.map_or_else(|failed| error(&failed), write);
    out.insert(key.to_owned(), value);
}

pub(crate) fn text(text: impl ToString) -> Value {
    Value::String(text.to_string())
}

pub(crate) fn integers<T: Copy + Into<i64>>(values: Vec<T>) -> Value {
    values.into_iter().map(Into::into).collect::<Vec<i64>>().into()
}

pub(crate) fn floats(values: Vec<f32>) -> Value {
    json!({"f32": values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>()})
}

pub(crate) fn doubles(values: &[f64]) -> Value {
    json!({"f64": values.iter().map(|value| format!("{:016x}", value.to_bits())).collect::<Vec<String>>()})
}

/// FNV-1a of a file that the library wrote.
pub(crate) fn file(path: &str) -> Value {
    let bytes = fs::read(path).expect("the file was written");
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    json!({"fnv1a64": format!("{hash:016x}"), "size": bytes.len()})
}

fn hash(tag: i64, i: i64) -> i64 {
    let m = (tag * 7919 + i * 104_729 + 1) % 1_000_003;
    m * m % 1_000_003
}

/// fill(tag, i mod period, scale)
pub(crate) fn fill(tag: i64, count: i64, period: i64, scale: f64) -> Vec<f32> {
    (0..count).map(|i| ((hash(tag, i % period) % 1009 - 504) as f64 * scale) as f32).collect()
}

/// token(tag, i, vocab_size)
pub(crate) fn tokens(tag: i64, count: i64, vocab_size: i64) -> Vec<i32> {
    (0..count).map(|i| ((i * i + hash(tag, i) % 3) % vocab_size) as i32).collect()
}
