// SPDX-License-Identifier: Apache-2.0
// Owning tensors (xtensor), the views that functions take, and the one place that knows where xtensor's headers are.
#pragma once

#if __has_include(<xtensor/containers/xtensor.hpp>)  // xtensor 0.26 moved its headers
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xtensor.hpp>
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <type_traits>
#include <utility>

#include "minimoe/core/error.hpp"

namespace minimoe {

/// Where tensors, arenas and file buffers get their bytes. A standard memory resource, so that a host can count them,
/// limit them or bring its own; null means std::pmr::get_default_resource() at the time of the call.
using MemoryResource = std::pmr::memory_resource;

inline constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector

/// Standard allocator over a MemoryResource; every allocation is aligned to kAlignment.
template <class T>
class AlignedAllocator {
 public:
  using value_type = T;

  AlignedAllocator(MemoryResource* resource = nullptr) noexcept
      : resource_(resource ? resource : std::pmr::get_default_resource()) {}
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>& other) noexcept : resource_(other.resource()) {}

  T* allocate(std::size_t n) { return static_cast<T*>(resource_->allocate(n * sizeof(T), kAlignment)); }
  void deallocate(T* p, std::size_t n) noexcept { resource_->deallocate(p, n * sizeof(T), kAlignment); }
  MemoryResource* resource() const noexcept { return resource_; }

  friend bool operator==(const AlignedAllocator& a, const AlignedAllocator& b) noexcept {
    return a.resource_ == b.resource_ || a.resource_->is_equal(*b.resource_);
  }

 private:
  MemoryResource* resource_;
};

/// Owning row-major tensor of fixed rank.
template <class T, std::size_t N>
using Tensor = xt::xtensor_container<xt::uvector<T, AlignedAllocator<T>>, N, xt::layout_type::row_major>;

/// Number of elements of `shape`. @throws Error(kInvalidArgument) when their bytes, or the strides of an empty shape,
/// cannot be addressed.
template <std::size_t N>
std::size_t element_count(const std::array<std::size_t, N>& shape, std::size_t element_size) {
  constexpr std::size_t kMaxBytes = static_cast<std::size_t>(-1) / 2;
  std::size_t span = 1;
  bool empty = false;
  for (const std::size_t extent : shape) {
    empty = empty || extent == 0;
    if (extent == 0) continue;
    require(span <= kMaxBytes / element_size / extent, "tensor: ", shape_string(shape), " of ", element_size,
            " bytes an element is more than memory can address");
    span *= extent;
  }
  return empty ? 0 : span;
}

/// A zero-filled tensor from `resource`.
template <class T, std::size_t N>
Tensor<T, N> make_tensor(const std::array<std::size_t, N>& shape, MemoryResource* resource = nullptr) {
  const std::size_t size = element_count(shape, sizeof(T));
  xt::uvector<T, AlignedAllocator<T>> storage(size, T{}, AlignedAllocator<T>(resource));
  typename Tensor<T, N>::inner_strides_type strides;
  xt::compute_strides(shape, xt::layout_type::row_major, strides);
  return Tensor<T, N>(std::move(storage), typename Tensor<T, N>::inner_shape_type(shape), std::move(strides));
}

/// Non-owning, contiguous, row-major view: a pointer and a shape. What every function of the library takes; a Tensor
/// converts to it. A default-constructed view is "absent" (false in a condition).
template <class T, std::size_t N>
class View {
 public:
  using Shape = std::array<std::size_t, N>;

  View() = default;
  View(T* data, const Shape& shape) : data_(data), shape_(shape) {}
  template <class U>
  requires std::is_same_v<std::remove_const_t<T>, U> View(Tensor<U, N>& tensor)
      : data_(tensor.data()), shape_(tensor.shape()) {}
  template <class U>
  requires(std::is_same_v<std::remove_const_t<T>, U>&& std::is_const_v<T>) View(const Tensor<U, N>& tensor)
      : data_(tensor.data()), shape_(tensor.shape()) {}
  template <class U>
  requires(std::is_same_v<const U, T> && !std::is_const_v<U>) View(const View<U, N>& other)
      : data_(other.data()), shape_(other.shape()) {}

  T* data() const { return data_; }
  const Shape& shape() const { return shape_; }
  std::size_t shape(std::size_t axis) const { return shape_[axis]; }
  std::size_t size() const {
    std::size_t n = 1;
    for (const std::size_t extent : shape_) n *= extent;
    return n;
  }
  explicit operator bool() const { return data_ != nullptr; }

  /// Element access, for cold code and tests; hot loops take row().
  template <class... Index>
  T& operator()(Index... index) const {
    static_assert(sizeof...(Index) == N);
    return data_[offset(index...)];
  }
  /// Pointer to the first element under the given leading indices.
  template <class... Index>
  T* row(Index... index) const {
    static_assert(sizeof...(Index) < N);
    std::size_t at = offset(index...);
    for (std::size_t axis = sizeof...(Index); axis < N; ++axis) at *= shape_[axis];
    return data_ + at;
  }
  /// The sub-view of rows [begin, end) along the first axis.
  View rows(std::size_t begin, std::size_t end) const {
    Shape shape = shape_;
    shape[0] = end - begin;
    return View(data_ ? row_start(begin) : nullptr, shape);
  }
  /// The same elements under another shape of equal size.
  template <std::size_t M>
  View<T, M> reshape(const std::array<std::size_t, M>& shape) const {
    View<T, M> view(data_, shape);
    require(view.size() == size(), "view.reshape: ", shape_string(shape_), " does not hold ", shape_string(shape));
    return view;
  }
  View<T, 1> flat() const { return View<T, 1>(data_, {size()}); }

 private:
  template <class... Index>
  std::size_t offset(Index... index) const {
    std::size_t at = 0, axis = 0;
    ((at = at * shape_[axis++] + static_cast<std::size_t>(index)), ...);
    return at;
  }
  T* row_start(std::size_t i) const {
    for (std::size_t axis = 1; axis < N; ++axis) i *= shape_[axis];
    return data_ + i;
  }

  T* data_ = nullptr;
  Shape shape_{};
};

/// An input of a function templated on T: never takes part in deducing T, so tensors and mutable views convert.
template <class T, std::size_t N>
using In = View<const std::type_identity_t<T>, N>;

/// An optional output: likewise, and `{}` means "not wanted".
template <class T, std::size_t N>
using OptionalOut = View<std::type_identity_t<T>, N>;

/// Throws unless `view` has exactly `expected` as its shape: `linear_forward: y_TN is [2, 3], expected [2, 4]`.
template <class T, std::size_t N>
void check_shape(const char* where, const char* what, const View<T, N>& view,
                 const std::array<std::size_t, N>& expected) {
  if (view.shape() == expected) return;
  throw Error(ErrorCode::kShape,
              concat(where, ": ", what, " is ", shape_string(view.shape()), ", expected ", shape_string(expected)));
}

}  // namespace minimoe
