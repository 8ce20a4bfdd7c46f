// SPDX-License-Identifier: Apache-2.0
//! What a call costs, and what this crate adds to the call of the C interface below it: `cargo bench -p minimoe`.
use std::hint::black_box;
use std::ptr;
use std::time::Instant;

use minimoe::{CancelToken, MoECache, MoELayer};
use minimoe_sys as sys;

const CALLS: u32 = 20_000;
const ROUNDS: usize = 101;

/// Nanoseconds a call.
fn nanoseconds(call: &mut dyn FnMut(u32)) -> f64 {
    let start = Instant::now();
    call(CALLS);
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// The two in turns, so that both see the same machine; what is added is the median of the differences.
fn row(what: &str, mut raw: impl FnMut(), mut safe: impl FnMut()) {
    let (mut raw, mut safe) = (|n| (0..n).for_each(|_| raw()), |n| (0..n).for_each(|_| safe()));
    let rounds: Vec<_> = (0..ROUNDS).map(|_| (nanoseconds(&mut raw), nanoseconds(&mut safe))).collect();
    let of = |figure: fn(&(f64, f64)) -> f64| median(rounds.iter().map(figure).collect());
    println!("{what:44} {:8.1} {:8.1} {:8.1}", of(|r| r.0), of(|r| r.1), of(|r| r.1 - r.0));
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
    // SAFETY: the output is valid for the call.
    let status = unsafe { sys::minimoe_cancel_token_create(&mut raw_token, ptr::null_mut()) };
    assert_eq!(status, sys::MINIMOE_OK);

    println!("{:44} {:>8} {:>8} {:>8}", "nanoseconds a call", "C", "Rust", "added");
    let (mut count, mut needed, mut fired) = (0, 0, 0);
    row(
        "CancelToken::is_fired",
        // SAFETY: here and below, the handle is live, inputs and outputs are valid for the call.
        || unsafe {
            let _ = black_box(sys::minimoe_cancel_token_fired(raw_token, &mut fired, ptr::null_mut()));
        },
        || {
            black_box(token.is_fired());
        },
    );
    row(
        "MoELayer::num_parameters",
        // SAFETY: as above.
        || unsafe {
            let _ = black_box(sys::minimoe_moe_layer_num_parameters(raw, &mut count, ptr::null_mut()));
        },
        || drop(black_box(layer.num_parameters())),
    );
    row(
        "MoELayer::parameter_view",
        // SAFETY: as above.
        || unsafe {
            let mut view = std::mem::MaybeUninit::<sys::minimoe_tensor_view>::uninit();
            let (size, name) = (std::mem::size_of_val(&view), b"router.weight\0".as_ptr().cast());
            let out = view.as_mut_ptr();
            let _ = black_box(sys::minimoe_moe_layer_parameter_view(raw, name, out, size, ptr::null_mut()));
        },
        || drop(black_box(layer.parameter_view("router.weight"))),
    );
    let (mut raw_y, mut y, none) = ([0.0_f32; 8], [0.0_f32; 8], ptr::null());
    row(
        "MoELayer::infer_into, one token of width 8",
        // SAFETY: as above.
        || unsafe {
            let (x, out) = (black_box(&x).as_ptr(), raw_y.as_mut_ptr());
            let status = sys::minimoe_moe_layer_infer(raw, x, 8, none, 0, out, 8, &mut needed, ptr::null_mut());
            let _ = black_box(status);
        },
        || layer.infer_into(black_box(&mut y), &x).unwrap(),
    );
    // SAFETY: each is the only owner.
    unsafe {
        sys::minimoe_moe_layer_free(raw);
        sys::minimoe_cancel_token_free(raw_token);
    }
}
