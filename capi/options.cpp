// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <cstring>
#include <new>

#include "arguments.hpp"

namespace minimoe::capi {
namespace {

#if defined(MINIMOE_WITH_BLAS)
constexpr bool kHasBlas = true;
#else
constexpr bool kHasBlas = false;
#endif

std::string instruction_sets_of_this_machine() {
  std::string names = "auto (0)";
  for (const InstructionSet set : available_instruction_sets()) {
    names += concat(", ", instruction_set_name(set), " (", static_cast<int>(set), ")");
  }
  return names;
}

// The caller's struct, whatever version it has, as ours.
minimoe_options read_options(const char* function, const minimoe_options* options) {
  minimoe_options known{};
  if (options) {
    check_pointer(function, "options", options);
    const std::size_t size = options->struct_size;
    require(is_struct_size(size), function, ": options.struct_size is ", size, "; minimoe_options_init sets it");
    const char* bytes = reinterpret_cast<const char*>(options);
    std::memcpy(&known, bytes, std::min(size, sizeof(known)));
    for (std::size_t i = sizeof(known); i < size; ++i) {
      if (bytes[i] != 0) {
        fail(MINIMOE_E_VERSION, function, ": options has a field at byte ", i, " that this library, version ",
             minimoe_version_string(), ", does not know");
      }
    }
  }
  return known;
}

}  // namespace

void* HostMemory::do_allocate(std::size_t bytes, std::size_t alignment) {
  void* memory = options_.allocate ? options_.allocate(options_.allocator_user_data, bytes, alignment)
                                   : ::operator new(bytes, std::align_val_t(alignment), std::nothrow);
  if (!memory) throw OutOfMemory(bytes);
  return memory;
}

void HostMemory::do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) {
  if (!options_.allocate) return ::operator delete(memory, std::align_val_t(alignment));
  options_.deallocate(options_.allocator_user_data, memory, bytes, alignment);
}

Options::Options(const char* function, const minimoe_options* options) : options_(read_options(function, options)) {
  const minimoe_options& o = options_;
  require(o.num_threads >= 0 && o.num_threads <= 256, function, ": options.num_threads is ", o.num_threads,
          ", expected 1..256, or 0 for one per available core");
  require(o.instruction_set >= MINIMOE_INSTRUCTIONS_AUTO && o.instruction_set <= MINIMOE_INSTRUCTIONS_AVX512, function,
          ": options.instruction_set is ", o.instruction_set,
          ", expected one of MINIMOE_INSTRUCTIONS_; this machine has ", instruction_sets_of_this_machine());
  require(o.matmul_backend == MINIMOE_MATMUL_NATIVE || o.matmul_backend == MINIMOE_MATMUL_BLAS, function,
          ": options.matmul_backend is ", o.matmul_backend, ", expected one of MINIMOE_MATMUL_; this library has ",
          kHasBlas ? "native (0), blas (1)" : "native (0)");
  require(!o.allocate == !o.deallocate, function,
          ": options has one of allocate and deallocate, expected both or none");
  require(o.log_level >= 0 && o.log_level <= MINIMOE_LOG_TRACE, function, ": options.log_level is ", o.log_level,
          ", expected one of MINIMOE_LOG_, or 0");
  require(o.reserved == 0, function, ": options.reserved is ", o.reserved, ", expected 0");
  if (options_.log_level == 0) options_.log_level = MINIMOE_LOG_INFO;
}

ExecOptions Options::exec(int num_threads) const {
  ExecOptions exec;
  exec.num_threads = num_threads > 0 ? num_threads : options_.num_threads;
  exec.instruction_set = static_cast<InstructionSet>(options_.instruction_set);
  exec.matmul_backend = options_.matmul_backend == MINIMOE_MATMUL_BLAS ? MatmulBackend::kBlas : MatmulBackend::kNative;
  exec.resource = resource();
  return exec;
}

}  // namespace minimoe::capi

minimoe_status minimoe_options_init(minimoe_options* options, size_t options_size, minimoe_error* err) {
  using namespace minimoe::capi;
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "options", options);
    minimoe::require(is_struct_size(options_size), where, ": options_size is ", options_size,
                     ", expected sizeof(minimoe_options)");
    std::memset(static_cast<void*>(options), 0, options_size);
    options->struct_size = static_cast<std::uint32_t>(options_size);
  });
}
