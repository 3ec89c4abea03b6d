/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Where umock-c's header was in 2017. No include guard: the macro is defined anew each time. */
#include "umock_c/umock_c_prod.h"
