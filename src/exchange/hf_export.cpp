// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <map>

#include "exchange/hf_tensors.hpp"
#include "minimoe/exchange/hugging_face.hpp"
#include "train/atomic_file.hpp"
#include "train/safetensors.hpp"

namespace minimoe {

template <class T>
void export_hugging_face(const std::string& directory, const ModelConfig& config, const ParameterList<T>& parameters) {
  namespace fs = std::filesystem;
  const HfType type = choose_hf_type(config, has_expert_bias(parameters));
  std::map<std::string, const T*> values;
  for (const ParameterRef<T>& p : parameters) values[p.name] = p.value;
  std::vector<TensorToWrite> tensors;
  for (const HfTensor& tensor : hf_tensors(type, config)) {
    const T* from = values.at(tensor.parameter) + tensor.offset;
    tensors.push_back({tensor.name, TensorType::kF32, tensor.shape, nullptr,
                       [tensor, from](void* out) { copy_to_disk_layout(tensor, from, static_cast<float*>(out)); }});
  }
  std::error_code error;
  fs::create_directory(directory, error);
  if (error) throw Error(ErrorCode::kIo, concat(directory, ": cannot make the directory: ", error.message()));
  const fs::path root(directory);
  // Whatever fails from here on, no old configuration is beside new weights.
  fs::remove(root / "config.json", error);
  if (error) throw Error(ErrorCode::kIo, concat(directory, "/config.json: cannot be replaced: ", error.message()));
  write_safetensors((root / "model.safetensors").string(), std::move(tensors), {});
  AtomicFile file((root / "config.json").string());
  file.write(hf_config_json(type, config));
  file.commit();
}

template void export_hugging_face(const std::string&, const ModelConfig&, const ParameterList<float>&);
template void export_hugging_face(const std::string&, const ModelConfig&, const ParameterList<double>&);

}  // namespace minimoe
