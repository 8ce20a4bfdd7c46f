/* SPDX-License-Identifier: Apache-2.0 */
/* C functions that hand what they are told to Go. `user_data` is a number that Go knows, never an address of Go's. */
#ifndef MINIMOE_GO_CALLBACKS_H_
#define MINIMOE_GO_CALLBACKS_H_

#include <stdint.h>

uintptr_t minimoe_go_log_function(void);
uintptr_t minimoe_go_release_function(void);

#endif
