// SPDX-License-Identifier: Apache-2.0
#include "minimoe.h"

int32_t minimoe_version_number(void) { return MINIMOE_VERSION_NUMBER; }

const char* minimoe_version_string(void) { return MINIMOE_VERSION_TEXT; }
