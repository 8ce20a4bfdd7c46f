// SPDX-License-Identifier: Apache-2.0
//! The bare layer in a host's own loop.
mod support;

use minimoe::{ErrorKind, LayerInput, MoECache, MoELayer};
use support::{inputs, options, LAYER};

const WEIGHTS: [&str; 5] =
    ["router.weight", "experts.w_up_proj", "experts.b_up_proj", "experts.w_down_proj", "experts.b_down_proj"];

fn layer() -> MoELayer {
    MoELayer::with_options(LAYER, &options()).unwrap()
}

fn bind_all(layer: &mut MoELayer) {
    for name in WEIGHTS {
        let values = layer.parameter(name).unwrap().into_boxed_slice();
        assert!(layer.bind_gradient(name, vec![0.0; values.len()].into()).unwrap().is_none());
        assert!(layer.bind_parameter(name, values).unwrap().is_none());
    }
}

/// Five steps of gradient descent towards y = x; the losses.
fn descend(layer: &mut MoELayer, update: impl Fn(&mut MoELayer, &str)) -> Vec<f32> {
    let x = inputs(6);
    let mut cache = MoECache::new(layer, 6).unwrap();
    (0..5)
        .map(|_| {
            let y = layer.forward(&mut cache, &x).unwrap();
            let d_y: Vec<f32> = y.iter().zip(&x).map(|(y, x)| y - x).collect();
            layer.backward(&mut cache, &x, &d_y, 1.0).unwrap();
            for name in WEIGHTS {
                update(layer, name);
            }
            layer.zero_gradients().unwrap();
            d_y.iter().map(|d| d * d / 2.0).sum()
        })
        .collect()
}

#[test]
fn updates_in_bound_memory_equal_updates_by_copies() {
    let by_copies = descend(&mut layer(), |layer, name| {
        let gradient = layer.gradient(name).unwrap();
        let mut values = layer.parameter(name).unwrap();
        values.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= 0.1 * g);
        layer.set_parameter(name, &values).unwrap();
    });
    let mut bound = layer();
    bind_all(&mut bound);
    let in_place = descend(&mut bound, |layer, name| {
        layer
            .update_bound(name, |values, gradient| {
                values.iter_mut().zip(gradient).for_each(|(w, g)| *w -= 0.1 * *g);
            })
            .unwrap();
    });
    assert_eq!(by_copies, in_place);
    assert!(in_place[4] < in_place[0]);
}

#[test]
fn two_forwards_may_precede_their_backwards() {
    let (x, other) = (inputs(4), inputs(5).split_off(8));
    let d_y = vec![1.0; 32];
    let mut one_by_one = layer();
    let mut cache = MoECache::new(&one_by_one, 4).unwrap();
    for x in [&x, &other] {
        one_by_one.forward(&mut cache, x).unwrap();
        one_by_one.backward(&mut cache, x, &d_y, 1.0).unwrap();
    }
    let mut both = layer();
    let mut caches = [MoECache::new(&both, 4).unwrap(), MoECache::new(&both, 4).unwrap()];
    both.forward(&mut caches[0], &x).unwrap();
    both.forward(&mut caches[1], &other).unwrap();
    both.backward(&mut caches[0], &x, &d_y, 1.0).unwrap();
    both.backward(&mut caches[1], &other, &d_y, 1.0).unwrap();
    for name in WEIGHTS {
        assert_eq!(one_by_one.gradient(name).unwrap(), both.gradient(name).unwrap(), "{name}");
    }
}

#[test]
fn a_cache_tells_the_routing_and_outlives_its_layer() {
    let layer = layer();
    let mut cache = MoECache::new(&layer, 8).unwrap();
    let x = inputs(4);
    layer.forward(&mut cache, LayerInput::new(&x).valid(&[1, 1, 1, 0]).seq_len(4)).unwrap();
    let config = layer.config().unwrap();
    drop(layer);
    assert_eq!(cache.layer_config().unwrap(), config);
    let experts = cache.topk_idx().unwrap();
    assert_eq!((experts.len(), &experts[6..]), (8, &[-1, -1][..]));
    assert_eq!(cache.gate_weights().unwrap().len(), 8);
    assert_eq!(cache.kept().unwrap()[..6], [1; 6]);
    assert_eq!((cache.router_logits().unwrap().len(), cache.router_probs().unwrap().len()), (16, 16));
    let metrics = cache.metrics().unwrap();
    assert_eq!((metrics.num_tokens, cache.load().unwrap().iter().sum::<i64>()), (3, 6));
    assert!(metrics.load_entropy > 0.0 && metrics.load_entropy <= 1.0);
}

#[test]
fn bound_memory_stays_while_a_cache_keeps_the_layer() {
    let mut layer = layer();
    bind_all(&mut layer);
    let mut cache = MoECache::new(&layer, 4).unwrap();
    layer.forward(&mut cache, &inputs(4)).unwrap();
    drop(layer);
    assert_eq!(cache.load().unwrap().iter().sum::<i64>(), 8);
}

#[test]
fn inference_equals_the_training_forward_without_a_capacity() {
    let layer = layer();
    let mut cache = MoECache::new(&layer, 4).unwrap();
    let x = inputs(4);
    let y = layer.forward(&mut cache, &x).unwrap();
    assert_eq!(layer.infer(&x).unwrap(), y);
    let mut into = vec![0.0; 32];
    layer.infer_into(&mut into, &x).unwrap();
    assert_eq!(into, y);
    into.fill(0.0);
    layer.forward_into(&mut into, &mut cache, &x).unwrap();
    assert_eq!(into, y);
}

#[test]
fn what_was_bound_comes_back() {
    let mut layer = layer();
    let own = layer.parameter("router.weight").unwrap();
    layer.bind_parameter("router.weight", vec![0.5; 32].into()).unwrap();
    assert_eq!(&layer.parameter_view("router.weight").unwrap()[..], [0.5; 32]);
    layer.bound_parameter("router.weight").unwrap()[3] = 2.0;
    let first = layer.bind_parameter("router.weight", vec![0.25; 32].into()).unwrap().unwrap();
    assert_eq!((first[2], first[3]), (0.5, 2.0));
    assert_eq!(layer.unbind_parameter("router.weight").unwrap().unwrap()[..], [0.25; 32]);
    assert_eq!(layer.parameter("router.weight").unwrap(), own);
    assert!(layer.unbind_parameter("router.weight").unwrap().is_none());
    layer.bind_gradient("router.weight", vec![0.0; 32].into()).unwrap();
    layer.bound_gradient("router.weight").unwrap().fill(3.0);
    assert_eq!(layer.gradient("router.weight").unwrap(), [3.0; 32]);
    assert_eq!(layer.unbind_gradient("router.weight").unwrap().unwrap()[..], [3.0; 32]);
}

#[test]
fn a_write_to_bound_memory_changes_the_output_and_the_generation() {
    let mut layer = layer();
    bind_all(&mut layer);
    let x = inputs(4);
    let before = (layer.infer(&x).unwrap(), layer.parameter_view("router.weight").unwrap().generation());
    layer.bound_parameter("experts.w_down_proj").unwrap().fill(0.0);
    layer.bound_parameter("experts.b_down_proj").unwrap().fill(0.0);
    assert_ne!(layer.infer(&x).unwrap(), before.0);
    assert_eq!(layer.infer(&x).unwrap(), vec![0.0; 32]);
    assert!(layer.parameter_view("router.weight").unwrap().generation() > before.1);
}

#[test]
fn a_write_that_panics_is_told_to_the_layer_too() {
    let mut layer = layer();
    bind_all(&mut layer);
    let before = layer.parameter_view("router.weight").unwrap().generation();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        layer.update_bound("router.weight", |values, _| {
            values[0] = 9.0;
            panic!("in the middle of an update");
        })
    }));
    assert!(caught.is_err());
    assert!(layer.parameter_view("router.weight").unwrap().generation() > before);
    assert_eq!(layer.parameter("router.weight").unwrap()[0], 9.0);
}

#[test]
fn the_bias_moves_against_the_load() {
    let config = r#"{"model": {"d_model": 8, "moe": {"num_experts": 4, "top_k": 2, "bias_balancing": true}}}"#;
    let mut layer = MoELayer::new(config).unwrap();
    layer.update_bias(&[8, 0, 4, 4]).unwrap();
    let bias = layer.parameter("expert_bias").unwrap();
    assert!(bias[0] < 0.0 && bias[1] > 0.0 && bias[2] == 0.0, "{bias:?}");
}

#[test]
fn every_parameter_of_a_layer_has_a_view() {
    let layer = layer();
    let names: Vec<String> = layer.parameters().unwrap().map(|parameter| parameter.unwrap().0.name).collect();
    assert_eq!(names.len(), layer.num_parameters().unwrap());
    assert!(WEIGHTS.iter().all(|name| names.iter().any(|other| other == name)));
}

#[test]
fn a_backward_into_too_little_room_says_how_much_and_consumes_nothing() {
    let mut layer = layer();
    let mut cache = MoECache::new(&layer, 4).unwrap();
    let x = inputs(4);
    layer.forward(&mut cache, &x).unwrap();
    let mut d_x = vec![0.0; 31];
    let error = layer.backward_into(&mut d_x, &mut cache, &x, &[1.0; 32], 1.0).unwrap_err();
    assert_eq!((error.kind(), error.needed()), (ErrorKind::BufferTooSmall, Some(32)));
    d_x.push(0.0);
    layer.backward_into(&mut d_x, &mut cache, &x, &[1.0; 32], 1.0).unwrap();
    assert!(d_x.iter().any(|d| *d != 0.0));
}
