// SPDX-License-Identifier: Apache-2.0
//! ndarray in and out.
#![cfg(feature = "ndarray")]
mod support;

use minimoe::{Batch, ErrorKind, MoECache, MoELayer};
use ndarray::{s, Array2, ArrayView2};
use support::{inputs, options, tokens, LAYER, SEQ_LEN, VOCAB};

#[test]
fn a_view_of_a_parameter_is_an_array_at_the_same_address() {
    let model = support::model();
    let view = model.parameter_view("blocks.1.moe.experts.w_up_proj").unwrap();
    let array = view.array();
    assert_eq!(array.shape(), [4, 16, 16]);
    assert_eq!(array.as_ptr(), view.values().as_ptr());
    assert_eq!(array[[1, 2, 3]], view[(16 + 2) * 16 + 3]);
}

#[test]
fn logits_have_the_shape_of_the_batch() {
    let model = support::model();
    let flat = tokens(2 * SEQ_LEN);
    let logits = model.forward_array(ArrayView2::from_shape((2, SEQ_LEN), &flat).unwrap()).unwrap();
    assert_eq!(logits.shape(), [2, SEQ_LEN, VOCAB as usize]);
    assert_eq!(logits.into_raw_vec_and_offset().0, model.forward(Batch::new(&flat, SEQ_LEN)).unwrap());
}

#[test]
fn a_layer_takes_and_gives_rows() {
    let mut layer = MoELayer::with_options(LAYER, &options()).unwrap();
    let mut cache = MoECache::new(&layer, 4).unwrap();
    let x = Array2::from_shape_vec((4, 8), inputs(4)).unwrap();
    let y = layer.forward_array(&mut cache, x.view()).unwrap();
    assert_eq!(y, layer.infer_array(x.view()).unwrap());
    assert_eq!(cache.router_probs_array().unwrap().shape(), [4, 4]);
    let d_x = layer.backward_array(&mut cache, x.view(), Array2::ones((4, 8)).view(), 0.0).unwrap();
    assert_eq!(d_x.dim(), (4, 8));
}

#[test]
fn what_has_gaps_or_another_order_is_refused_by_name() {
    let mut layer = MoELayer::with_options(LAYER, &options()).unwrap();
    let mut cache = MoECache::new(&layer, 8).unwrap();
    let x = Array2::from_shape_vec((8, 8), inputs(8)).unwrap();
    for (view, what) in
        [(x.t(), "transposed"), (x.slice(s![.., ..;2]), "every other column"), (x.slice(s![..;2, ..]), "rows")]
    {
        let error = layer.infer_array(view).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Shape, "{what}");
        assert!(error.message().starts_with("x: is not contiguous and row-major: shape"), "{what}: {error}");
    }
    layer.forward_array(&mut cache, x.view()).unwrap();
    let error = layer.backward_array(&mut cache, x.view(), x.t(), 1.0).unwrap_err();
    assert!(error.message().starts_with("d_y: "), "{error}");
    let wide = Array2::<i32>::zeros((8, 2));
    assert!(support::model().forward_array(wide.t()).unwrap_err().message().starts_with("tokens: "));
    let error = layer.infer_array(Array2::zeros((2, 7)).view()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
}
