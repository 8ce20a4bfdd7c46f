// SPDX-License-Identifier: Apache-2.0
//! What a call costs, and what this crate adds to the call of the C interface below it: `cargo bench -p minimoe`.
use std::hint::black_box;
use std::ptr;
use std::time::Instant;

use minimoe::{CancelToken, MoECache, MoELayer};
use minimoe_sys as sys;

const CALLS: u32 = 200_000;
const ROUNDS: usize = 11;

/// Nanoseconds a call, the median of the rounds.
fn nanoseconds(mut call: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| call());
            start.elapsed().as_nanos() as f64 / f64::from(CALLS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn row(what: &str, raw: f64, safe: f64) {
    println!("{what:44} {raw:8.1} {safe:8.1} {:8.1}", safe - raw);
}

fn raw_layer(config: &str) -> *mut sys::minimoe_moe_layer {
    let mut layer = ptr::null_mut();
    // SAFETY: inputs and output are valid for the call.
    let status = unsafe {
        sys::minimoe_moe_layer_create(config.as_ptr().cast(), config.len(), ptr::null(), &mut layer, ptr::null_mut())
    };
    assert_eq!(status, sys::MINIMOE_OK);
    layer
}

fn main() {
    let config = r#"{"model": {"d_model": 8, "moe": {"num_experts": 4, "top_k": 2, "d_expert": 8}}}"#;
    let layer = MoELayer::new(config).unwrap();
    let mut cache = MoECache::new(&layer, 1).unwrap();
    let x = [0.1_f32; 8];
    layer.forward(&mut cache, &x).unwrap();
    let token = CancelToken::new().unwrap();

    let raw = raw_layer(config);
    let mut raw_token = ptr::null_mut();
    let (mut count, mut needed, mut fired) = (0, 0, 0);
    let mut y = [0.0_f32; 8];
    // SAFETY: all handles are live, all inputs and outputs are valid for the calls.
    let (tokens, parameters, gets, infers) = unsafe {
        let status = sys::minimoe_cancel_token_create(&mut raw_token, ptr::null_mut());
        assert_eq!(status, sys::MINIMOE_OK);
        (
            nanoseconds(|| {
                let _ = black_box(sys::minimoe_cancel_token_fired(raw_token, &mut fired, ptr::null_mut()));
            }),
            nanoseconds(|| {
                let _ = black_box(sys::minimoe_moe_layer_num_parameters(raw, &mut count, ptr::null_mut()));
            }),
            nanoseconds(|| {
                let mut view = std::mem::MaybeUninit::<sys::minimoe_tensor_view>::uninit();
                let size = std::mem::size_of_val(&view);
                let name = b"router.weight\0".as_ptr().cast();
                let _ = black_box(sys::minimoe_moe_layer_parameter_view(
                    raw,
                    name,
                    view.as_mut_ptr(),
                    size,
                    ptr::null_mut(),
                ));
            }),
            nanoseconds(|| {
                let (out, none) = (y.as_mut_ptr(), ptr::null());
                let _ = black_box(sys::minimoe_moe_layer_infer(
                    raw,
                    x.as_ptr(),
                    8,
                    none,
                    0,
                    out,
                    8,
                    &mut needed,
                    ptr::null_mut(),
                ));
            }),
        )
    };
    println!("{:44} {:>8} {:>8} {:>8}", "nanoseconds a call", "C", "Rust", "added");
    row(
        "CancelToken::is_fired",
        tokens,
        nanoseconds(|| {
            black_box(token.is_fired());
        }),
    );
    row("MoELayer::num_parameters", parameters, nanoseconds(|| drop(black_box(layer.num_parameters()))));
    row("MoELayer::parameter_view", gets, nanoseconds(|| drop(black_box(layer.parameter_view("router.weight")))));
    row(
        "MoELayer::infer_into, one token of width 8",
        infers,
        nanoseconds(|| {
            layer.infer_into(black_box(&mut y), &x).unwrap();
        }),
    );
    // SAFETY: each is the only owner.
    unsafe {
        sys::minimoe_moe_layer_free(raw);
        sys::minimoe_cancel_token_free(raw_token);
    }
}
