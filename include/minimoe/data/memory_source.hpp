// SPDX-License-Identifier: Apache-2.0
// Tokens that a program has in memory, its own or handed over piece by piece.
#pragma once

#include <variant>

#include "minimoe/core/tensor.hpp"
#include "minimoe/data/windowed_source.hpp"

namespace minimoe {

struct MemorySourceOptions {
  static constexpr std::size_t kMaxVocab = 0x7fffffff;
  static constexpr std::size_t kMaxClasses = 256;

  std::size_t vocab_size = 0;                 ///< every token is below it; 1..kMaxVocab
  double val_fraction = 0.1;                  ///< share of the tokens, at the end, kept for validation; 0 (none)..0.5
  std::string name = "memory";                ///< not empty
  std::vector<std::string> class_names = {};  ///< at most kMaxClasses; empty: tokens have no classes
  MemoryResource* resource = nullptr;         ///< for appended tokens; outlives the source
};

/// Windows as every source over an array has them; the text of a token is its id in decimal. sha256() is empty.
/// `classes`, here and below, are the tokens' classes: as many as tokens when there are class names, else none.
///
/// Immutable but for append: nobody may read the source during one, and a later training window of the same seed and
/// index may be another, since windows are drawn from all tokens.
class MemorySource final : public WindowedSource {
 public:
  /// Empty, for append. Holds two bytes a token when vocab_size is at most 2^16, else four.
  /// @throws Error(kInvalidArgument) naming every bad option.
  explicit MemorySource(MemorySourceOptions options);
  /// Over the caller's arrays, without a copy: they stay unchanged as long as the source lives. Reads them once.
  /// @throws Error as append.
  MemorySource(MemorySourceOptions options, std::span<const std::int32_t> tokens,
               std::span<const std::uint8_t> classes);
  MemorySource(MemorySourceOptions options, std::span<const std::uint16_t> tokens,
               std::span<const std::uint8_t> classes);

  /// All or nothing: after any failure the source is as it was. @throws Error(kShape) for a wrong number of classes,
  /// Error(kInvalidArgument) for the first token or class out of range, Error(kUnsupported) for a source over the
  /// caller's arrays, std::bad_alloc.
  void append(std::span<const std::int32_t> tokens, std::span<const std::uint8_t> classes);
  void append(std::span<const std::uint16_t> tokens, std::span<const std::uint8_t> classes);

  std::size_t vocab_size() const override { return options_.vocab_size; }
  std::string token_text(std::int32_t token) const override;
  std::vector<std::int32_t> encode(const std::string& text) const override;
  const std::vector<std::string>& class_names() const override { return options_.class_names; }
  std::string name() const override { return options_.name; }
  /// Of the appended tokens; the caller's arrays are the caller's.
  std::size_t memory_bytes() const override;

 private:
  template <class T>
  using Owned = std::vector<T, AlignedAllocator<T>>;
  using Tokens = std::variant<Owned<std::uint16_t>, Owned<std::int32_t>, std::span<const std::uint16_t>,
                              std::span<const std::int32_t>>;

  MemorySource(MemorySourceOptions options, Tokens tokens, std::span<const std::uint8_t> borrowed_classes);
  template <class T>
  void check(std::span<const T> tokens, std::span<const std::uint8_t> classes) const;
  template <class T>
  void append_checked(std::span<const T> tokens, std::span<const std::uint8_t> classes);
  void divide(std::size_t num_tokens);
  bool wants_validation() const override { return options_.val_fraction > 0; }
  void copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const override;

  MemorySourceOptions options_;
  Tokens tokens_;
  Owned<std::uint8_t> classes_;
  std::span<const std::uint8_t> borrowed_classes_;
};

}  // namespace minimoe
