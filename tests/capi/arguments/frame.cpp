// SPDX-License-Identifier: Apache-2.0
#include "frame.hpp"

#include <algorithm>
#include <cstring>

namespace {

constexpr std::size_t kMostStruct = 4096;  // bytes of a struct that the library may fill
constexpr std::size_t kStructs = 8;

void count_release(void* user_data) {
  if (user_data) ++*static_cast<int*>(user_data);
}

template <class T>
T load(const unsigned char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

bool is_output(Role role) {
  return role == Role::kNewHandle || role == Role::kStruct || role == Role::kStructs || role == Role::kStructsCount ||
         role == Role::kOutput || role == Role::kNeeded || role == Role::kResult;
}

bool is_input(Role role) {
  return role == Role::kCstring || role == Role::kText || role == Role::kInput || role == Role::kBound ||
         role == Role::kOptions;
}

}  // namespace

Canary::Canary(std::size_t size) : size_(size), memory_(new unsigned char[size + 2 * kGuard]) {
  for (std::size_t i = 0; i < size_ + 2 * kGuard; ++i) memory_[i] = pattern(i);
}

bool Canary::intact_but(std::size_t written) const {
  for (std::size_t i = 0; i < kGuard; ++i) {
    if (memory_[i] != pattern(i)) return false;
  }
  for (std::size_t i = kGuard + std::min(written, size_); i < size_ + 2 * kGuard; ++i) {
    if (memory_[i] != pattern(i)) return false;
  }
  return true;
}

Frame::Frame(const Function& function, const std::vector<Valid>& valid, const std::vector<std::size_t>& needed,
             const std::vector<Replacement>& replacements)
    : function_(function), needed_(needed), slots_(function.parameters.size()) {
  for (const Replacement& r : replacements) slots_[r.index].variant = r.variant;
  for (std::size_t i = 0; i < slots_.size(); ++i) place(i, valid[i]);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    if (slot.variant && slot.variant->value) slot.value = *slot.variant->value;
  }
}

Frame::~Frame() = default;

std::size_t Frame::find(int group, Role role) const {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (function_.parameters[i].group == group && function_.parameters[i].role == role) return i;
  }
  return npos;
}

void Frame::place(std::size_t index, const Valid& valid) {
  Slot& slot = slots_[index];
  const Parameter& parameter = function_.parameters[index];
  if (parameter.role == Role::kCount) return;  // comes with its pointer, which stands before it
  slot.value = valid.value;
  if (is_input(parameter.role))
    return place_input(slot, parameter, slot.variant && slot.variant->content ? *slot.variant->content : valid.content);
  switch (parameter.role) {
    case Role::kOutput:
      place_output(slot, parameter, needed_[index] * 4 * parameter.size + 16384);
      break;
    case Role::kCap:
      slot.value.bits = needed_[find(parameter.group, Role::kOutput)];
      break;
    case Role::kStruct:
      place_output(slot, parameter, kMostStruct);
      break;
    case Role::kStructs:
      place_output(slot, parameter, kStructs * kMostStruct);
      break;
    case Role::kStructSize: {
      const std::size_t one = find(parameter.group, Role::kStruct), many = find(parameter.group, Role::kStructs);
      slot.value.bits = function_.parameters[one == npos ? many : one].size;
      break;
    }
    case Role::kCallback:
      slot.value.pointer = reinterpret_cast<void*>(&count_release);
      break;
    case Role::kUserData:
      slot.value.pointer = &released_;
      break;
    case Role::kNewHandle:
    case Role::kStructsCount:
    case Role::kNeeded:
    case Role::kResult:
      place_output(slot, parameter, parameter.size);
      break;
    default:
      break;
  }
}

void Frame::place_input(Slot& slot, const Parameter& parameter, std::string content) {
  if (parameter.role == Role::kOptions && content.empty()) {
    minimoe_options options{};
    options.struct_size = sizeof options;
    options.num_threads = 1;
    content.assign(reinterpret_cast<const char*>(&options), sizeof options);
  }
  if (parameter.role == Role::kCstring) content.push_back('\0');
  const std::size_t count = find(parameter.group, Role::kCount);
  if (count != npos) {
    std::size_t elements = content.size() / parameter.size;
    const Variant* other = slots_[count].variant;
    // A count that memory can hold is given that memory; a huge one is the library's to refuse.
    constexpr std::uint64_t kMostElements = std::uint64_t{1} << 20;
    if (other && other->value && other->value->bits <= kMostElements) {
      const std::string once = content.empty() ? std::string(parameter.size, '\0') : content;
      while (content.size() < other->value->bits * parameter.size) content += once;
      elements = other->value->bits;
      content.resize(elements * parameter.size);
    }
    slots_[count].value.bits = elements;
  }
  const std::size_t shift = slot.variant && slot.variant->misaligned ? 1 : 0;
  slot.input.reset(new unsigned char[content.size() + shift]);
  std::memcpy(slot.input.get() + shift, content.data(), content.size());
  slot.value.pointer = slot.input.get() + shift;
  slot.input_copy = std::move(content);
}

void Frame::place_output(Slot& slot, const Parameter&, std::size_t bytes) {
  const std::size_t shift = slot.variant && slot.variant->misaligned ? 1 : 0;
  slot.output = std::make_unique<Canary>(bytes + shift);
  slot.value.pointer = slot.output->data() + shift;
}

std::size_t Frame::needed_of(std::size_t index) { return load<std::size_t>(slots_[index].output->data()); }

// How many elements a successful call may have written to output `index`.
std::size_t Frame::written_elements(std::size_t index) {
  const std::size_t needed = find(function_.parameters[index].group, Role::kNeeded);
  return slots_[needed].value.pointer ? needed_of(needed)
                                      : slots_[find(function_.parameters[index].group, Role::kCap)].value.bits;
}

std::string Frame::check_output(std::size_t index, minimoe_status status) {
  Slot& slot = slots_[index];
  const Parameter& parameter = function_.parameters[index];
  const bool steps = std::strcmp(function_.name, "minimoe_trainer_steps") == 0;
  std::size_t allowed = 0;  // bytes that the call may have changed
  if (slot.value.pointer == nullptr) {
    allowed = 0;
  } else if (parameter.role == Role::kNeeded) {
    allowed = status == MINIMOE_OK || status == MINIMOE_E_BUFFER_TOO_SMALL ? parameter.size : 0;
    const std::size_t cap = slots_[find(parameter.group, Role::kCap)].value.bits;
    if (status == MINIMOE_OK && needed_of(index) > cap) return "success with `needed` above the capacity";
  } else if (parameter.role == Role::kStructs || parameter.role == Role::kStructsCount) {
    allowed = 0;
    if (status == MINIMOE_OK || steps) {  // the completed steps are always reported
      const std::size_t count = find(parameter.group, Role::kStructsCount);
      const std::size_t stride = slots_[find(parameter.group, Role::kStructSize)].value.bits;
      allowed = parameter.role == Role::kStructs ? stride * (slots_[count].value.pointer ? needed_of(count) : kStructs)
                                                 : parameter.size;
    }
  } else if (status == MINIMOE_OK) {
    allowed = parameter.size;
    if (parameter.role == Role::kOutput) allowed = parameter.size * written_elements(index);
    if (parameter.role == Role::kStruct) {
      const std::size_t size = slots_[find(parameter.group, Role::kStructSize)].value.bits;
      const std::size_t known =
          std::strcmp(function_.name, "minimoe_options_init") == 0 ? size : std::min(size, parameter.size);
      if (load<std::uint32_t>(slot.output->data()) != known) return "struct_size is not what was filled in";
      for (std::size_t i = known; i < size; ++i) {
        if (slot.output->data()[i] != 0) return "bytes past the library's struct are not zero";
      }
      allowed = size;
    }
  }
  return slot.output->intact_but(allowed) ? "" : std::string(parameter.name) + " was written to";
}

std::string Frame::check_outputs(minimoe_status status) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const Parameter& parameter = function_.parameters[i];
    if (is_output(parameter.role)) {
      if (const std::string broken = check_output(i, status); !broken.empty()) return broken;
    } else if (slot.input && slot.value.pointer && parameter.role != Role::kBound) {
      if (std::memcmp(slot.value.pointer, slot.input_copy.data(), slot.input_copy.size()) != 0) {
        return std::string(parameter.name) + ", an input, was written to";
      }
    }
  }
  return "";
}

std::string Frame::check_err(minimoe_status status, Canary& err) const {
  if (status == MINIMOE_OK) return err.intact_but(0) ? "" : "err was written to by a success";
  if (!err.intact_but(sizeof(minimoe_error))) return "bytes around err were written to";
  const auto filled = load<minimoe_error>(err.data());
  if (filled.code != status || filled.reserved != 0) return "err.code is not the status, or err.reserved not 0";
  if (std::memchr(filled.message, '\0', sizeof filled.message) == nullptr) return "the message has no end";
  const std::string message = filled.message;
  // "where: what came, what was expected"; out of memory has nothing to name, and a very long path leaves no room for
  // it.
  bool names = status == MINIMOE_E_OUT_OF_MEMORY || message.find(": ") != std::string::npos;
  for (const Parameter& parameter : function_.parameters) names = names || std::strcmp(parameter.name, "path") == 0;
  return names && message.size() > 8 ? "" : "the message names nothing: " + message;
}

std::string Frame::run(bool with_err, minimoe_status* status_out) {
  Canary err(sizeof(minimoe_error));
  std::vector<Value> arguments;
  for (const Slot& slot : slots_) arguments.push_back(slot.value);
  auto* err_pointer = with_err ? reinterpret_cast<minimoe_error*>(err.data()) : nullptr;
  const minimoe_status status = *status_out = function_.call(arguments.data(), err_pointer);

  if (status < MINIMOE_OK || status > MINIMOE_E_VERSION) return "an unknown status " + std::to_string(status);
  if (status == MINIMOE_E_INTERNAL) return "a bug: " + std::string(with_err ? err_pointer->message : "?");
  std::string broken = check_outputs(status);
  if (broken.empty() && with_err && function_.fallible) broken = check_err(status, err);
  if (status == MINIMOE_OK && function_.undo) function_.undo(arguments.data());
  const std::size_t callback = [&] {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (function_.parameters[i].role == Role::kCallback) return i;
    }
    return npos;
  }();
  if (broken.empty() && callback != npos && slots_[callback].value.pointer && slots_[callback + 1].value.pointer &&
      released_ != (status == MINIMOE_OK ? 1 : 0)) {
    broken = "release was called " + std::to_string(released_) + " times";
  }
  return broken;
}
