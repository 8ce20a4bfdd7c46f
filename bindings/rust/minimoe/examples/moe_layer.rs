// SPDX-License-Identifier: Apache-2.0
//! The bare MoE layer inside someone else's model and loop. The host below has its own output weights and its own optimizer
//! (SGD with momentum); libminimoe gives it one layer:
//!
//!     y = x + moe(x)   the library's, with the host's residual connection
//!     p = w . y        the host's; the loss is the mean of (p - target)^2 / 2
//!
//! The layer's parameters and gradients lie in memory of the host's. A step has two micro-batches: both forwards come before
//! both backwards, each with a cache of its own. The target is x[2 + quadrant], the quadrant being that of (x[0], x[1]):
//! linear where you stand, not as a whole. The best linear model has a loss of 1/8.
use minimoe::{MoECache, MoELayer, Result};

const D: usize = 8;
const T: usize = 128;
const MICRO: usize = 2;
const STEPS: usize = 400;
const WEIGHTS: [&str; 5] =
    ["router.weight", "experts.w_up_proj", "experts.b_up_proj", "experts.w_down_proj", "experts.b_down_proj"];
const CONFIG: &str = r#"{"model": {"d_model": 8, "init_std": 0.3, "moe": {"num_experts": 4, "top_k": 2, "d_expert": 32,
    "router_init_std": 0.3, "aux_loss_coef": 0.01, "bias_balancing": true}}, "train": {"seed": 5}}"#;

/// Numbers in -1..1.
struct Uniform(u32);

impl Uniform {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
    }
}

fn target(x: &[f32]) -> f32 {
    x[2 + 2 * usize::from(x[0] > 0.0) + usize::from(x[1] > 0.0)]
}

fn descend(values: &mut [f32], gradients: &mut [f32], momentum: &mut [f32]) {
    for ((value, gradient), momentum) in values.iter_mut().zip(gradients).zip(momentum) {
        *momentum = 0.9 * *momentum + *gradient;
        *value -= 0.05 * *momentum;
        *gradient = 0.0;
    }
}

fn main() -> Result<()> {
    let mut layer = MoELayer::new(CONFIG)?;
    let mut momenta = Vec::new();
    for name in WEIGHTS {
        let values = layer.parameter(name)?.into_boxed_slice();
        momenta.push(vec![0.0; values.len()]);
        layer.bind_gradient(name, vec![0.0; values.len()].into())?;
        layer.bind_parameter(name, values)?;
    }
    let mut caches = [MoECache::new(&layer, T)?, MoECache::new(&layer, T)?];
    let mut random = Uniform(1);
    let mut w: Vec<f32> = (0..D).map(|_| 0.3 * random.next()).collect();
    let (mut d_w, mut w_momentum) = (vec![0.0; D], vec![0.0; D]);
    let mut late_losses = Vec::new();

    for step in 1..=STEPS {
        let mut loss = 0.0;
        let xs: Vec<Vec<f32>> = (0..MICRO).map(|_| (0..T * D).map(|_| random.next()).collect()).collect();
        let mut d_ys = Vec::new();
        for (x, cache) in xs.iter().zip(&mut caches) {
            let mut y = layer.forward(cache, x)?;
            let mut d_y = vec![0.0; T * D];
            for ((x, y), d_y) in x.chunks(D).zip(y.chunks_mut(D)).zip(d_y.chunks_mut(D)) {
                y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
                let error = y.iter().zip(&w).map(|(y, w)| y * w).sum::<f32>() - target(x);
                loss += error * error / (2 * T * MICRO) as f32;
                let d_p = error / (T * MICRO) as f32;
                d_w.iter_mut().zip(y).for_each(|(d_w, y)| *d_w += d_p * *y);
                d_y.iter_mut().zip(&w).for_each(|(d_y, w)| *d_y = d_p * w);
            }
            d_ys.push(d_y);
        }
        let mut load = [0; 4];
        for ((x, d_y), cache) in xs.iter().zip(&d_ys).zip(&mut caches) {
            layer.backward(cache, x, d_y, 1.0 / MICRO as f64)?;
            load.iter_mut().zip(cache.load()?).for_each(|(sum, count)| *sum += count);
        }
        for (name, momentum) in WEIGHTS.iter().zip(&mut momenta) {
            layer.update_bound(name, |values, gradients| descend(values, gradients, momentum))?;
        }
        descend(&mut w, &mut d_w, &mut w_momentum);
        layer.update_bias(&load)?;
        if step % 100 == 0 {
            println!("step {step:4}  loss {loss:.4}  tokens per expert {load:?}");
        }
        if step > STEPS - 20 {
            late_losses.push(loss);
        }
    }
    let late = late_losses.iter().sum::<f32>() / late_losses.len() as f32;
    println!("mean loss of the last 20 steps {late:.4}; the best linear model has 0.1250");
    assert!(late < 0.09, "the layer did not learn what no linear model can");
    Ok(())
}
