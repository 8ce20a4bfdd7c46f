// SPDX-License-Identifier: Apache-2.0
#include "minimoe/model/norm_layer.hpp"

#include "minimoe/core/profile.hpp"

namespace minimoe {

template <class T>
Norm<T>::Norm(NormKind kind, std::size_t width, double eps, MemoryResource* resource)
    : kind_(kind), eps_(eps), weight_(make_parameter<T, 1>({width}, resource)) {
  if (kind == NormKind::kLayerNorm) bias_ = make_parameter<T, 1>({width}, resource);
}

template <class T>
void Norm<T>::collect_parameters(const std::string& prefix, ParameterList<T>& list) {
  ParameterTraits ones;
  ones.init_value = 1;
  add_parameter(list, prefix + ".weight", weight_, ones);
  add_parameter(list, prefix + ".bias", bias_, {});
}

template <class T>
void Norm<T>::forward(Exec& exec, View<T, 2> y, View<T, 1> mean, View<T, 1> rstd, In<T, 2> x) const {
  const ProfileScope scope(exec, Pass::kForward, Operation::kNorm);
  if (kind_ == NormKind::kLayerNorm) {
    layer_norm_forward<T>(exec, y, mean, rstd, x, weight_.value, bias_.value, eps_);
  } else {
    rms_norm_forward<T>(exec, y, rstd, x, weight_.value, eps_);
  }
}

template <class T>
void Norm<T>::backward(Exec& exec, View<T, 2> d_x, In<T, 2> d_y, In<T, 2> x, In<T, 1> mean, In<T, 1> rstd) {
  const ProfileScope scope(exec, Pass::kBackward, Operation::kNorm);
  if (kind_ == NormKind::kLayerNorm) {
    layer_norm_backward<T>(exec, d_x, weight_.gradient, bias_.gradient, d_y, x, weight_.value, mean, rstd);
  } else {
    rms_norm_backward<T>(exec, d_x, weight_.gradient, d_y, x, weight_.value, rstd);
  }
}

template class Norm<float>;
template class Norm<double>;

}  // namespace minimoe
