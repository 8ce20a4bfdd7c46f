// SPDX-License-Identifier: Apache-2.0
#include "core/sha256.hpp"

#include <mbedtls/md.h>

#include <new>

#include "minimoe/core/error.hpp"

namespace minimoe {

struct Sha256::Impl {
  mbedtls_md_context_t context;
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  mbedtls_md_init(&impl_->context);
  if (mbedtls_md_setup(&impl_->context, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 0) != 0) throw std::bad_alloc();
  mbedtls_md_starts(&impl_->context);
}

Sha256::~Sha256() { mbedtls_md_free(&impl_->context); }

void Sha256::update(std::string_view bytes) {
  mbedtls_md_update(&impl_->context, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::string Sha256::hex() {
  unsigned char digest[32];
  mbedtls_md_finish(&impl_->context, digest);
  std::string text;
  for (const unsigned char byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace minimoe
