// SPDX-License-Identifier: Apache-2.0
#include "minimoe/data/memory_source.hpp"

#include <algorithm>
#include <utility>

#include "data/id_text.hpp"

namespace minimoe {
namespace {

MemorySourceOptions validated(MemorySourceOptions o) {
  std::vector<std::string> problems;
  const auto allow = [&](bool good, const auto&... what) {
    if (!good) problems.push_back(concat("memory_source: ", what...));
  };
  allow(o.vocab_size >= 1 && o.vocab_size <= o.kMaxVocab, "vocab_size is ", o.vocab_size, ", allowed 1 to ",
        o.kMaxVocab);
  allow(o.val_fraction >= 0 && o.val_fraction <= 0.5, "val_fraction is ", o.val_fraction, ", allowed 0 to 0.5");
  allow(!o.name.empty(), "name is empty");
  allow(o.class_names.size() <= o.kMaxClasses, "class_names has ", o.class_names.size(), " names, allowed at most ",
        o.kMaxClasses);
  require_no_problems(problems);
  return o;
}

// Room for `more` elements, doubled so that appending n tokens one by one copies O(n).
template <class Vector>
void make_room(Vector& vector, std::size_t more) {
  if (more <= vector.capacity() - vector.size()) return;
  if (more > vector.max_size() - vector.size()) throw std::bad_alloc();
  vector.reserve(std::max(vector.size() + more, std::min(2 * vector.size(), vector.max_size())));
}

}  // namespace

MemorySource::MemorySource(MemorySourceOptions options, Tokens tokens, std::span<const std::uint8_t> borrowed_classes)
    : WindowedSource({options.name, ""}, 0, 0),
      options_(std::move(options)),
      tokens_(std::move(tokens)),
      classes_(options_.resource),
      borrowed_classes_(borrowed_classes) {}

MemorySource::MemorySource(MemorySourceOptions options)
    : MemorySource(validated(options),
                   options.vocab_size <= 65536 ? Tokens(Owned<std::uint16_t>(options.resource))
                                               : Tokens(Owned<std::int32_t>(options.resource)),
                   {}) {}

MemorySource::MemorySource(MemorySourceOptions options, std::span<const std::int32_t> tokens,
                           std::span<const std::uint8_t> classes)
    : MemorySource(validated(std::move(options)), Tokens(tokens), classes) {
  check(tokens, classes);
  divide(tokens.size());
}

MemorySource::MemorySource(MemorySourceOptions options, std::span<const std::uint16_t> tokens,
                           std::span<const std::uint8_t> classes)
    : MemorySource(validated(std::move(options)), Tokens(tokens), classes) {
  check(tokens, classes);
  divide(tokens.size());
}

void MemorySource::divide(std::size_t num_tokens) {
  set_num_tokens(num_tokens, num_tokens - num_validation(num_tokens, options_.val_fraction));
}

template <class T>
void MemorySource::check(std::span<const T> tokens, std::span<const std::uint8_t> classes) const {
  const std::size_t num_names = options_.class_names.size();
  const std::size_t num_classes = num_names > 0 ? tokens.size() : 0;
  if (classes.size() != num_classes) {
    throw Error(ErrorCode::kShape,
                concat("memory_source: ", classes.size(), " classes for ", tokens.size(), " tokens, expected ",
                       num_classes, " (the source has ", num_names > 0 ? "" : "no ", "class names)"));
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (std::cmp_greater_equal(tokens[i], 0) && std::cmp_less(tokens[i], options_.vocab_size)) continue;
    throw Error(ErrorCode::kInvalidArgument, concat("memory_source: token ", i, " (from 0) is ", tokens[i],
                                                    ", expected 0 to ", options_.vocab_size - 1));
  }
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (classes[i] < num_names) continue;
    throw Error(ErrorCode::kInvalidArgument, concat("memory_source: class ", i, " (from 0) is ", int{classes[i]},
                                                    ", expected 0 to ", num_names - 1));
  }
}

template <class T>
void MemorySource::append_checked(std::span<const T> tokens, std::span<const std::uint8_t> classes) {
  check(tokens, classes);
  const auto into = [&](auto& owned) {
    make_room(owned, tokens.size());
    make_room(classes_, classes.size());
    // Nothing below can fail.
    for (const T token : tokens) {
      owned.push_back(static_cast<typename std::remove_reference_t<decltype(owned)>::value_type>(token));
    }
    classes_.insert(classes_.end(), classes.begin(), classes.end());
    divide(owned.size());
  };
  if (auto* narrow = std::get_if<Owned<std::uint16_t>>(&tokens_)) return into(*narrow);
  if (auto* wide = std::get_if<Owned<std::int32_t>>(&tokens_)) return into(*wide);
  throw Error(ErrorCode::kUnsupported, "memory_source: nothing can be appended to borrowed arrays");
}

void MemorySource::append(std::span<const std::int32_t> tokens, std::span<const std::uint8_t> classes) {
  append_checked(tokens, classes);
}

void MemorySource::append(std::span<const std::uint16_t> tokens, std::span<const std::uint8_t> classes) {
  append_checked(tokens, classes);
}

std::string MemorySource::token_text(std::int32_t token) const { return id_text(token, options_.vocab_size); }

std::vector<std::int32_t> MemorySource::encode(const std::string& text) const {
  return read_ids(text, options_.vocab_size, options_.name);
}

std::size_t MemorySource::memory_bytes() const {
  std::size_t bytes = classes_.capacity();
  if (const auto* narrow = std::get_if<Owned<std::uint16_t>>(&tokens_)) bytes += narrow->capacity() * 2;
  if (const auto* wide = std::get_if<Owned<std::int32_t>>(&tokens_)) bytes += wide->capacity() * 4;
  return bytes;
}

void MemorySource::copy(std::size_t begin, std::span<std::int32_t> tokens, std::span<std::uint8_t> classes) const {
  std::visit([&](const auto& all) { std::copy_n(all.data() + begin, tokens.size(), tokens.begin()); }, tokens_);
  if (classes.empty()) return;
  if (options_.class_names.empty()) {
    std::fill(classes.begin(), classes.end(), std::uint8_t{0});
    return;
  }
  const std::uint8_t* all = borrowed_classes_.empty() ? classes_.data() : borrowed_classes_.data();
  std::copy_n(all + begin, classes.size(), classes.begin());
}

}  // namespace minimoe
