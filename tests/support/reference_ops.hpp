// SPDX-License-Identifier: Apache-2.0
// The ops as plain scalar loops in double, straight from their definitions (full Jacobians and score matrices), sharing
// no code with the library: what the tests of src/ops compare with.
#pragma once

#include <cmath>
#include <complex>
#include <cstdint>
#include <vector>

namespace reference {

using Values = std::vector<double>;
using Index = std::size_t;

/// c [M, N] = a [M, K] b [K, N] by strides
inline Values product(const Values& a, Index a_row, Index a_k, const Values& b, Index b_k, Index b_column, Index M,
                      Index N, Index K) {
  Values c(M * N, 0.0);
  for (Index m = 0; m < M; ++m)
    for (Index n = 0; n < N; ++n)
      for (Index k = 0; k < K; ++k) c[m * N + n] += a[m * a_row + k * a_k] * b[k * b_k + n * b_column];
  return c;
}

inline Values linear(const Values& x, const Values& weight, const Values& bias, Index T, Index K, Index N) {
  Values y = product(x, K, 1, weight, 1, K, T, N, K);
  for (Index i = 0; i < y.size() && !bias.empty(); ++i) y[i] += bias[i % N];
  return y;
}

struct LinearGradients {
  Values d_x, d_weight, d_bias;
};
inline LinearGradients linear_backward(const Values& d_y, const Values& x, const Values& weight, Index T, Index K,
                                       Index N) {
  LinearGradients g{product(d_y, N, 1, weight, K, 1, T, K, N), product(d_y, 1, N, x, K, 1, N, K, T), Values(N, 0.0)};
  for (Index i = 0; i < d_y.size(); ++i) g.d_bias[i % N] += d_y[i];
  return g;
}

inline double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}
inline double gelu_erf(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }
inline double silu(double x) { return x / (1 + std::exp(-x)); }

inline Values softmax(const Values& x, Index rows, Index n) {
  Values y(x.size());
  for (Index r = 0; r < rows; ++r) {
    double max = x[r * n], sum = 0;
    for (Index j = 0; j < n; ++j) max = std::fmax(max, x[r * n + j]);
    for (Index j = 0; j < n; ++j) sum += y[r * n + j] = std::exp(x[r * n + j] - max);
    for (Index j = 0; j < n; ++j) y[r * n + j] /= sum;
  }
  return y;
}
inline Values softmax_backward(const Values& d_y, const Values& y, Index rows, Index n) {
  Values d_x(y.size(), 0.0);
  for (Index r = 0; r < rows; ++r)
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < n; ++j)
        d_x[r * n + j] += d_y[r * n + i] * y[r * n + i] * ((i == j ? 1.0 : 0.0) - y[r * n + j]);
  return d_x;
}

struct Norm {
  Values y, normalised, mean, rstd;
};
/// centered: LayerNorm; else RMSNorm. bias may be empty.
inline Norm norm(const Values& x, const Values& weight, const Values& bias, Index rows, Index D, double eps,
                 bool centered) {
  Norm out{Values(x.size()), Values(x.size()), Values(rows, 0.0), Values(rows, 0.0)};
  for (Index r = 0; r < rows; ++r) {
    double mean = 0, variance = 0;
    for (Index j = 0; centered && j < D; ++j) mean += x[r * D + j] / static_cast<double>(D);
    for (Index j = 0; j < D; ++j) variance += std::pow(x[r * D + j] - mean, 2) / static_cast<double>(D);
    const double rstd = 1 / std::sqrt(variance + eps);
    for (Index j = 0; j < D; ++j) {
      out.normalised[r * D + j] = (x[r * D + j] - mean) * rstd;
      out.y[r * D + j] = out.normalised[r * D + j] * weight[j] + (bias.empty() ? 0 : bias[j]);
    }
    out.mean[r] = mean;
    out.rstd[r] = rstd;
  }
  return out;
}
struct NormGradients {
  Values d_x, d_weight, d_bias;
};
inline NormGradients norm_backward(const Values& d_y, const Norm& f, const Values& weight, Index rows, Index D,
                                   bool centered) {
  NormGradients g{Values(d_y.size(), 0.0), Values(D, 0.0), Values(D, 0.0)};
  const double n = static_cast<double>(D);
  for (Index r = 0; r < rows; ++r)
    for (Index i = 0; i < D; ++i) {
      const Index at = r * D + i;
      g.d_weight[i] += d_y[at] * f.normalised[at];
      g.d_bias[i] += d_y[at];
      for (Index j = 0; j < D; ++j) {
        const double jacobian =
            (i == j ? 1.0 : 0.0) - (centered ? 1 / n : 0) - f.normalised[at] * f.normalised[r * D + j] / n;
        g.d_x[r * D + j] += d_y[at] * weight[i] * f.rstd[r] * jacobian;
      }
    }
  return g;
}

/// One head of d values at `position`, as complex numbers turned by position * theta^(-2i/d).
inline void rotate(double* head, Index d, Index position, double theta, bool interleaved, double direction = 1) {
  for (Index i = 0; i < d / 2; ++i) {
    double &a = interleaved ? head[2 * i] : head[i], &b = interleaved ? head[2 * i + 1] : head[i + d / 2];
    const double angle = direction * static_cast<double>(position) *
                         std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(d));
    const std::complex<double> turned = std::complex<double>(a, b) * std::polar(1.0, angle);
    a = turned.real();
    b = turned.imag();
  }
}

struct CrossEntropy {
  double loss = 0;
  Values lse, d_logits;
};
inline CrossEntropy cross_entropy(const Values& logits, const std::vector<std::int32_t>& targets, Index V,
                                  double scale) {
  CrossEntropy out;
  out.d_logits.assign(logits.size(), 0.0);
  for (Index t = 0; t < targets.size(); ++t) {
    double sum = 0;
    for (Index j = 0; j < V; ++j) sum += std::exp(logits[t * V + j]);
    out.lse.push_back(std::log(sum));
    if (targets[t] < 0) continue;
    const Index target = static_cast<Index>(targets[t]);
    out.loss -= std::log(std::exp(logits[t * V + target]) / sum);
    for (Index j = 0; j < V; ++j)
      out.d_logits[t * V + j] = scale * (std::exp(logits[t * V + j]) / sum - (j == target ? 1 : 0));
  }
  return out;
}

struct Attention {
  Values y, lse, d_qkv;
};
/// Forward, and backward of the loss sum(d_y * y), with the whole matrix of probabilities.
inline Attention attention(const Values& qkv, const Values& d_y, Index B, Index S, Index H, Index G, Index d) {
  const Index width = (H + 2 * G) * d;
  Attention out{Values(B * S * H * d, 0.0), Values(B * S * H, 0.0), Values(qkv.size(), 0.0)};
  const double scale = 1 / std::sqrt(static_cast<double>(d));
  for (Index b = 0; b < B; ++b)
    for (Index h = 0; h < H; ++h) {
      const Index g = h / (H / G);
      const auto q = [&](Index s, Index i) { return (b * S + s) * width + h * d + i; };
      const auto k = [&](Index s, Index i) { return (b * S + s) * width + (H + g) * d + i; };
      const auto v = [&](Index s, Index i) { return (b * S + s) * width + (H + G + g) * d + i; };
      for (Index t = 0; t < S; ++t) {
        Values p(t + 1), d_p(t + 1, 0.0);
        double sum = 0, mean = 0;
        for (Index s = 0; s <= t; ++s) {
          double score = 0;
          for (Index i = 0; i < d; ++i) score += qkv[q(t, i)] * qkv[k(s, i)];
          sum += p[s] = std::exp(scale * score);
        }
        out.lse[(b * S + t) * H + h] = std::log(sum);
        for (Index s = 0; s <= t; ++s) {
          p[s] /= sum;
          for (Index i = 0; i < d; ++i) {
            const Index at = ((b * S + t) * H + h) * d + i;
            out.y[at] += p[s] * qkv[v(s, i)];
            d_p[s] += d_y[at] * qkv[v(s, i)];
            out.d_qkv[v(s, i)] += p[s] * d_y[at];
          }
          mean += p[s] * d_p[s];
        }
        for (Index s = 0; s <= t; ++s)
          for (Index i = 0; i < d; ++i) {
            const double d_score = scale * p[s] * (d_p[s] - mean);
            out.d_qkv[q(t, i)] += d_score * qkv[k(s, i)];
            out.d_qkv[k(s, i)] += d_score * qkv[q(t, i)];
          }
      }
    }
  return out;
}

}  // namespace reference
