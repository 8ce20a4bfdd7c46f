// SPDX-License-Identifier: Apache-2.0
// How things are computed: threads, instruction set, matrix-product backend and precision. Only the precision changes
// what is computed (bits may differ between instruction sets and between backends, never between thread counts).
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "minimoe/core/tensor.hpp"

namespace minimoe {

enum class InstructionSet { kAuto, kScalar, kSse4, kAvx2, kAvx512 };
enum class MatmulBackend { kNative, kBlas };
/// Of the operands of matmul: float, or float rounded to bfloat16. Sums are float in both. double is never rounded.
enum class Precision { kFloat32, kBfloat16 };

struct ExecOptions {
  int num_threads = 0;  ///< 0: one per available core; else 1..256. Affects speed only.
  InstructionSet instruction_set = InstructionSet::kAuto;  ///< kAuto: the best that this CPU has
  MatmulBackend matmul_backend = MatmulBackend::kNative;   ///< kBlas: only in a build with MINIMOE_WITH_BLAS
  MemoryResource* resource = nullptr;                      ///< for the packing buffers
};

class Profile;  // profile.hpp

template <class T>
struct Kernels;  // src/core/simd/kernels.hpp: the table of vector kernels of one instruction set

/// Execution context: an own thread pool (started on first use), the kernel table, and packing scratch.
/// Used by one calling thread at a time.
class Exec {
 public:
  explicit Exec(const ExecOptions& options = {});
  ~Exec();
  Exec(const Exec&) = delete;
  Exec& operator=(const Exec&) = delete;

  int num_threads() const;
  InstructionSet instruction_set() const;
  MatmulBackend matmul_backend() const;
  Precision precision() const;
  /// Whether kBfloat16 uses the CPU's own instructions; if not, slowly the same bits (but of subnormal floats).
  bool multiplies_bfloat16() const;
  /// @throws Error(kUnsupported) for kBfloat16 with the BLAS backend.
  void set_precision(Precision precision);

  /// Calls body(begin, end, worker) for the chunks [0, chunk), [chunk, 2 chunk), ... of [0, count). Chunk borders
  /// depend on `count` and `chunk` only; which worker (0 <= worker < num_threads) runs a chunk is not fixed, so a body
  /// writes only what its chunk owns, plus scratch of its worker. An exception of a body is rethrown here. A nested
  /// call runs serially.
  template <class Body>
  void parallel_for(std::size_t count, std::size_t chunk, Body&& body) {
    run(
        count, chunk,
        [](void* context, std::size_t begin, std::size_t end, int worker) {
          (*static_cast<std::remove_reference_t<Body>*>(context))(begin, end, worker);
        },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

  /// Starts the threads of this process now; they start on first use otherwise. Work that follows allocates nothing.
  void start_threads();

  /// Whether the calling thread is inside a body of this context's parallel_for; matmul is not possible there.
  bool inside_parallel_for() const;

  template <class T>
  const Kernels<T>& kernels() const;

  /// What operations are timed into; null: they are not.
  Profile* profile() const { return profile_; }
  void set_profile(Profile* profile) { profile_ = profile; }

  /// Bytes that a context with these options allocates from its resource.
  static std::size_t memory_bytes(const ExecOptions& options);
  /// The number of threads that a context with these options has. @throws Error(kInvalidArgument) when out of range.
  static int resolved_num_threads(const ExecOptions& options);

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  using Task = void (*)(void* context, std::size_t begin, std::size_t end, int worker);
  void run(std::size_t count, std::size_t chunk, Task task, void* context);

  std::unique_ptr<Impl> impl_;
  Profile* profile_ = nullptr;
};

/// Products of one scope in another precision.
class PrecisionScope {
 public:
  PrecisionScope(Exec& exec, Precision precision) : exec_(exec), outer_(exec.precision()) {
    exec.set_precision(precision);
  }
  ~PrecisionScope() { exec_.set_precision(outer_); }
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  Exec& exec_;
  Precision outer_;
};

/// The instruction sets that this CPU can run, best first.
std::vector<InstructionSet> available_instruction_sets();
/// "avx512", "avx2", "sse4", "scalar", "auto"
const char* instruction_set_name(InstructionSet set);
/// Inverse of instruction_set_name. @throws Error(kInvalidArgument) naming what this machine has.
InstructionSet instruction_set_from_name(const std::string& name);

}  // namespace minimoe
