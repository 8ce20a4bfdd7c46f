/* SPDX-License-Identifier: Apache-2.0
 *
 * The C interface of libminimoe. So far it tells its version; the families for models, training and the bare MoE layer
 * follow. Plain C99, valid in later C and in C++. */
#ifndef MINIMOE_H_
#define MINIMOE_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MINIMOE_API __attribute__((visibility("default")))
#else
#define MINIMOE_API
#endif

/* Version of this header: major * 1000000 + minor * 1000 + patch. */
#define MINIMOE_VERSION_NUMBER 1000

/* Version of the library that is running, as MINIMOE_VERSION_NUMBER; compare the two to notice a mismatch.
 * Never fails; callable from any thread. */
MINIMOE_API int32_t minimoe_version_number(void);

/* The same as text, "0.1.0". Owned by the library, valid for ever. Never fails; callable from any thread. */
MINIMOE_API const char *minimoe_version_string(void);

#ifdef __cplusplus
}
#endif

#endif /* MINIMOE_H_ */
