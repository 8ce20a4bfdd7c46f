// SPDX-License-Identifier: Apache-2.0
#include "minimoe/core/exec.hpp"

#include <algorithm>
#include <thread>

#include "core/exec_impl.hpp"
#include "core/process.hpp"

#if defined(__linux__)
#include <sched.h>
#endif

namespace minimoe {
namespace {

constexpr int kMaxThreads = 256;

int available_cores() {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

int resolve_num_threads(const ExecOptions& options) {
  require(options.num_threads >= 0 && options.num_threads <= kMaxThreads, "exec: num_threads is ", options.num_threads,
          ", expected 1..", kMaxThreads, ", or 0 for one per available core");
  return options.num_threads > 0 ? options.num_threads : std::min(available_cores(), kMaxThreads);
}

InstructionSet resolve_instruction_set(InstructionSet wanted) {
  const std::vector<InstructionSet> available = available_instruction_sets();
  if (wanted == InstructionSet::kAuto) return available.front();
  if (std::find(available.begin(), available.end(), wanted) != available.end()) return wanted;
  std::string names;
  for (const InstructionSet set : available) names += concat(names.empty() ? "" : ", ", instruction_set_name(set));
  throw Error(ErrorCode::kUnsupported, concat("exec: instruction_set ", instruction_set_name(wanted),
                                              " is not available on this machine, which has ", names));
}

const KernelTables& tables_of(InstructionSet set) {
#if defined(__x86_64__) || defined(_M_X64)
  switch (set) {
    case InstructionSet::kAvx512:
      return kernel_tables_avx512();
    case InstructionSet::kAvx2:
      return kernel_tables_avx2();
    case InstructionSet::kSse4:
      return kernel_tables_sse4();
    case InstructionSet::kScalar:
    case InstructionSet::kAuto:
      break;
  }
#else
  (void)set;
#endif
  return kernel_tables_scalar();
}

const GemmKernels<float>& bf16_kernels_of(InstructionSet set) {
#if defined(__x86_64__) || defined(_M_X64)
  if (set == InstructionSet::kAvx512 && __builtin_cpu_supports("avx512bf16")) return gemm_kernels_avx512_bf16();
#endif
  return tables_of(set).bf16;
}

// Which context runs on this thread, and as which of its workers; contexts nest.
struct Running {
  const void* context;
  int worker;
  Running* outer;
};
thread_local Running* running = nullptr;

class RunningScope {
 public:
  RunningScope(const void* context, int worker) : entry_{context, worker, running} { running = &entry_; }
  ~RunningScope() { running = entry_.outer; }
  RunningScope(const RunningScope&) = delete;
  RunningScope& operator=(const RunningScope&) = delete;

 private:
  Running entry_;
};

}  // namespace

std::vector<InstructionSet> available_instruction_sets() {
  std::vector<InstructionSet> sets;
#if defined(__x86_64__) || defined(_M_X64)
  const bool sse4 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt") &&
                    __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
  const bool avx2 = sse4 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  if (avx512) sets.push_back(InstructionSet::kAvx512);
  if (avx2) sets.push_back(InstructionSet::kAvx2);
  if (sse4) sets.push_back(InstructionSet::kSse4);
#endif
  sets.push_back(InstructionSet::kScalar);
  return sets;
}

const char* instruction_set_name(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAuto:
      return "auto";
    case InstructionSet::kScalar:
      return "scalar";
    case InstructionSet::kSse4:
      return "sse4";
    case InstructionSet::kAvx2:
      return "avx2";
    case InstructionSet::kAvx512:
      return "avx512";
  }
  return "unknown";
}

InstructionSet instruction_set_from_name(const std::string& name) {
  if (name == instruction_set_name(InstructionSet::kAuto)) return InstructionSet::kAuto;
  std::string names = instruction_set_name(InstructionSet::kAuto);
  for (const InstructionSet set : available_instruction_sets()) {
    if (name == instruction_set_name(set)) return set;
    names += concat(", ", instruction_set_name(set));
  }
  throw Error(ErrorCode::kInvalidArgument,
              concat("instruction_set is \"", name, "\", expected one of those that this machine has: ", names));
}

Exec::Impl::Impl(const ExecOptions& options)
    : num_threads(resolve_num_threads(options)),
      instruction_set(resolve_instruction_set(options.instruction_set)),
      matmul_backend(options.matmul_backend),
      tables(&tables_of(instruction_set)),
      bf16(&bf16_kernels_of(instruction_set)),
      resource(options.resource ? options.resource : std::pmr::get_default_resource()),
      scratch_bytes(memory_bytes(options)) {
#if !defined(MINIMOE_WITH_BLAS)
  if (matmul_backend == MatmulBackend::kBlas) {
    throw Error(ErrorCode::kUnsupported,
                "exec: matmul_backend is blas, but this build has only native (configure with -DMINIMOE_WITH_BLAS=ON)");
  }
#endif
  if (tables->f32.gemm.packed_a_size * sizeof(float) > kCopiedBytes ||
      bf16->packed_a_size * sizeof(float) > kCopiedBytes ||
      tables->f64.gemm.packed_a_size * sizeof(double) > kCopiedBytes) {
    throw Error(ErrorCode::kInternal, "exec: the scratch of a worker is too small for this instruction set");
  }
  scratch = static_cast<std::byte*>(resource->allocate(scratch_bytes, kAlignment));
}

Exec::Impl::~Impl() {
  // In a forked child the threads of the parent do not exist: their objects can only be left alone.
  if (threads_process == process_generation()) delete threads;
  if (scratch) resource->deallocate(scratch, scratch_bytes, kAlignment);
}

ThreadPool& Exec::Impl::pool() {
  const std::uint64_t process = process_generation();
  if (threads_process != process) {
    threads = new ThreadPool(num_threads, num_threads <= available_cores());
    threads_process = process;
  }
  return *threads;
}

Exec::Exec(const ExecOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Exec::~Exec() = default;

int Exec::resolved_num_threads(const ExecOptions& options) { return resolve_num_threads(options); }
int Exec::num_threads() const { return impl_->num_threads; }
InstructionSet Exec::instruction_set() const { return impl_->instruction_set; }
MatmulBackend Exec::matmul_backend() const { return impl_->matmul_backend; }
Precision Exec::precision() const { return impl_->precision; }
bool Exec::multiplies_bfloat16() const { return impl_->bf16 != &impl_->tables->bf16; }
void Exec::set_precision(Precision precision) {
  if (precision == Precision::kBfloat16 && impl_->matmul_backend != MatmulBackend::kNative) {
    throw Error(ErrorCode::kUnsupported, "exec: bfloat16 products need the native matmul backend");
  }
  impl_->precision = precision;
}

template <>
const Kernels<float>& Exec::kernels<float>() const {
  return impl_->tables->f32;
}
template <>
const Kernels<double>& Exec::kernels<double>() const {
  return impl_->tables->f64;
}

std::size_t Exec::memory_bytes(const ExecOptions& options) {
  return Impl::kPackedBytes + static_cast<std::size_t>(resolve_num_threads(options)) * Impl::kCopiedBytes;
}

void Exec::start_threads() {
  if (impl_->num_threads > 1) impl_->pool();
}

bool Exec::inside_parallel_for() const {
  for (const Running* r = running; r; r = r->outer) {
    if (r->context == impl_.get()) return true;
  }
  return false;
}

void Exec::run(std::size_t count, std::size_t chunk, Task task, void* context) {
  if (count == 0) return;
  require(chunk > 0, "exec.parallel_for: chunk is 0, expected at least 1");
  const Running* outer = running;
  while (outer && outer->context != impl_.get()) outer = outer->outer;
  const std::size_t num_chunks = (count - 1) / chunk + 1;
  if (outer || impl_->num_threads == 1 || num_chunks == 1 || num_chunks > ThreadPool::kMaxChunks) {
    const int worker = outer ? outer->worker : 0;
    const RunningScope scope(impl_.get(), worker);
    for (std::size_t begin = 0; begin < count; begin += std::min(chunk, count - begin)) {
      task(context, begin, begin + std::min(chunk, count - begin), worker);
    }
    return;
  }
  struct Call {
    const void* exec;
    Task task;
    void* context;
  } call{impl_.get(), task, context};
  impl_->pool().run(
      count, chunk,
      [](void* opaque, std::size_t begin, std::size_t end, int worker) {
        const Call& c = *static_cast<Call*>(opaque);
        const RunningScope scope(c.exec, worker);
        c.task(c.context, begin, end, worker);
      },
      &call);
}

}  // namespace minimoe
