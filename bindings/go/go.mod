// SPDX-License-Identifier: Apache-2.0
module minimoe

go 1.24
