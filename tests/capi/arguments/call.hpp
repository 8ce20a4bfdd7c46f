// SPDX-License-Identifier: Apache-2.0
// The functions of minimoe.h as data: what every argument is for, and a valid value of it. The table is generated.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "minimoe.h"

/// The part that a parameter plays; the names are those of capi/declarations.py.
enum class Role {
  kHandle,
  kCancel,
  kNewHandle,
  kOptions,
  kStruct,
  kStructSize,
  kStructs,
  kStructsCap,
  kStructsCount,
  kCallback,
  kUserData,
  kCstring,
  kText,
  kInput,
  kBound,
  kCount,
  kOutput,
  kCap,
  kNeeded,
  kResult,
  kNumber,
};

enum class Kind { kNone, kCancelToken, kDataset, kModel, kMoELayer, kMoECache, kTrainer, kTokenStream };

/// An argument in whichever form its parameter takes.
struct Value {
  void* pointer = nullptr;
  std::uint64_t bits = 0;  // integers, by two's complement
  double real = 0;
};

struct Parameter {
  const char* name;
  const char* type;
  Role role;
  int group;              // a pointer and its counts share one
  std::size_t size;       // bytes of what is pointed to, or of an element
  std::size_t alignment;  // of what is pointed to
  Kind kind;              // of a handle
};

/// A valid argument. Outputs have none: what they need is asked of the library.
struct Valid {
  Value value;          // handles and numbers
  std::string content;  // bytes of inputs and texts
};

struct World;

struct Function {
  const char* name;
  std::vector<Parameter> parameters;
  minimoe_status (*call)(const Value* arguments, minimoe_error* err);
  std::vector<Valid> (*valid)(World& world);
  void (*before)(World& world);          // brings back the state that a valid call needs
  void (*undo)(const Value* arguments);  // ends what a successful call began
  bool fallible;
  int pairs_tried;  // one in this many
};

extern const std::vector<Function> kFunctions;

template <class T>
std::string bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}
inline Valid handle(const void* pointer) { return {{const_cast<void*>(pointer), 0, 0}, ""}; }
inline Valid number(std::int64_t value) { return {{nullptr, static_cast<std::uint64_t>(value), 0}, ""}; }
inline Valid real(double value) { return {{nullptr, 0, value}, ""}; }
inline Valid content(std::string value) { return {{}, std::move(value)}; }
