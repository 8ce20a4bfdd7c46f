// SPDX-License-Identifier: Apache-2.0
/// @file minimoe.hpp
/// The C interface (minimoe.h) as C++17 classes: handles end themselves, a status other than MINIMOE_OK is thrown as
/// Error, buffers have the right size. Header only, and nothing but the standard library and minimoe.h. What a function
/// means stands at the C function of the same name; here stands what C++ adds.
///
/// Copies of Dataset, Model, MoELayer and CancelToken share one handle; Trainer and MoECache only move. An object that
/// was moved from may be assigned to or destroyed; other calls on it throw. What fails leaves every object as it was,
/// with the exceptions that minimoe.h names; memory of the caller's side (a result's vector) that cannot be had is
/// std::bad_alloc. Threads and processes: as minimoe.h says for the handle.
///
/// The first call of a process checks that header and library fit together, and throws MINIMOE_E_VERSION if not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "minimoe.h"

namespace minimoe::capi {
// Inline, so that a program may link parts that were compiled against different versions of this header, and the
// library's own names when it is linked statically.
inline namespace v0 {

using StepMetrics = minimoe_step_metrics;
using Evaluation = minimoe_evaluation;
using TensorView = minimoe_tensor_view;
using RoutingMetrics = minimoe_routing_metrics;

/// A call that did not succeed.
class Error : public std::runtime_error {
 public:
  Error(minimoe_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  /// A MINIMOE_E_ code.
  minimoe_status status() const noexcept { return status_; }
  /// "MINIMOE_E_BUSY"
  const char* status_name() const noexcept { return minimoe_status_name(status_); }

 private:
  minimoe_status status_;
};

/// Pointer and count of elements that belong to someone else; made from a std::vector, std::array, C++20's std::span or
/// whatever else has data() and size(). A parameter type: the elements are borrowed for the call.
template <class T>
class Span {
 public:
  constexpr Span() noexcept = default;
  constexpr Span(T* data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <class Container, class Element = std::remove_pointer_t<decltype(std::declval<Container&>().data())>,
            class = decltype(std::declval<Container&>().size()),
            class = std::enable_if_t<std::is_convertible_v<Element (*)[], T (*)[]>>>
  constexpr Span(Container&& container) noexcept : data_(container.data()), size_(container.size()) {}
  constexpr T* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// What the classes are made of; no part of the interface.
namespace detail {

// The first 1,024 bytes hold almost every document that the library writes.
constexpr std::size_t kFirstTextSize = 1024;

inline void require_version() {
  static const bool checked = [] {
    minimoe_error err;
    err.message[0] = '\0';
    const minimoe_status status = minimoe_check_version(MINIMOE_VERSION_NUMBER, &err);
    if (status != MINIMOE_OK) throw Error(status, err.message);
    return true;
  }();
  static_cast<void>(checked);
}

// call(err)
template <class Call>
void require_ok(Call&& call) {
  require_version();
  minimoe_error err;
  err.message[0] = '\0';
  const minimoe_status status = call(&err);
  if (status != MINIMOE_OK) throw Error(status, err.message);
}

// fill(values, cap, needed, err), with `out` grown until everything fits.
template <class Container, class Fill>
void fill_growing(Container& out, Fill&& fill) {
  require_version();
  for (;;) {
    std::size_t needed = 0;
    minimoe_error err;
    err.message[0] = '\0';
    const minimoe_status status = fill(out.data(), out.size(), &needed, &err);
    if (status != MINIMOE_OK && (status != MINIMOE_E_BUFFER_TOO_SMALL || needed <= out.size())) {
      throw Error(status, err.message);
    }
    out.resize(needed);
    if (status == MINIMOE_OK) return;
  }
}

template <class Fill>
std::string text(Fill&& fill) {
  std::string out(kFirstTextSize, '\0');
  fill_growing(out, fill);
  if (!out.empty()) out.pop_back();  // the final NUL
  return out;
}

// @param expected  when the caller knows it, the first call succeeds
template <class T, class Fill>
std::vector<T> array(std::size_t expected, Fill&& fill) {
  std::vector<T> out(expected);
  fill_growing(out, fill);
  return out;
}

// A NUL inside would silently cut the name.
inline const char* c_text(const std::string& text, const char* what) {
  if (text.find('\0') == std::string::npos) return text.c_str();
  throw Error(MINIMOE_E_INVALID_ARGUMENT, std::string(what) + ": holds a NUL byte");
}

template <class Handle, void (*Free)(Handle*)>
struct Deleter {
  void operator()(Handle* handle) const noexcept { Free(handle); }
};

// One owner of a handle; a copy is another.
template <class Handle, minimoe_status (*Retain)(Handle*, minimoe_error*), void (*Free)(Handle*)>
class Shared {
 public:
  Shared() noexcept = default;
  explicit Shared(Handle* handle) noexcept : handle_(handle) {}
  Shared(const Shared& other) {
    if (!other.handle_) return;
    require_ok([&](minimoe_error* err) { return Retain(other.handle_.get(), err); });
    handle_.reset(other.handle_.get());
  }
  Shared(Shared&&) noexcept = default;
  Shared& operator=(const Shared& other) {
    Shared copy(other);
    handle_.swap(copy.handle_);
    return *this;
  }
  Shared& operator=(Shared&&) noexcept = default;
  ~Shared() = default;
  Handle* get() const noexcept { return handle_.get(); }

 private:
  std::unique_ptr<Handle, Deleter<Handle, Free>> handle_;
};

// create(out, err)
template <class Handle, class Create>
Handle* create(Create&& call) {
  Handle* handle = nullptr;
  require_ok([&](minimoe_error* err) { return call(&handle, err); });
  return handle;
}

}  // namespace detail

// ---------------------------------------------------------------------------------------------- version and build

inline std::int32_t version_number() noexcept { return minimoe_version_number(); }
inline std::string version_string() { return minimoe_version_string(); }
inline const char* status_name(std::int32_t code) noexcept { return minimoe_status_name(code); }
/// Throws MINIMOE_E_VERSION unless the running library serves this header. Every other call checks it too, once.
inline void check_version() { detail::require_version(); }
inline std::string build_info() { return detail::text(minimoe_build_info); }

// -------------------------------------------------------------------------------------------------------- options

/// How a handle computes, where its memory comes from and whom it tells:
/// `Options().num_threads(2).instruction_set(MINIMOE_INSTRUCTIONS_AVX2)`.
class Options {
 public:
  Options() {
    detail::require_ok([&](minimoe_error* err) { return minimoe_options_init(&options_, sizeof options_, err); });
  }
  Options& num_threads(std::int32_t count) noexcept { return options_.num_threads = count, *this; }
  /// MINIMOE_INSTRUCTIONS_
  Options& instruction_set(std::int32_t set) noexcept { return options_.instruction_set = set, *this; }
  /// MINIMOE_MATMUL_
  Options& matmul_backend(std::int32_t backend) noexcept { return options_.matmul_backend = backend, *this; }
  /// Both must stay callable, and must not throw, until the last handle made with them is gone.
  Options& allocator(minimoe_allocate_fn allocate, minimoe_deallocate_fn deallocate, void* user_data) noexcept {
    options_.allocate = allocate;
    options_.deallocate = deallocate;
    options_.allocator_user_data = user_data;
    return *this;
  }
  /// `sink` must stay callable, and must not throw, until the last handle made with it is gone.
  Options& log(minimoe_log_fn sink, void* user_data, std::int32_t level = 0) noexcept {
    options_.log = sink;
    options_.log_user_data = user_data;
    options_.log_level = level;
    return *this;
  }
  const minimoe_options* get() const noexcept { return &options_; }

 private:
  minimoe_options options_;
};

// -------------------------------------------------------------------------------------------------- configuration

inline std::string config_preset(const std::string& name) {
  const char* c_name = detail::c_text(name, "config_preset: name");
  return detail::text([&](auto... out) { return minimoe_config_preset(c_name, out...); });
}
inline std::string config_resolve(std::string_view json) {
  return detail::text([&](auto... out) { return minimoe_config_resolve(json.data(), json.size(), out...); });
}
inline std::string config_keys() { return detail::text(minimoe_config_keys); }
inline std::string config_cost(std::string_view json) {
  return detail::text([&](auto... out) { return minimoe_config_cost(json.data(), json.size(), out...); });
}
inline std::string config_estimate_memory(std::string_view json, const Options& options = {}) {
  return detail::text(
      [&](auto... out) { return minimoe_config_estimate_memory(json.data(), json.size(), options.get(), out...); });
}
/// Named ways to break a router, with their configurations and texts.
inline std::string config_breaks() { return detail::text(minimoe_config_breaks); }
/// {"step", "config"} of a checkpoint or saved model.
inline std::string checkpoint_info(const std::string& path) {
  const char* c_path = detail::c_text(path, "checkpoint_info: path");
  return detail::text([&](auto... out) { return minimoe_checkpoint_info(c_path, out...); });
}
/// Judges the routers of a log: one JSON object a line.
inline std::string health_check(std::string_view log, std::string_view json = {}) {
  return detail::text(
      [&](auto... out) { return minimoe_health_check(log.data(), log.size(), json.data(), json.size(), out...); });
}
/// What a load vector says about balance.
inline std::string load_statistics(Span<const std::int64_t> load, std::size_t top_k) {
  return detail::text([&](auto... out) { return minimoe_load_statistics(load.data(), load.size(), top_k, out...); });
}

// --------------------------------------------------------------------------------------------- routing laboratory

/// What a break showed, from the finished runs of each seed.
inline std::string break_findings(std::string_view json) {
  return detail::text([&](auto... out) { return minimoe_break_findings(json.data(), json.size(), out...); });
}
/// What a finished run showed, window by window.
inline std::string run_findings(std::string_view json) {
  return detail::text([&](auto... out) { return minimoe_run_findings(json.data(), json.size(), out...); });
}
/// A configuration balanced in each of the ways that `kinds` names: "none,aux,seq-aux,bias,bias+aux".
inline std::string config_balancers(std::string_view json, const std::string& kinds) {
  const char* c_kinds = detail::c_text(kinds, "config_balancers: kinds");
  return detail::text([&](auto... out) { return minimoe_config_balancers(json.data(), json.size(), c_kinds, out...); });
}
/// The four models of a comparison of MoE with dense.
inline std::string config_variants(std::string_view json) {
  return detail::text([&](auto... out) { return minimoe_config_variants(json.data(), json.size(), out...); });
}
/// Adopt, never or defer, from the figures of each seed.
inline std::string compare_verdict(std::string_view json) {
  return detail::text([&](auto... out) { return minimoe_compare_verdict(json.data(), json.size(), out...); });
}
/// findings.md of a comparison, from its manifest.json.
inline std::string compare_findings(std::string_view manifest) {
  return detail::text([&](auto... out) { return minimoe_compare_findings(manifest.data(), manifest.size(), out...); });
}

// --------------------------------------------------------------------------------------------------------- cancel

/// Stops calls that were given it; fired from any thread or a signal handler, and stays fired. Copies are one token.
class CancelToken {
 public:
  CancelToken() : handle_(detail::create<minimoe_cancel_token>(minimoe_cancel_token_create)) {}
  /// Safe inside a signal handler.
  void fire() const noexcept { minimoe_cancel_token_fire(handle(), nullptr); }
  bool fired() const {
    std::int32_t fired = 0;
    detail::require_ok([&](minimoe_error* err) { return minimoe_cancel_token_fired(handle(), &fired, err); });
    return fired != 0;
  }
  minimoe_cancel_token* handle() const noexcept { return handle_.get(); }

 private:
  detail::Shared<minimoe_cancel_token, minimoe_cancel_token_retain, minimoe_cancel_token_free> handle_;
};

namespace detail {
inline minimoe_cancel_token* handle_of(const CancelToken* cancel) noexcept {
  return cancel ? cancel->handle() : nullptr;
}
}  // namespace detail

// -------------------------------------------------------------------------------------------------------- dataset

struct Window {
  std::vector<std::int32_t> tokens;   ///< seq_len + 1
  std::vector<std::uint8_t> classes;  ///< as many, or none
};

/// Where tokens come from. Copies are one dataset.
class Dataset {
 public:
  /// Opens what the "data" part of a configuration names.
  static Dataset open(std::string_view json, const Options& options = {}) {
    return Dataset(detail::create<minimoe_dataset>([&](minimoe_dataset** out, minimoe_error* err) {
      return minimoe_dataset_open(json.data(), json.size(), options.get(), out, err);
    }));
  }
  /// An empty dataset in memory, for append.
  static Dataset create(std::string_view json, const Options& options = {}) {
    return Dataset(detail::create<minimoe_dataset>([&](minimoe_dataset** out, minimoe_error* err) {
      return minimoe_dataset_create(json.data(), json.size(), options.get(), out, err);
    }));
  }
  /// Over vectors that the dataset keeps alive: no copy. They must not change.
  static Dataset borrow(std::string_view json, std::shared_ptr<const std::vector<std::int32_t>> tokens,
                        std::shared_ptr<const std::vector<std::uint8_t>> classes = nullptr) {
    return borrow_shared(minimoe_dataset_borrow_i32, json, std::move(tokens), std::move(classes));
  }
  static Dataset borrow(std::string_view json, std::shared_ptr<const std::vector<std::uint16_t>> tokens,
                        std::shared_ptr<const std::vector<std::uint8_t>> classes = nullptr) {
    return borrow_shared(minimoe_dataset_borrow_u16, json, std::move(tokens), std::move(classes));
  }
  /// Over arrays that must stay, unchanged, until `release` (may be null) is called with `user_data`.
  static Dataset borrow(std::string_view json, Span<const std::int32_t> tokens, Span<const std::uint8_t> classes,
                        minimoe_release_fn release, void* user_data) {
    return borrow_span(minimoe_dataset_borrow_i32, json, tokens, classes, release, user_data);
  }
  static Dataset borrow(std::string_view json, Span<const std::uint16_t> tokens, Span<const std::uint8_t> classes,
                        minimoe_release_fn release, void* user_data) {
    return borrow_span(minimoe_dataset_borrow_u16, json, tokens, classes, release, user_data);
  }

  void append(Span<const std::int32_t> tokens, Span<const std::uint8_t> classes = {}) {
    detail::require_ok([&](minimoe_error* err) {
      return minimoe_dataset_append_i32(handle(), tokens.data(), tokens.size(), classes.data(), classes.size(), err);
    });
  }
  void append(Span<const std::uint16_t> tokens, Span<const std::uint8_t> classes = {}) {
    detail::require_ok([&](minimoe_error* err) {
      return minimoe_dataset_append_u16(handle(), tokens.data(), tokens.size(), classes.data(), classes.size(), err);
    });
  }

  std::string info() const {
    return detail::text([&](auto... out) { return minimoe_dataset_info(handle(), out...); });
  }
  std::string fit_config(std::string_view json) const {
    return detail::text(
        [&](auto... out) { return minimoe_dataset_fit_config(handle(), json.data(), json.size(), out...); });
  }
  /// The alphabet as a tokenizer.json of Hugging Face's tokenizers.
  std::string tokenizer() const {
    return detail::text([&](auto... out) { return minimoe_dataset_tokenizer(handle(), out...); });
  }
  std::vector<std::int32_t> encode(std::string_view text) const {
    return detail::array<std::int32_t>(
        text.size(), [&](auto... out) { return minimoe_dataset_encode(handle(), text.data(), text.size(), out...); });
  }
  std::string decode(Span<const std::int32_t> tokens) const {
    return detail::text(
        [&](auto... out) { return minimoe_dataset_decode(handle(), tokens.data(), tokens.size(), out...); });
  }
  std::uint64_t num_windows(const std::string& split, std::size_t seq_len) const {
    std::uint64_t count = 0;
    const char* c_split = detail::c_text(split, "num_windows: split");
    detail::require_ok(
        [&](minimoe_error* err) { return minimoe_dataset_num_windows(handle(), c_split, seq_len, &count, err); });
    return count;
  }
  Window window(const std::string& split, std::uint64_t seed, std::uint64_t index, std::size_t seq_len) const {
    const char* c_split = detail::c_text(split, "window: split");
    Window window;
    detail::fill_growing(window.tokens,
                         [&](std::int32_t* ids, std::size_t ids_cap, std::size_t* ids_needed, auto* err) {
                           std::size_t num_classes = 0;
                           const minimoe_status status =
                               minimoe_dataset_window(handle(), c_split, seed, index, seq_len, ids, ids_cap, ids_needed,
                                                      window.classes.data(), window.classes.size(), &num_classes, err);
                           if (status == MINIMOE_OK || status == MINIMOE_E_BUFFER_TOO_SMALL)
                             window.classes.resize(num_classes);
                           return status;
                         });
    return window;
  }
  /// JSON; none when the dataset is not made of sentences.
  std::optional<std::string> sentence(const std::string& split, std::uint64_t seed, std::uint64_t index) const {
    const char* c_split = detail::c_text(split, "sentence: split");
    return unless_unsupported([&] {
      return detail::text(
          [&](auto... out) { return minimoe_dataset_sentence(handle(), c_split, seed, index, out...); });
    });
  }
  /// Nats a token; none where the true distribution is not known.
  std::optional<double> entropy_floor(const std::string& split, std::size_t seq_len,
                                      std::uint64_t num_windows = 0) const {
    const char* c_split = detail::c_text(split, "entropy_floor: split");
    return unless_unsupported([&] {
      double floor = 0;
      detail::require_ok([&](minimoe_error* err) {
        return minimoe_dataset_entropy_floor(handle(), c_split, seq_len, num_windows, &floor, err);
      });
      return floor;
    });
  }
  minimoe_dataset* handle() const noexcept { return handle_.get(); }

 private:
  explicit Dataset(minimoe_dataset* handle) noexcept : handle_(handle) {}

  template <class Call>
  static auto unless_unsupported(Call&& call) -> std::optional<decltype(call())> {
    try {
      return call();
    } catch (const Error& error) {
      if (error.status() != MINIMOE_E_UNSUPPORTED) throw;
      return std::nullopt;
    }
  }

  template <class Borrow, class Tokens>
  static Dataset borrow_span(Borrow&& call, std::string_view json, Tokens tokens, Span<const std::uint8_t> classes,
                             minimoe_release_fn release, void* user_data) {
    return Dataset(detail::create<minimoe_dataset>([&](minimoe_dataset** out, minimoe_error* err) {
      return call(json.data(), json.size(), tokens.data(), tokens.size(), classes.data(), classes.size(), release,
                  user_data, out, err);
    }));
  }

  template <class Borrow, class Tokens>
  static Dataset borrow_shared(Borrow&& call, std::string_view json, std::shared_ptr<const std::vector<Tokens>> tokens,
                               std::shared_ptr<const std::vector<std::uint8_t>> classes) {
    using Owner = std::pair<decltype(tokens), decltype(classes)>;
    auto owner = std::make_unique<Owner>(std::move(tokens), std::move(classes));
    const Span<const Tokens> token_span = owner->first ? Span<const Tokens>(*owner->first) : Span<const Tokens>();
    const Span<const std::uint8_t> class_span =
        owner->second ? Span<const std::uint8_t>(*owner->second) : Span<const std::uint8_t>();
    Dataset dataset = borrow_span(
        call, json, token_span, class_span, [](void* data) { delete static_cast<Owner*>(data); }, owner.get());
    owner.release();
    return dataset;
  }

  detail::Shared<minimoe_dataset, minimoe_dataset_retain, minimoe_dataset_free> handle_;
};

// ---------------------------------------------------------------------------------------------------------- model

/// Of L MoE layers, T tokens and K experts a token; each [L, T, K].
struct RoutingTrace {
  std::vector<std::int32_t> experts;  ///< by descending score; -1: padding
  std::vector<float> weights;
  std::vector<std::uint8_t> kept;  ///< 0: dropped by capacity
};

class TokenStream;

/// A language model. Copies are one model.
class Model {
 public:
  /// With the start values of train.seed.
  explicit Model(std::string_view json, const Options& options = {})
      : Model(detail::create<minimoe_model>([&](minimoe_model** out, minimoe_error* err) {
          return minimoe_model_create(json.data(), json.size(), options.get(), out, err);
        })) {}
  /// From a file of save, or of Trainer::save.
  static Model load(const std::string& path, const Options& options = {}) {
    const char* c_path = detail::c_text(path, "load: path");
    return Model(detail::create<minimoe_model>(
        [&](minimoe_model** out, minimoe_error* err) { return minimoe_model_load(c_path, options.get(), out, err); }));
  }

  /// From a directory of Hugging Face's transformers.
  static Model import_from(const std::string& path, const Options& options = {}) {
    const char* c_path = detail::c_text(path, "import_from: path");
    return Model(detail::create<minimoe_model>([&](minimoe_model** out, minimoe_error* err) {
      return minimoe_model_import(c_path, options.get(), out, err);
    }));
  }
  /// A new model whose experts are copies of this dense one's feed-forward networks.
  Model upcycle(std::string_view json = "{}", const Options& options = {}) const {
    return Model(detail::create<minimoe_model>([&](minimoe_model** out, minimoe_error* err) {
      return minimoe_model_upcycle(handle(), json.data(), json.size(), options.get(), out, err);
    }));
  }
  /// Writes a directory of Hugging Face's transformers; with {"format": "gguf"} a file for llama.cpp.
  void export_to(const std::string& path, std::string_view json = "{}") const {
    const char* c_path = detail::c_text(path, "export_to: path");
    detail::require_ok(
        [&](minimoe_error* err) { return minimoe_model_export(handle(), json.data(), json.size(), c_path, err); });
  }
  /// Writes logits, loss and, asked for, routing and gradients as a safetensors file.
  void write_logits(Span<const std::int32_t> tokens, std::size_t seq_len, const std::string& path,
                    std::string_view json = "{}") const {
    const char* c_path = detail::c_text(path, "write_logits: path");
    detail::require_ok([&](minimoe_error* err) {
      return minimoe_model_write_logits(handle(), tokens.data(), tokens.size(), seq_len, json.data(), json.size(),
                                        c_path, err);
    });
  }

  std::string config() const {
    return detail::text([&](auto... out) { return minimoe_model_config(handle(), out...); });
  }
  std::string info() const {
    return detail::text([&](auto... out) { return minimoe_model_info(handle(), out...); });
  }

  /// Logits [B * seq_len, V]. @param valid [B * seq_len], 0 marks padding; empty: none
  std::vector<float> forward(Span<const std::int32_t> tokens, std::size_t seq_len,
                             Span<const std::uint8_t> valid = {}) const {
    return detail::array<float>(0, [&](auto... out) {
      return minimoe_model_forward(handle(), tokens.data(), tokens.size(), valid.data(), valid.size(), seq_len, out...);
    });
  }
  /// The same into memory of the caller's. @return the number of logits.
  std::size_t forward_into(Span<float> logits, Span<const std::int32_t> tokens, std::size_t seq_len,
                           Span<const std::uint8_t> valid = {}) const {
    std::size_t needed = 0;
    detail::require_ok([&](minimoe_error* err) {
      return minimoe_model_forward(handle(), tokens.data(), tokens.size(), valid.data(), valid.size(), seq_len,
                                   logits.data(), logits.size(), &needed, err);
    });
    return needed;
  }
  /// The new tokens.
  std::vector<std::int32_t> generate(Span<const std::int32_t> prompt, std::string_view json = "{}",
                                     const CancelToken* cancel = nullptr) const {
    return detail::array<std::int32_t>(0, [&](auto... out) {
      return minimoe_model_generate(handle(), prompt.data(), prompt.size(), json.data(), json.size(),
                                    detail::handle_of(cancel), out...);
    });
  }
  /// The same tokens, one at a time; but unless `json` has "when_full": "slide", the text ends with token
  /// max_seq_len + 1, and a longer prompt than max_seq_len is refused.
  TokenStream stream(Span<const std::int32_t> prompt, std::string_view json = "{}") const;
  std::string answer_probes(const Dataset& dataset, const std::string& split, std::size_t max_count,
                            const CancelToken* cancel = nullptr) const {
    const char* c_split = detail::c_text(split, "answer_probes: split");
    return detail::text([&](auto... out) {
      return minimoe_model_answer_probes(handle(), dataset.handle(), c_split, max_count, detail::handle_of(cancel),
                                         out...);
    });
  }

  std::size_t num_parameters() const {
    std::size_t count = 0;
    detail::require_ok([&](minimoe_error* err) { return minimoe_model_num_parameters(handle(), &count, err); });
    return count;
  }
  std::string parameter_info(std::size_t index) const {
    return detail::text([&](auto... out) { return minimoe_model_parameter_info(handle(), index, out...); });
  }
  std::vector<float> parameter(const std::string& name) const {
    const char* c_name = detail::c_text(name, "parameter: name");
    return detail::array<float>(0, [&](auto... out) { return minimoe_model_parameter_get(handle(), c_name, out...); });
  }
  void set_parameter(const std::string& name, Span<const float> values) {
    const char* c_name = detail::c_text(name, "set_parameter: name");
    detail::require_ok([&](minimoe_error* err) {
      return minimoe_model_parameter_set(handle(), c_name, values.data(), values.size(), err);
    });
  }
  /// Valid as long as some copy of this model.
  TensorView parameter_view(const std::string& name) const {
    const char* c_name = detail::c_text(name, "parameter_view: name");
    TensorView view = {};
    detail::require_ok(
        [&](minimoe_error* err) { return minimoe_model_parameter_view(handle(), c_name, &view, sizeof view, err); });
    return view;
  }
  std::uint64_t generation() const {
    std::uint64_t generation = 0;
    detail::require_ok([&](minimoe_error* err) { return minimoe_model_generation(handle(), &generation, err); });
    return generation;
  }

  /// Where every token is sent. @param valid [B * seq_len], 0 marks padding; empty: none
  RoutingTrace routing_trace(Span<const std::int32_t> tokens, std::size_t seq_len,
                             Span<const std::uint8_t> valid = {}) const {
    RoutingTrace trace;
    detail::fill_growing(trace.experts, [&](std::int32_t* ids, std::size_t ids_cap, std::size_t* needed, auto* err) {
      trace.weights.resize(ids_cap);
      trace.kept.resize(ids_cap);
      return minimoe_model_routing_trace(handle(), tokens.data(), tokens.size(), valid.data(), valid.size(), seq_len,
                                         ids, ids_cap, needed, trace.weights.data(), ids_cap, nullptr,
                                         trace.kept.data(), ids_cap, nullptr, err);
    });
    return trace;
  }
  /// What the experts divide by, as JSON.
  std::string specialisation(const Dataset& dataset, const std::string& split, std::string_view json = "{}",
                             const CancelToken* cancel = nullptr) const {
    const char* c_split = detail::c_text(split, "specialisation: split");
    return detail::text([&](auto... out) {
      return minimoe_model_specialisation(handle(), dataset.handle(), c_split, json.data(), json.size(),
                                          detail::handle_of(cancel), out...);
    });
  }

  /// What the routers of a directory of Hugging Face's transformers do, one block in memory at a time, as JSON.
  static std::string analyze_hf(const std::string& path, const Dataset& dataset, const std::string& split,
                                std::string_view json = "{}", const Options& options = {},
                                const CancelToken* cancel = nullptr) {
    const char* c_path = detail::c_text(path, "analyze_hf: path");
    const char* c_split = detail::c_text(split, "analyze_hf: split");
    return detail::text([&](auto... out) {
      return minimoe_hf_analyze(dataset.handle(), c_path, c_split, json.data(), json.size(), options.get(),
                                detail::handle_of(cancel), out...);
    });
  }

  /// What the capacity limit costs, as JSON.
  std::string capacity_report(const Dataset& dataset, const std::string& split, std::string_view json = "{}",
                              const CancelToken* cancel = nullptr) const {
    const char* c_split = detail::c_text(split, "capacity_report: split");
    return detail::text([&](auto... out) {
      return minimoe_model_capacity_report(handle(), dataset.handle(), c_split, json.data(), json.size(),
                                           detail::handle_of(cancel), out...);
    });
  }

  void save(const std::string& path) const {
    const char* c_path = detail::c_text(path, "save: path");
    detail::require_ok([&](minimoe_error* err) { return minimoe_model_save(handle(), c_path, err); });
  }
  void load_weights(const std::string& path) {
    const char* c_path = detail::c_text(path, "load_weights: path");
    detail::require_ok([&](minimoe_error* err) { return minimoe_model_load_weights(handle(), c_path, err); });
  }
  minimoe_model* handle() const noexcept { return handle_.get(); }

 private:
  explicit Model(minimoe_model* handle) noexcept : handle_(handle) {}
  detail::Shared<minimoe_model, minimoe_model_retain, minimoe_model_free> handle_;
};

/// A continuation that is pulled, token by token. Keeps its model alive.
class TokenStream {
 public:
  TokenStream(const Model& model, Span<const std::int32_t> prompt, std::string_view json = "{}")
      : handle_(detail::create<minimoe_token_stream>([&](minimoe_token_stream** out, minimoe_error* err) {
          return minimoe_token_stream_create(model.handle(), prompt.data(), prompt.size(), json.data(), json.size(),
                                             out, err);
        })) {}

  /// The next token; none when the text has ended.
  std::optional<std::int32_t> next(const CancelToken* cancel = nullptr) {
    std::int32_t id = -1;
    detail::require_ok(
        [&](minimoe_error* err) { return minimoe_token_stream_next(handle(), detail::handle_of(cancel), &id, err); });
    return id < 0 ? std::nullopt : std::optional<std::int32_t>(id);
  }
  /// Drawn so far, without the prompt.
  std::vector<std::int32_t> tokens() const {
    return detail::array<std::int32_t>(0, [&](auto... out) { return minimoe_token_stream_tokens(handle(), out...); });
  }
  /// Those that the last token was drawn from, [V]; none before the first and after a failure.
  std::vector<float> logits() const {
    return detail::array<float>(0, [&](auto... out) { return minimoe_token_stream_logits(handle(), out...); });
  }
  std::string info() const {
    return detail::text([&](auto... out) { return minimoe_token_stream_info(handle(), out...); });
  }
  minimoe_token_stream* handle() const noexcept { return handle_.get(); }

 private:
  std::unique_ptr<minimoe_token_stream, detail::Deleter<minimoe_token_stream, minimoe_token_stream_free>> handle_;
};

inline TokenStream Model::stream(Span<const std::int32_t> prompt, std::string_view json) const {
  return TokenStream(*this, prompt, json);
}

// -------------------------------------------------------------------------------------------------------- trainer

/// What Trainer::steps did: the completed steps, and why there are no more.
struct StepsResult {
  std::vector<StepMetrics> metrics;  ///< one entry a completed step, whatever `status` is
  /// MINIMOE_OK: all that were asked for, or the schedule ended. MINIMOE_E_CANCELLED, MINIMOE_E_NON_FINITE, ...: the
  /// next step was broken off and left no trace; the trainer can go on or be saved.
  minimoe_status status = MINIMOE_OK;
  std::string message;  ///< empty with MINIMOE_OK

  bool ok() const noexcept { return status == MINIMOE_OK; }
  bool cancelled() const noexcept { return status == MINIMOE_E_CANCELLED; }
  /// Throws what broke a step off, as Error; being cancelled is no failure. @return itself.
  const StepsResult& throw_if_failed() const& {
    if (!ok() && !cancelled()) throw Error(status, message);
    return *this;
  }
  StepsResult throw_if_failed() && {
    if (!ok() && !cancelled()) throw Error(status, message);
    return std::move(*this);
  }
};

/// Trains its model on its dataset; keeps both alive.
class Trainer {
 public:
  Trainer(const Model& model, const Dataset& dataset, std::string_view json)
      : handle_(detail::create<minimoe_trainer>([&](minimoe_trainer** out, minimoe_error* err) {
          return minimoe_trainer_create(model.handle(), dataset.handle(), json.data(), json.size(), out, err);
        })) {}

  std::string config() const {
    return detail::text([&](auto... out) { return minimoe_trainer_config(handle(), out...); });
  }
  /// Completed steps.
  std::int64_t step() const {
    std::int64_t step = 0;
    detail::require_ok([&](minimoe_error* err) { return minimoe_trainer_step(handle(), &step, err); });
    return step;
  }

  /// At most `max_steps` steps. No completed step is ever lost: once there is one, what ends the training is reported
  /// in the result and not thrown. So are, before the first step, cancellation, a value that is not finite and lack of
  /// memory. Where these are errors: `trainer.steps(10).throw_if_failed().metrics`.
  /// @throws Error when the call is refused (a bad argument, MINIMOE_E_BUSY, MINIMOE_E_FORKED): nothing was trained.
  [[nodiscard]] StepsResult steps(std::int64_t max_steps, const CancelToken* cancel = nullptr) {
    detail::require_version();
    StepsResult result;
    do {
      const std::size_t done = result.metrics.size();
      const std::int64_t left = max_steps - static_cast<std::int64_t>(done);
      const std::int64_t chunk = left < kMaxChunk ? left : kMaxChunk;
      const std::size_t cap = chunk > 0 ? static_cast<std::size_t>(chunk) : 0;
      if (!make_room(result, cap)) return result;
      std::size_t count = 0;
      minimoe_error err;
      err.message[0] = '\0';
      const minimoe_status status =
          minimoe_trainer_steps(handle(), chunk, detail::handle_of(cancel), cap == 0 ? nullptr : &result.metrics[done],
                                sizeof(StepMetrics), cap, &count, &err);
      result.metrics.resize(done + count);
      if (status != MINIMOE_OK) {
        if (result.metrics.empty() && is_refusal(status)) throw Error(status, err.message);
        report(result, status, err.message);
        return result;
      }
      if (count < cap) return result;  // the schedule has ended
    } while (static_cast<std::int64_t>(result.metrics.size()) < max_steps);
    return result;
  }

  /// @param max_windows 0: all of the split
  Evaluation evaluate(const std::string& split, std::uint64_t max_windows = 0, const CancelToken* cancel = nullptr) {
    const char* c_split = detail::c_text(split, "evaluate: split");
    Evaluation evaluation = {};
    detail::require_ok([&](minimoe_error* err) {
      return minimoe_trainer_evaluate(handle(), c_split, max_windows, detail::handle_of(cancel), &evaluation,
                                      sizeof evaluation, err);
    });
    return evaluation;
  }
  /// @param source MINIMOE_ROUTING_
  std::string routing(std::int32_t source = MINIMOE_ROUTING_STEP) const {
    return detail::text([&](auto... out) { return minimoe_trainer_routing(handle(), source, out...); });
  }
  /// @param layer 0 is the first MoE layer
  std::vector<std::int64_t> expert_loads(std::size_t layer, std::int32_t source = MINIMOE_ROUTING_STEP) const {
    return detail::array<std::int64_t>(
        0, [&](auto... out) { return minimoe_trainer_expert_loads(handle(), source, layer, out...); });
  }

  /// Begins to add up where the time of steps goes, from nothing, or ends it.
  void set_profile(bool enabled) {
    detail::require_ok([&](minimoe_error* err) { return minimoe_trainer_set_profile(handle(), enabled ? 1 : 0, err); });
  }
  /// {"num_steps", "ms", "flops", "operations": [{"operation", "pass", "ms", "calls", "flops"}]}, means over the steps.
  std::string profile() const {
    return detail::text([&](auto... out) { return minimoe_trainer_profile(handle(), out...); });
  }

  /// How the balance loss pulls at each router, for the batch of the next step.
  std::string interference(const CancelToken* cancel = nullptr) {
    return detail::text(
        [&](auto... out) { return minimoe_trainer_interference(handle(), detail::handle_of(cancel), out...); });
  }

  /// Judges the routers over the steps since the trainer was made or resumed; `json` as in health_check.
  std::string health(std::string_view json = {}) const {
    return detail::text(
        [&](auto... out) { return minimoe_trainer_health(handle(), json.data(), json.size(), out...); });
  }

  void save(const std::string& path) const {
    const char* c_path = detail::c_text(path, "save: path");
    detail::require_ok([&](minimoe_error* err) { return minimoe_trainer_save(handle(), c_path, err); });
  }
  void resume(const std::string& path) {
    const char* c_path = detail::c_text(path, "resume: path");
    detail::require_ok([&](minimoe_error* err) { return minimoe_trainer_resume(handle(), c_path, err); });
  }
  minimoe_trainer* handle() const noexcept { return handle_.get(); }

 private:
  // Room for metrics is made before the steps that need it, and not for a schedule that may end long before.
  static constexpr std::int64_t kMaxChunk = 256;

  static bool is_refusal(minimoe_status status) noexcept {
    return status != MINIMOE_E_CANCELLED && status != MINIMOE_E_NON_FINITE && status != MINIMOE_E_OUT_OF_MEMORY;
  }

  static void report(StepsResult& result, minimoe_status status, const char* message) noexcept {
    result.status = status;
    try {
      result.message = message;
    } catch (const std::bad_alloc&) {  // the status says enough
    }
  }

  static bool make_room(StepsResult& result, std::size_t more) {
    try {
      result.metrics.resize(result.metrics.size() + more);
      return true;
    } catch (const std::bad_alloc&) {
      report(result, MINIMOE_E_OUT_OF_MEMORY, "no memory for the metrics of the next steps");
      return false;
    }
  }

  std::unique_ptr<minimoe_trainer, detail::Deleter<minimoe_trainer, minimoe_trainer_free>> handle_;
};

// ------------------------------------------------------------------------------------------------ the bare MoE layer

class MoECache;

/// An MoE layer for a host that has its own model and loop; x and y are [T, D]. Copies are one layer.
class MoELayer {
 public:
  explicit MoELayer(std::string_view json, const Options& options = {})
      : handle_(detail::create<minimoe_moe_layer>([&](minimoe_moe_layer** out, minimoe_error* err) {
          return minimoe_moe_layer_create(json.data(), json.size(), options.get(), out, err);
        })) {}

  std::string config() const {
    return detail::text([&](auto... out) { return minimoe_moe_layer_config(handle(), out...); });
  }
  std::size_t num_parameters() const {
    std::size_t count = 0;
    detail::require_ok([&](minimoe_error* err) { return minimoe_moe_layer_num_parameters(handle(), &count, err); });
    return count;
  }
  std::string parameter_info(std::size_t index) const {
    return detail::text([&](auto... out) { return minimoe_moe_layer_parameter_info(handle(), index, out...); });
  }
  std::vector<float> parameter(const std::string& name) const {
    const char* c_name = detail::c_text(name, "parameter: name");
    return detail::array<float>(0,
                                [&](auto... out) { return minimoe_moe_layer_parameter_get(handle(), c_name, out...); });
  }
  void set_parameter(const std::string& name, Span<const float> values) {
    const char* c_name = detail::c_text(name, "set_parameter: name");
    detail::require_ok([&](minimoe_error* err) {
      return minimoe_moe_layer_parameter_set(handle(), c_name, values.data(), values.size(), err);
    });
  }
  /// Valid as long as some copy of this layer, and the binding.
  TensorView parameter_view(const std::string& name) const {
    const char* c_name = detail::c_text(name, "parameter_view: name");
    TensorView view = {};
    detail::require_ok([&](minimoe_error* err) {
      return minimoe_moe_layer_parameter_view(handle(), c_name, &view, sizeof view, err);
    });
    return view;
  }
  /// The layer uses `memory`, which must outlive it or the next binding; empty: its own again. After writing there,
  /// call parameters_changed.
  void bind_parameter(const std::string& name, Span<float> memory) {
    const char* c_name = detail::c_text(name, "bind_parameter: name");
    detail::require_ok([&](minimoe_error* err) {
      return minimoe_moe_layer_bind_parameter(handle(), c_name, memory.data(), memory.size(), err);
    });
  }
  /// The layer adds gradients to `memory`; empty: to its own again.
  void bind_gradient(const std::string& name, Span<float> memory) {
    const char* c_name = detail::c_text(name, "bind_gradient: name");
    detail::require_ok([&](minimoe_error* err) {
      return minimoe_moe_layer_bind_gradient(handle(), c_name, memory.data(), memory.size(), err);
    });
  }
  void parameters_changed() {
    detail::require_ok([&](minimoe_error* err) { return minimoe_moe_layer_parameters_changed(handle(), err); });
  }
  std::vector<float> gradient(const std::string& name) const {
    const char* c_name = detail::c_text(name, "gradient: name");
    return detail::array<float>(0,
                                [&](auto... out) { return minimoe_moe_layer_gradient_get(handle(), c_name, out...); });
  }
  void zero_gradients() {
    detail::require_ok([&](minimoe_error* err) { return minimoe_moe_layer_zero_gradients(handle(), err); });
  }

  /// y for inference. @param valid [T], 0 marks tokens that are not routed; empty: none
  std::vector<float> infer(Span<const float> x, Span<const std::uint8_t> valid = {}) const {
    std::vector<float> y(x.size());
    infer_into(y, x, valid);
    return y;
  }
  void infer_into(Span<float> y, Span<const float> x, Span<const std::uint8_t> valid = {}) const {
    detail::require_ok([&](minimoe_error* err) {
      return minimoe_moe_layer_infer(handle(), x.data(), x.size(), valid.data(), valid.size(), y.data(), y.size(),
                                     nullptr, err);
    });
  }
  /// y in training. @param seq_len 0: one sequence of T
  std::vector<float> forward(MoECache& cache, Span<const float> x, Span<const std::uint8_t> valid = {},
                             std::size_t seq_len = 0) const {
    std::vector<float> y(x.size());
    forward_into(y, cache, x, valid, seq_len);
    return y;
  }
  inline void forward_into(Span<float> y, MoECache& cache, Span<const float> x, Span<const std::uint8_t> valid = {},
                           std::size_t seq_len = 0) const;
  /// d_x; adds to the parameters' gradients. @param x what forward was given
  std::vector<float> backward(MoECache& cache, Span<const float> x, Span<const float> d_y, double balance_scale = 1) {
    std::vector<float> d_x(x.size());
    backward_into(d_x, cache, x, d_y, balance_scale);
    return d_x;
  }
  inline void backward_into(Span<float> d_x, MoECache& cache, Span<const float> x, Span<const float> d_y,
                            double balance_scale = 1);
  void update_bias(Span<const std::int64_t> load) {
    detail::require_ok(
        [&](minimoe_error* err) { return minimoe_moe_layer_update_bias(handle(), load.data(), load.size(), err); });
  }
  minimoe_moe_layer* handle() const noexcept { return handle_.get(); }

 private:
  detail::Shared<minimoe_moe_layer, minimoe_moe_layer_retain, minimoe_moe_layer_free> handle_;
};

/// What one forward leaves for its backward, and its routing decisions. Keeps its layer alive.
class MoECache {
 public:
  MoECache(const MoELayer& layer, std::size_t max_tokens)
      : handle_(detail::create<minimoe_moe_cache>([&](minimoe_moe_cache** out, minimoe_error* err) {
          return minimoe_moe_cache_create(layer.handle(), max_tokens, out, err);
        })) {}

  /// [T, K]
  std::vector<std::int32_t> topk_idx() const {
    return detail::array<std::int32_t>(0, [&](auto... out) { return minimoe_moe_cache_topk_idx(handle(), out...); });
  }
  /// [T, K]
  std::vector<float> gate_weights() const {
    return detail::array<float>(0, [&](auto... out) { return minimoe_moe_cache_gate_weights(handle(), out...); });
  }
  /// [T, K]
  std::vector<std::uint8_t> kept() const {
    return detail::array<std::uint8_t>(0, [&](auto... out) { return minimoe_moe_cache_kept(handle(), out...); });
  }
  /// [T, E]
  std::vector<float> router_logits() const {
    return detail::array<float>(0, [&](auto... out) { return minimoe_moe_cache_router_logits(handle(), out...); });
  }
  /// [T, E]
  std::vector<float> router_probs() const {
    return detail::array<float>(0, [&](auto... out) { return minimoe_moe_cache_router_probs(handle(), out...); });
  }
  /// [E]
  std::vector<std::int64_t> load() const {
    return detail::array<std::int64_t>(0, [&](auto... out) { return minimoe_moe_cache_load(handle(), out...); });
  }
  RoutingMetrics metrics() const {
    RoutingMetrics metrics = {};
    detail::require_ok(
        [&](minimoe_error* err) { return minimoe_moe_cache_metrics(handle(), &metrics, sizeof metrics, err); });
    return metrics;
  }
  minimoe_moe_cache* handle() const noexcept { return handle_.get(); }

 private:
  std::unique_ptr<minimoe_moe_cache, detail::Deleter<minimoe_moe_cache, minimoe_moe_cache_free>> handle_;
};

inline void MoELayer::forward_into(Span<float> y, MoECache& cache, Span<const float> x, Span<const std::uint8_t> valid,
                                   std::size_t seq_len) const {
  detail::require_ok([&](minimoe_error* err) {
    return minimoe_moe_layer_forward(handle(), cache.handle(), x.data(), x.size(), valid.data(), valid.size(), seq_len,
                                     y.data(), y.size(), nullptr, err);
  });
}

inline void MoELayer::backward_into(Span<float> d_x, MoECache& cache, Span<const float> x, Span<const float> d_y,
                                    double balance_scale) {
  detail::require_ok([&](minimoe_error* err) {
    return minimoe_moe_layer_backward(handle(), cache.handle(), x.data(), x.size(), d_y.data(), d_y.size(),
                                      balance_scale, d_x.data(), d_x.size(), nullptr, err);
  });
}

}  // namespace v0
}  // namespace minimoe::capi
