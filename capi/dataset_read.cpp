// SPDX-License-Identifier: Apache-2.0
// What a dataset answers: its description, text and ids, windows, sentences.
#include <array>
#include <minimoe/data/grammar_corpus.hpp>

#include "arguments.hpp"
#include "config.hpp"
#include "core/json_writer.hpp"
#include "data/file/utf8.hpp"
#include "dataset.hpp"
#include "train/config_fields.hpp"

namespace minimoe::capi {
namespace {

std::string info(const TokenSource& source) {
  std::vector<std::string> splits;
  for (const Split split : evaluation_splits(source)) splits.push_back(split_name(split));
  JsonWriter out;
  out.begin('{').raw_member("name", json_of(source.name(), BadUtf8::kReplace));  // a file's name need not be UTF-8
  out.member("sha256", source.sha256()).member("vocab_size", source.vocab_size());
  out.member("class_names", source.class_names()).member("memory_bytes", source.memory_bytes());
  return out.member("splits", splits).end('}').text();
}

void check_seq_len(const char* where, std::size_t seq_len) {
  require(seq_len >= 1 && seq_len <= config::kMaxSequence, where, ": seq_len is ", seq_len, ", expected 1..",
          config::kMaxSequence);
}

struct Window {
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> classes;
};

Window read_window(const char* where, const TokenSource& source, Split split, std::uint64_t seed, std::uint64_t index,
                   std::size_t seq_len) {
  Window window;
  if (split != Split::kTrain) {
    const std::uint64_t count = source.num_eval_windows(split, seq_len);
    require(index < count, where, ": index is ", index, ", but ", split_name(split), " of ", source.name(), " has ",
            count, " windows of seq_len ", seq_len);
  }
  window.tokens.resize(seq_len + 1);
  window.classes.resize(source.class_names().empty() ? 0 : seq_len + 1);
  if (split == Split::kTrain) {
    source.train_window(seed, index, window.tokens, window.classes);
  } else {
    source.eval_window(split, index, window.tokens, window.classes);
  }
  return window;
}

void fit(const char* where, const TokenSource& source, RunConfig& config) {
  if (config.model.vocab_size == 0) config.model.vocab_size = source.vocab_size();
  require(config.model.vocab_size >= source.vocab_size(), where, ": model.vocab_size: ", config.model.vocab_size,
          ", but ", source.name(), " has token ids up to ", source.vocab_size() - 1,
          "; use 0 (that of the data) or at least ", source.vocab_size());
  require_no_problems(config.problems());
  read_window(where, source, Split::kTrain, config.train.seed, 0, config.train.seq_len);
}

std::string sentence_json(const char* where, const TokenSource& source, Split split, std::uint64_t seed,
                          std::uint64_t index) {
  const auto* corpus = dynamic_cast<const GrammarCorpus*>(&source);
  if (!corpus) fail(MINIMOE_E_UNSUPPORTED, where, ": ", source.name(), " is not made of sentences");
  const GrammarSentence sentence = corpus->sentence(split, index, seed);
  JsonWriter out;
  out.begin('{').member("tokens", sentence.tokens).member("classes", sentence.classes);
  return out.member("kind", sentence.kind).end('}').text();
}

double entropy_floor(const char* where, const TokenSource& source, Split split, std::size_t seq_len,
                     std::uint64_t num_windows) {
  if (!dynamic_cast<const GrammarCorpus*>(&source)) {
    fail(MINIMOE_E_UNSUPPORTED, where, ": the distribution of ", source.name(), " is not known");
  }
  if (split == Split::kTrain) {
    // Windows without end: a mistaken count would compute for years.
    constexpr std::uint64_t kMostTokens = std::uint64_t{1} << 22;
    require(num_windows >= 1 && num_windows <= kMostTokens / seq_len, where, ": num_windows is ", num_windows,
            ", expected 1..", kMostTokens / seq_len, " for train at seq_len ", seq_len);
  } else {
    const std::uint64_t count = source.num_eval_windows(split, seq_len);
    require(count >= 1 && num_windows <= count, where, ": num_windows is ", num_windows, ", but ", split_name(split),
            " has ", count, " windows of seq_len ", seq_len);
    if (num_windows == 0) num_windows = count;
  }
  return source.entropy_floor(split, seq_len, num_windows).value();
}

}  // namespace

Split input_split(const char* function, const char* split) {
  const std::string name = input_name(function, "split", split);
  try {
    return split_from_name(name);
  } catch (const Error& error) {
    throw Error(error.code(), concat(function, ": ", error.what()));
  }
}
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_dataset_info(const minimoe_dataset* dataset, char* buf, size_t buf_cap, size_t* buf_needed,
                                    minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_dataset> reading(where, "dataset", dataset);
    out.write(info(reading->source()));
  });
}

minimoe_status minimoe_dataset_fit_config(const minimoe_dataset* dataset, const char* json, size_t json_len, char* buf,
                                          size_t buf_cap, size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_dataset> reading(where, "dataset", dataset);
    minimoe::RunConfig config = parse_config(where, json, json_len);
    fit(where, reading->source(), config);
    out.write(minimoe::run_config_json(config));
  });
}

minimoe_status minimoe_dataset_encode(const minimoe_dataset* dataset, const char* text, size_t text_len, int32_t* ids,
                                      size_t ids_cap, size_t* ids_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Output<std::int32_t> out(where, "ids", ids, ids_cap, ids_needed);
    const Reading<minimoe_dataset> reading(where, "dataset", dataset);
    out.write(reading->source().encode(input_text(where, "text", text, text_len)));
  });
}

minimoe_status minimoe_dataset_decode(const minimoe_dataset* dataset, const int32_t* tokens, size_t num_tokens,
                                      char* buf, size_t buf_cap, size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_dataset> reading(where, "dataset", dataset);
    const auto all = input(where, "tokens", tokens, num_tokens);
    out.write(minimoe::replace_ill_formed(reading->source().decode(all)));
  });
}

minimoe_status minimoe_dataset_num_windows(const minimoe_dataset* dataset, const char* split, size_t seq_len,
                                           uint64_t* num_windows, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "num_windows", num_windows);
    const Reading<minimoe_dataset> reading(where, "dataset", dataset);
    const minimoe::Split which = input_split(where, split);
    check_seq_len(where, seq_len);
    *num_windows = which == minimoe::Split::kTrain ? 0 : reading->source().num_eval_windows(which, seq_len);
  });
}

minimoe_status minimoe_dataset_window(const minimoe_dataset* dataset, const char* split, uint64_t seed, uint64_t index,
                                      size_t seq_len, int32_t* ids, size_t ids_cap, size_t* ids_needed, uint8_t* labels,
                                      size_t labels_cap, size_t* labels_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Output<std::int32_t> tokens_out(where, "ids", ids, ids_cap, ids_needed);
    const Output<std::uint8_t> classes_out(where, "labels", labels, labels_cap, labels_needed);
    const Reading<minimoe_dataset> reading(where, "dataset", dataset);
    const minimoe::Split which = input_split(where, split);
    check_seq_len(where, seq_len);
    const Window window = read_window(where, reading->source(), which, seed, index, seq_len);
    if (window.tokens.size() > ids_cap || window.classes.size() > labels_cap) {
      tokens_out.set_needed(window.tokens.size());
      classes_out.set_needed(window.classes.size());
    }
    tokens_out.reserve(window.tokens.size());
    classes_out.reserve(window.classes.size());
    check_apart(where, "ids", ids, window.tokens.size() * sizeof(*ids), "labels", labels, window.classes.size());
    tokens_out.write(window.tokens);
    classes_out.write(window.classes);
  });
}

minimoe_status minimoe_dataset_sentence(const minimoe_dataset* dataset, const char* split, uint64_t seed,
                                        uint64_t index, char* buf, size_t buf_cap, size_t* buf_needed,
                                        minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_dataset> reading(where, "dataset", dataset);
    out.write(sentence_json(where, reading->source(), input_split(where, split), seed, index));
  });
}

minimoe_status minimoe_dataset_entropy_floor(const minimoe_dataset* dataset, const char* split, size_t seq_len,
                                             uint64_t num_windows, double* floor, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "entropy_floor", floor);
    const Reading<minimoe_dataset> reading(where, "dataset", dataset);
    const minimoe::Split which = input_split(where, split);
    check_seq_len(where, seq_len);
    *floor = entropy_floor(where, reading->source(), which, seq_len, num_windows);
  });
}
