// SPDX-License-Identifier: Apache-2.0
#include "variant.hpp"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <limits>

namespace {

constexpr std::uint64_t kTop = std::uint64_t{1} << 63;
constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();

Value bits(std::uint64_t value) { return {nullptr, value, 0}; }

struct Context {
  const Function& function;
  const Parameter& parameter;
  std::size_t index;
  const std::vector<Valid>& valid;
  const std::vector<std::size_t>& needed;
  const World& world;
  std::vector<Variant> list;

  void add(std::string label, Expect expect, Value value, minimoe_status code = -1) {
    list.push_back({std::move(label), expect, code, value, {}, false});
  }
  void fill(std::string label, Expect expect, std::string content, minimoe_status code = -1) {
    list.push_back({std::move(label), expect, code, {}, std::move(content), false});
  }
  void null(Expect expect) {
    add("NULL", expect, {},
        expect == Expect::kFailure || expect == Expect::kFailureAlone ? MINIMOE_E_INVALID_ARGUMENT : -1);
  }
  void misalign() {
    if (parameter.alignment < 2) return;
    list.push_back({"misaligned", Expect::kFailureAlone, MINIMOE_E_INVALID_ARGUMENT, {}, {}, true});
  }
  /// The pointer of the same group that stands before this count.
  std::size_t pointer_index() const {
    std::size_t i = index;
    while (i > 0 && function.parameters[i - 1].group == parameter.group) --i;
    return i;
  }
};

void handles(Context& c) {
  c.null(c.parameter.role == Role::kCancel ? Expect::kSuccess : Expect::kFailure);
  for (const Kind kind : {Kind::kCancelToken, Kind::kDataset, Kind::kModel, Kind::kMoELayer, Kind::kMoECache,
                          Kind::kTrainer, Kind::kTokenStream}) {
    if (kind == c.parameter.kind) continue;
    c.add("a handle of another kind", Expect::kFailure, {c.world.handle_of(kind), 0, 0}, MINIMOE_E_INVALID_ARGUMENT);
  }
  if (c.parameter.role == Role::kCancel) c.add("a fired token", Expect::kEither, {c.world.fired, 0, 0});
  if (c.parameter.kind == Kind::kMoECache)
    c.add("a cache of another layer", Expect::kEither, {c.world.other_cache, 0, 0});
  if (c.parameter.kind == Kind::kDataset) {
    c.add("a dataset of another alphabet", Expect::kEither, {c.world.grammar, 0, 0});
  }
}

void names(Context& c) {
  const std::string& valid = c.valid[c.index].content;
  const bool path = std::strcmp(c.parameter.name, "path") == 0;
  c.null(Expect::kFailure);
  c.fill("empty", Expect::kFailure, "");
  c.fill("very long", Expect::kFailure, std::string(100000, 'a'));
  if (path) {
    c.fill("too long for a file", Expect::kFailure, c.world.directory + "/" + std::string(5000, 'a'));
    const bool wants_one = std::strcmp(c.function.name, "minimoe_model_export") == 0;
    c.fill("a directory", wants_one ? Expect::kEither : Expect::kFailure, c.world.directory);
    c.fill("in no directory", Expect::kFailure, c.world.directory + "/none/file", MINIMOE_E_IO);
    c.fill("not UTF-8", Expect::kEither, c.world.directory + "/\xff\xfe");
  } else {
    const Expect unknown = std::strcmp(c.parameter.name, "split") == 0 ? Expect::kEither : Expect::kFailure;
    c.fill("unknown", unknown, "nonsense");
    c.fill("one character more", unknown, valid + "x");
    c.fill("not UTF-8", unknown, "\xff\xfe\n%s%n");
    // The training windows have no end, so many of them are a long wait, not an error.
    bool many = false;
    for (const Parameter& p : c.function.parameters) many = many || std::strcmp(p.name, "num_windows") == 0;
    if (unknown == Expect::kEither && !many) c.fill("train", Expect::kEither, "train");
  }
}

void texts(Context& c) {
  c.null(Expect::kFailureAlone);
  if (std::strcmp(c.parameter.name, "json") != 0) {
    for (const char* text :
         {"", " ", "-1", "16", "99999999999999999999", "word", "1 \xff\xfe", "0 1 2 3 4 5 6 7 8 9 10"}) {
      c.fill("another text", Expect::kEither, text);
    }
    c.fill("a NUL inside", Expect::kEither, std::string("1\0002", 3));
    return;
  }
  c.fill("empty", Expect::kEither, "");
  const std::string deep = R"({"model": )" + std::string(40, '[') + std::string(40, ']') + "}";
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string("null"), std::string(R"("text")"), std::string("{} {}"),
        std::string("{}\0{}", 5), std::string("{\"model\": \xff\xfe}"), deep, std::string((1 << 20) + 1, ' '),
        std::string(R"({"no_such_key": 1})"), std::string(R"({"seed": 1, "seed": 1})"),
        std::string(R"({"model": 5, "vocab_size": "x", "seed": -1})"), std::string(R"({"model": {"vocab_size": NaN}})"),
        std::string(R"({"train": {"steps": 1e400}, "temperature": 1e400, "vocab_size": 1e400})"),
        std::string(R"({"model": {"d_model": 65536, "num_heads": 1, "d_ff": 1048576, "num_layers": 1024,)"
                    R"( "vocab_size": 1048576, "moe": {"num_experts": 4096, "d_expert": 1048576}}})")}) {
    c.fill("JSON " + text.substr(0, 40), Expect::kFailure, text);
  }
  const bool layer = std::strstr(c.function.name, "moe_layer") != nullptr;  // has no use for batches
  c.fill("JSON of a huge batch", layer ? Expect::kEither : Expect::kFailure,
         R"({"train": {"batch_size": 65536, "seq_len": 1048576, "accumulation_steps": 65536}})");
}

void inputs(Context& c) {
  const std::string& valid = c.valid[c.index].content;
  c.null(Expect::kFailureAlone);
  c.misalign();
  const auto with_first = [&](const char* label, Expect expect, auto first) {
    std::string content = valid;
    if (content.size() < sizeof first) return;
    std::memcpy(content.data(), &first, sizeof first);
    c.fill(label, expect, content);
  };
  const std::string type = c.parameter.type;
  const Expect outside = std::strcmp(c.parameter.name, "tokens") == 0 ? Expect::kFailureAlone : Expect::kEither;
  if (type == "const int32_t*") {
    with_first("negative", outside, std::int32_t{-1});
    with_first("most negative", outside, std::numeric_limits<std::int32_t>::min());
    with_first("huge", outside, std::numeric_limits<std::int32_t>::max());
    with_first("one too many", outside, std::int32_t{16});
  } else if (type == "const uint16_t*") {
    with_first("huge", outside, std::uint16_t{65535});
    with_first("one too many", outside, std::uint16_t{16});
  } else if (type == "const uint8_t*") {
    with_first("255", Expect::kEither, std::uint8_t{255});
    c.fill("zeros", Expect::kEither, std::string(valid.size(), '\0'));
  } else if (type == "const int64_t*") {
    with_first("negative", Expect::kEither, std::int64_t{-1});
    with_first("most negative", Expect::kEither, std::numeric_limits<std::int64_t>::min());
    with_first("huge", Expect::kEither, std::numeric_limits<std::int64_t>::max());
    c.fill("zeros", Expect::kEither, std::string(valid.size(), '\0'));
  } else if (type == "const float*") {
    const bool parameter = std::strcmp(c.parameter.name, "data") == 0;
    for (const float value : {std::nanf(""), INFINITY, -INFINITY}) {
      with_first("not finite", parameter ? Expect::kFailureAlone : Expect::kEither, value);
    }
    with_first("huge", Expect::kEither, 3e38F);
    with_first("tiny", Expect::kEither, 1e-42F);
  }
}

void counts(Context& c) {
  const std::size_t pointer = c.pointer_index();
  const Parameter& of = c.function.parameters[pointer];
  const std::uint64_t size = of.size, valid = c.valid[pointer].content.size() / size;
  const Expect other = of.role == Role::kBound ? Expect::kFailureAlone : Expect::kEither;
  c.add("zero", Expect::kEither, bits(0));
  if (valid > 1) c.add("one", other, bits(1));
  c.add("one too few", other, bits(valid - 1));
  c.add("one too many", other, bits(valid + 1));
  c.add("twice", other, bits(2 * valid));
  // No configuration is as long, and the caller's memory is not.
  if (std::strcmp(of.name, "json") == 0) {
    const std::string function = c.function.name;
    const bool is_manifest = function == "minimoe_compare_findings";  // which may have 16 MiB
    const bool are_runs = function == "minimoe_break_findings" || function == "minimoe_run_findings";  // 1 GiB
    const std::uint64_t most = std::uint64_t{1} << (is_manifest ? 24 : are_runs ? 30 : 20);
    for (const std::uint64_t size_of_text : {most + 1, std::uint64_t{1} << 31, std::uint64_t{1} << 40}) {
      c.add("more than it may have", Expect::kFailure, bits(size_of_text), MINIMOE_E_INVALID_ARGUMENT);
    }
  }
  // No array can be as long: nothing may be read, and no memory asked for.
  for (const std::uint64_t huge :
       {kAll, kTop, kTop - 1, kAll / size, kAll / size + 1 + valid, kTop / size, (kTop / size) & ~std::uint64_t{255},
        std::uint64_t{1} << 60, std::uint64_t{1} << 58, std::uint64_t{1} << 56}) {
    if (huge < (std::uint64_t{1} << 50)) continue;  // it wrapped to something possible
    c.add("huge", Expect::kFailure, bits(huge));
  }
}

void caps(Context& c) {
  const std::size_t pointer = c.pointer_index();
  const Parameter& of = c.function.parameters[pointer];
  const std::uint64_t needed = of.role == Role::kStructs ? 1 : c.needed[pointer];
  const minimoe_status code = of.role == Role::kStructs ? MINIMOE_E_INVALID_ARGUMENT : MINIMOE_E_BUFFER_TOO_SMALL;
  if (needed > 0) {
    c.add("zero", Expect::kFailureAlone, bits(0), code);
    c.add("one too few", Expect::kFailureAlone, bits(needed - 1), code);
  }
  c.add("one more", Expect::kSuccess, bits(needed + 1));
  c.add("huge", Expect::kEither, bits(kTop));
  c.add("negative", Expect::kEither, bits(kAll));
}

void outputs(Context& c) {
  const bool optional = c.parameter.role == Role::kNeeded || c.parameter.role == Role::kStructs ||
                        c.parameter.role == Role::kStructsCount;
  const bool empty = c.parameter.role == Role::kOutput && c.needed[c.index] == 0;
  c.null(optional ? Expect::kSuccess : empty ? Expect::kEither : Expect::kFailureAlone);
  if (!empty) c.misalign();
}

void struct_sizes(Context& c) {
  const std::uint64_t size = c.function.parameters[c.pointer_index()].size;
  c.add("zero", Expect::kFailureAlone, bits(0));
  c.add("too small for its own size", Expect::kFailureAlone, bits(3));
  c.add("not a multiple", Expect::kEither, bits(size - 3));
  c.add("half", Expect::kEither, bits(size / 2));
  c.add("an older struct", Expect::kSuccess, bits(size - 8));
  c.add("a newer struct", Expect::kSuccess, bits(size + 8));
  c.add("much newer", Expect::kEither, bits(512));
  for (const std::uint64_t huge : {std::uint64_t{1} << 20, std::uint64_t{1} << 32, kTop, kAll, kAll - size + 1}) {
    c.add("huge", Expect::kFailureAlone, bits(huge));
  }
}

std::string as_bytes(const minimoe_options& options) {
  return std::string(reinterpret_cast<const char*>(&options), sizeof options);
}

void options(Context& c) {
  c.null(Expect::kSuccess);
  c.misalign();
  const auto with = [&](const char* label, Expect expect, const std::function<void(minimoe_options&)>& change) {
    minimoe_options o{};
    o.struct_size = sizeof o;
    o.num_threads = 1;
    change(o);
    c.fill(label, expect, as_bytes(o));
  };
  const auto sized = [&](const char* label, Expect expect, std::uint32_t size) {
    with(label, expect, [size](minimoe_options& o) { o.struct_size = size; });
  };
  sized("size 0", Expect::kFailure, 0);
  sized("size 3", Expect::kFailure, 3);
  sized("nothing but the size", Expect::kEither, 4);
  sized("an older struct", Expect::kSuccess, sizeof(minimoe_options) - 8);
  sized("half a pointer", Expect::kFailure, offsetof(minimoe_options, allocate) + 4);
  sized("size 4097", Expect::kFailure, 4097);  // nothing past the struct may be read
  sized("huge size", Expect::kFailure, 0xffffffffU);
  for (const std::int32_t bad :
       {-1, 99999, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()}) {
    with("num_threads", Expect::kFailure, [bad](minimoe_options& o) { o.num_threads = bad; });
    with("instruction_set", Expect::kFailure, [bad](minimoe_options& o) { o.instruction_set = bad; });
    with("matmul_backend", Expect::kFailure, [bad](minimoe_options& o) { o.matmul_backend = bad; });
    with("log_level", Expect::kFailure, [bad](minimoe_options& o) { o.log_level = bad; });
    with("reserved", Expect::kFailure, [bad](minimoe_options& o) { o.reserved = bad; });
  }
  with("257 threads", Expect::kFailure, [](minimoe_options& o) { o.num_threads = 257; });
  with("BLAS", Expect::kEither, [](minimoe_options& o) { o.matmul_backend = MINIMOE_MATMUL_BLAS; });
  with("the portable kernels", Expect::kSuccess,
       [](minimoe_options& o) { o.instruction_set = MINIMOE_INSTRUCTIONS_SCALAR; });
  with("allocate alone", Expect::kFailure,
       [](minimoe_options& o) { o.allocate = [](void*, std::size_t, std::size_t) -> void* { return nullptr; }; });
  with("deallocate alone", Expect::kFailure,
       [](minimoe_options& o) { o.deallocate = [](void*, void*, std::size_t, std::size_t) {}; });
  minimoe_options newer{};
  newer.struct_size = sizeof newer + 16;
  c.fill("a newer struct", Expect::kSuccess, as_bytes(newer) + std::string(16, '\0'));
  c.fill("a newer struct with a field set", Expect::kFailure, as_bytes(newer) + std::string(15, '\0') + '\1',
         MINIMOE_E_VERSION);
}

void numbers(Context& c) {
  const std::string type = c.parameter.type;
  if (type == "double") {
    for (const double bad : {std::nan(""), -1.0, double{INFINITY}, -double{INFINITY}})
      c.add("not allowed", Expect::kFailure, {nullptr, 0, bad});
    for (const double odd : {0.0, -0.0, 1e-310, 1e300}) c.add("odd", Expect::kEither, {nullptr, 0, odd});
    return;
  }
  const std::uint64_t valid = c.valid[c.index].value.bits;
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{3}, valid + 1, valid - 1, std::uint64_t{99},
        (std::uint64_t{1} << 24) + 1, std::uint64_t{1} << 31, std::uint64_t{1} << 32, (std::uint64_t{1} << 32) - 1,
        std::uint64_t{1} << 60, std::uint64_t{1} << 61, std::uint64_t{1} << 62, kTop - 1, kTop, kAll, kAll - 1}) {
    if (value != valid) c.add(std::to_string(value), Expect::kEither, bits(value));
  }
}

}  // namespace

std::vector<Variant> variants(const Function& function, std::size_t index, const std::vector<Valid>& valid,
                              const std::vector<std::size_t>& needed, const World& world) {
  Context c{function, function.parameters[index], index, valid, needed, world, {}};
  switch (c.parameter.role) {
    case Role::kHandle:
    case Role::kCancel:
      handles(c);
      break;
    case Role::kCstring:
      names(c);
      break;
    case Role::kText:
      texts(c);
      break;
    case Role::kInput:
    case Role::kBound:
      inputs(c);
      break;
    case Role::kCount:
      counts(c);
      break;
    case Role::kCap:
    case Role::kStructsCap:
      caps(c);
      break;
    case Role::kStructSize:
      struct_sizes(c);
      break;
    case Role::kOptions:
      options(c);
      break;
    case Role::kNumber:
      numbers(c);
      break;
    case Role::kCallback:
    case Role::kUserData:
      c.null(Expect::kSuccess);
      break;
    case Role::kNewHandle:
    case Role::kStruct:
    case Role::kStructs:
    case Role::kStructsCount:
    case Role::kOutput:
    case Role::kNeeded:
    case Role::kResult:
      outputs(c);
      break;
  }
  return c.list;
}
