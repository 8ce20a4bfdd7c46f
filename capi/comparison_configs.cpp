// SPDX-License-Identifier: Apache-2.0
#include <minimoe/analysis/comparison_variants.hpp>
#include <minimoe/analysis/router_balancers.hpp>

#include "config.hpp"
#include "core/json_writer.hpp"

namespace minimoe::capi {
namespace {

std::string variants_text(const std::vector<ComparisonVariant>& variants) {
  JsonWriter list;
  list.begin('[');
  for (const ComparisonVariant& v : variants) {
    list.begin('{').member("key", v.key).member("title", v.title).raw_member("config", run_config_json(v.config));
    list.end('}');
  }
  return list.end(']').text();
}

std::string balancers_text(const std::vector<RouterBalancer>& balancers) {
  JsonWriter list;
  list.begin('[');
  for (const RouterBalancer& b : balancers) {
    list.begin('{').member("name", b.name).member("title", b.title).raw_member("config", run_config_json(b.config));
    list.end('}');
  }
  return list.end(']').text();
}

}  // namespace
}  // namespace minimoe::capi

using namespace minimoe::capi;

minimoe_status minimoe_config_variants(const char* json, size_t json_len, char* buf, size_t buf_cap, size_t* buf_needed,
                                       minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    out.write(variants_text(minimoe::comparison_variants(parse_model_config(where, json, json_len), where)));
  });
}

minimoe_status minimoe_config_balancers(const char* json, size_t json_len, const char* kinds, char* buf, size_t buf_cap,
                                        size_t* buf_needed, minimoe_error* err) {
  return guarded(__func__, err, [&](const char* where) {
    const TextOutput out(where, buf, buf_cap, buf_needed);
    const minimoe::RunConfig config = parse_config(where, json, json_len);
    out.write(balancers_text(minimoe::router_balancers(config, input_name(where, "kinds", kinds), where)));
  });
}
