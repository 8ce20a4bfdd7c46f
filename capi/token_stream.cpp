// SPDX-License-Identifier: Apache-2.0
// Continuations that are pulled, token by token.
#include "token_stream.hpp"

#include "cancel.hpp"
#include "core/json_writer.hpp"

using namespace minimoe::capi;
using minimoe::TokenStream;

namespace minimoe::capi {
namespace {

const char* end_name(TokenStream<float>::End end) {
  switch (end) {
    case TokenStream<float>::End::kMaxNewTokens:
      return "\"max_new_tokens\"";
    case TokenStream<float>::End::kStopToken:
      return "\"stop_token\"";
    case TokenStream<float>::End::kContextFull:
      return "\"max_seq_len\"";
    case TokenStream<float>::End::kNone:
      break;
  }
  return "null";
}

}  // namespace
}  // namespace minimoe::capi

minimoe_status minimoe_token_stream_create(minimoe_model* model, const int32_t* tokens, size_t num_tokens,
                                           const char* json, size_t json_len, minimoe_token_stream** out,
                                           minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "out", out);
    const auto prompt = input(where, "tokens", tokens, num_tokens);
    const Reading<minimoe_model> reading(where, "model", model);
    const auto options = parse_generate_options(where, json, json_len, reading->config.model, minimoe::WhenFull::kStop);
    *out = new minimoe_token_stream(where, *model, {prompt.begin(), prompt.end()}, options);
  });
}

void minimoe_token_stream_free(minimoe_token_stream* stream) { release(stream); }

minimoe_status minimoe_token_stream_next(minimoe_token_stream* stream, minimoe_cancel_token* cancel, int32_t* id,
                                         minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    check_pointer(where, "id", id);
    const Writing<minimoe_token_stream> writing(where, "stream", stream);
    const OptionalCancel token(where, cancel);
    if (writing->tokens.end() != TokenStream<float>::End::kNone) {
      *id = -1;
      return;
    }
    const Reading<minimoe_model> reading(where, "stream", &*writing->model);
    const std::uint64_t now = reading->generation.load();
    if (now != writing->generation) {
      fail(MINIMOE_E_UNSUPPORTED, where, ": the model's parameters have changed since the stream was made (generation ",
           writing->generation, ", now ", now, "); make another one");
    }
    minimoe::throw_if_cancelled(token.flag(), where);
    const auto work = reading->workspaces.lend();
    std::int32_t drawn = -1;
    writing->tokens.next(work->exec, drawn);
    *id = drawn;
  });
}

minimoe_status minimoe_token_stream_tokens(const minimoe_token_stream* stream, int32_t* ids, size_t ids_cap,
                                           size_t* ids_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Output<std::int32_t> out(where, "ids", ids, ids_cap, ids_needed);
    const Reading<minimoe_token_stream> reading(where, "stream", stream);
    out.write(reading->tokens.drawn());
  });
}

minimoe_status minimoe_token_stream_logits(const minimoe_token_stream* stream, float* values, size_t values_cap,
                                           size_t* values_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const Output<float> out(where, "values", values, values_cap, values_needed);
    const Reading<minimoe_token_stream> reading(where, "stream", stream);
    const auto logits = reading->tokens.logits();
    out.write({logits.data(), logits.size()});
  });
}

minimoe_status minimoe_token_stream_info(const minimoe_token_stream* stream, char* buf, size_t buf_cap,
                                         size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const Reading<minimoe_token_stream> reading(where, "stream", stream);
    const auto& tokens = reading->tokens;
    out.write(minimoe::concat("{\"num_tokens\":", tokens.text().size(), ",\"end\":", end_name(tokens.end()),
                              ",\"memory_bytes\":", tokens.memory_bytes(), ",\"packed_weights_bytes\":",
                              reading->packed ? reading->packed->memory_bytes() : 0, "}"));
  });
}
