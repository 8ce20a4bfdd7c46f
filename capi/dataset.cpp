// SPDX-License-Identifier: Apache-2.0
// Where tokens come from: the configuration's source, or the caller's memory.
#include "dataset.hpp"

#include "arguments.hpp"
#include "config.hpp"
#include "json_options.hpp"

namespace minimoe::capi {
namespace {

MemorySourceOptions memory_options(const char* where, const std::string& json, MemoryResource* resource) {
  MemorySourceOptions o;
  JsonOptions read(where, "json", json);
  read.integer("vocab_size", o.vocab_size, 1, o.kMaxVocab);
  read.real("val_fraction", o.val_fraction, 0, 0.5);
  read.text("name", o.name);
  read.texts("class_names", o.class_names, o.kMaxClasses);
  const bool has_vocab_size = read.has("vocab_size");
  read.finish();
  require(has_vocab_size, where, ": json: vocab_size: left out, expected an integer 1..", o.kMaxVocab);
  o.resource = resource;
  return o;
}

// A dataset over a MemorySource(options, source_arguments...).
template <class... Arguments>
std::unique_ptr<minimoe_dataset> make_in_memory(const char* where, const char* json, std::size_t json_len,
                                                const minimoe_options* options, const Arguments&... source_arguments) {
  const std::string text = input_json(where, json, json_len);
  auto dataset = std::make_unique<minimoe_dataset>(where, options);
  auto source =
      std::make_unique<MemorySource>(memory_options(where, text, dataset->options.resource()), source_arguments...);
  dataset->memory = source.get();
  dataset->owned_source = std::move(source);
  dataset->options.log(MINIMOE_LOG_INFO, "dataset: ", dataset->source().name(), ", in memory, ",
                       dataset->source().vocab_size(), " token ids");
  return dataset;
}

template <class Token>
minimoe_status append(const char* name, minimoe_dataset* dataset, const Token* tokens, std::size_t num_tokens,
                      const std::uint8_t* classes, std::size_t num_classes, minimoe_error* err) {
  return guarded(name, err, [&](const char* where) {
    const Writing<minimoe_dataset> writing(where, "dataset", dataset);
    const auto all = input(where, "tokens", tokens, num_tokens);
    const auto all_classes = input(where, "classes", classes, num_classes);
    if (!writing->memory) {
      fail(MINIMOE_E_UNSUPPORTED, where, ": the dataset was opened, only one of minimoe_dataset_create grows");
    }
    writing->memory->append(all, all_classes);
  });
}

template <class Token>
minimoe_status borrow(const char* name, const char* json, std::size_t json_len, const Token* tokens,
                      std::size_t num_tokens, const std::uint8_t* classes, std::size_t num_classes,
                      minimoe_release_fn release, void* user_data, minimoe_dataset** out, minimoe_error* err) {
  return guarded(name, err, [&](const char* where) {
    check_pointer(where, "out", out);
    auto dataset = make_in_memory(where, json, json_len, nullptr, input(where, "tokens", tokens, num_tokens),
                                  input(where, "classes", classes, num_classes));
    dataset->borrowed.arm(release, user_data);
    *out = dataset.release();
  });
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_dataset_open(const char* json, size_t json_len, const minimoe_options* options,
                                    minimoe_dataset** out, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "out", out);
    const minimoe::RunConfig config = parse_config(where, json, json_len);
    auto dataset = std::make_unique<minimoe_dataset>(where, options);
    dataset->data = config.data;
    dataset->owned_source = minimoe::open_token_source(config.data, dataset->options.resource());
    dataset->options.log(MINIMOE_LOG_INFO, "dataset: opened ", config.data.corpus, ", ", dataset->source().vocab_size(),
                         " token ids");
    *out = dataset.release();
  });
}

minimoe_status minimoe_dataset_create(const char* json, size_t json_len, const minimoe_options* options,
                                      minimoe_dataset** out, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "out", out);
    *out = make_in_memory(where, json, json_len, options).release();
  });
}

minimoe_status minimoe_dataset_append_i32(minimoe_dataset* dataset, const int32_t* tokens, size_t num_tokens,
                                          const uint8_t* classes, size_t num_classes, minimoe_error* err) {
  return append(__func__, dataset, tokens, num_tokens, classes, num_classes, err);
}

minimoe_status minimoe_dataset_append_u16(minimoe_dataset* dataset, const uint16_t* tokens, size_t num_tokens,
                                          const uint8_t* classes, size_t num_classes, minimoe_error* err) {
  return append(__func__, dataset, tokens, num_tokens, classes, num_classes, err);
}

minimoe_status minimoe_dataset_borrow_i32(const char* json, size_t json_len, const int32_t* tokens, size_t num_tokens,
                                          const uint8_t* classes, size_t num_classes, minimoe_release_fn release,
                                          void* user_data, minimoe_dataset** out, minimoe_error* err) {
  return borrow(__func__, json, json_len, tokens, num_tokens, classes, num_classes, release, user_data, out, err);
}

minimoe_status minimoe_dataset_borrow_u16(const char* json, size_t json_len, const uint16_t* tokens, size_t num_tokens,
                                          const uint8_t* classes, size_t num_classes, minimoe_release_fn release,
                                          void* user_data, minimoe_dataset** out, minimoe_error* err) {
  return borrow(__func__, json, json_len, tokens, num_tokens, classes, num_classes, release, user_data, out, err);
}

minimoe_status minimoe_dataset_retain(minimoe_dataset* dataset, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) { add_owner(where, "dataset", dataset); });
}

void minimoe_dataset_free(minimoe_dataset* dataset) { release(dataset); }
