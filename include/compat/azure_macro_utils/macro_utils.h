/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Enumerations that know the names of their values.
 *
 *     MU_DEFINE_ENUM_WITHOUT_INVALID(T, A, B, ...)          in a header: the type T and the
 *                                                           declaration of MU_T_ToString
 *     MU_DEFINE_ENUM_STRINGS_WITHOUT_INVALID(T, A, B, ...)  in one source file: its definition
 *     MU_ENUM_TO_STRING(T, value)                           the name, or "UNKNOWN"
 *
 * The variants without _WITHOUT_INVALID put T_INVALID in front. Up to 64 values.
 */
#ifndef MACRO_UTILS_H
#define MACRO_UTILS_H

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#ifdef OPTIMIZE_RETURN_CODES
#define MU_FAILURE 1
#else
#define MU_FAILURE __LINE__
#endif

#define MU_DEFINE_ENUM_WITHOUT_INVALID(T, ...) \
    typedef enum T##_TAG { __VA_ARGS__ } T; \
    const char* MU_##T##_ToString(T value);

#define MU_DEFINE_ENUM(T, ...) MU_DEFINE_ENUM_WITHOUT_INVALID(T, T##_INVALID, __VA_ARGS__)

#define MU_DEFINE_ENUM_STRINGS_WITHOUT_INVALID(T, ...) \
    const char* MU_##T##_ToString(T value) \
    { \
        switch (value) \
        { \
            DPS_MU_CASES(__VA_ARGS__) \
            default: \
                return "UNKNOWN"; \
        } \
    }

#define MU_DEFINE_ENUM_STRINGS(T, ...) MU_DEFINE_ENUM_STRINGS_WITHOUT_INVALID(T, T##_INVALID, __VA_ARGS__)

#define MU_ENUM_TO_STRING(T, value) MU_##T##_ToString(value)

/* One "case" for each argument. */
#define DPS_MU_EXPAND(x) x
#define DPS_MU_JOIN(a, b) DPS_MU_JOIN_NOW(a, b)
#define DPS_MU_JOIN_NOW(a, b) a##b
#define DPS_MU_CASES(...) DPS_MU_EXPAND(DPS_MU_JOIN(DPS_MU_CASES_, DPS_MU_COUNT(__VA_ARGS__))(__VA_ARGS__))
#define DPS_MU_COUNT(...) DPS_MU_EXPAND(DPS_MU_PICK(__VA_ARGS__, \
    64, 63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, \
    48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, \
    32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, \
    16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0))
#define DPS_MU_PICK( \
    a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, \
    a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, \
    a33, a34, a35, a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47, a48, \
    a49, a50, a51, a52, a53, a54, a55, a56, a57, a58, a59, a60, a61, a62, a63, a64, \
    count, ...) count
#define DPS_MU_CASES_1(a) case a: return #a;
#define DPS_MU_CASES_2(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_1(__VA_ARGS__))
#define DPS_MU_CASES_3(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_2(__VA_ARGS__))
#define DPS_MU_CASES_4(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_3(__VA_ARGS__))
#define DPS_MU_CASES_5(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_4(__VA_ARGS__))
#define DPS_MU_CASES_6(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_5(__VA_ARGS__))
#define DPS_MU_CASES_7(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_6(__VA_ARGS__))
#define DPS_MU_CASES_8(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_7(__VA_ARGS__))
#define DPS_MU_CASES_9(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_8(__VA_ARGS__))
#define DPS_MU_CASES_10(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_9(__VA_ARGS__))
#define DPS_MU_CASES_11(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_10(__VA_ARGS__))
#define DPS_MU_CASES_12(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_11(__VA_ARGS__))
#define DPS_MU_CASES_13(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_12(__VA_ARGS__))
#define DPS_MU_CASES_14(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_13(__VA_ARGS__))
#define DPS_MU_CASES_15(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_14(__VA_ARGS__))
#define DPS_MU_CASES_16(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_15(__VA_ARGS__))
#define DPS_MU_CASES_17(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_16(__VA_ARGS__))
#define DPS_MU_CASES_18(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_17(__VA_ARGS__))
#define DPS_MU_CASES_19(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_18(__VA_ARGS__))
#define DPS_MU_CASES_20(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_19(__VA_ARGS__))
#define DPS_MU_CASES_21(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_20(__VA_ARGS__))
#define DPS_MU_CASES_22(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_21(__VA_ARGS__))
#define DPS_MU_CASES_23(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_22(__VA_ARGS__))
#define DPS_MU_CASES_24(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_23(__VA_ARGS__))
#define DPS_MU_CASES_25(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_24(__VA_ARGS__))
#define DPS_MU_CASES_26(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_25(__VA_ARGS__))
#define DPS_MU_CASES_27(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_26(__VA_ARGS__))
#define DPS_MU_CASES_28(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_27(__VA_ARGS__))
#define DPS_MU_CASES_29(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_28(__VA_ARGS__))
#define DPS_MU_CASES_30(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_29(__VA_ARGS__))
#define DPS_MU_CASES_31(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_30(__VA_ARGS__))
#define DPS_MU_CASES_32(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_31(__VA_ARGS__))
#define DPS_MU_CASES_33(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_32(__VA_ARGS__))
#define DPS_MU_CASES_34(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_33(__VA_ARGS__))
#define DPS_MU_CASES_35(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_34(__VA_ARGS__))
#define DPS_MU_CASES_36(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_35(__VA_ARGS__))
#define DPS_MU_CASES_37(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_36(__VA_ARGS__))
#define DPS_MU_CASES_38(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_37(__VA_ARGS__))
#define DPS_MU_CASES_39(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_38(__VA_ARGS__))
#define DPS_MU_CASES_40(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_39(__VA_ARGS__))
#define DPS_MU_CASES_41(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_40(__VA_ARGS__))
#define DPS_MU_CASES_42(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_41(__VA_ARGS__))
#define DPS_MU_CASES_43(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_42(__VA_ARGS__))
#define DPS_MU_CASES_44(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_43(__VA_ARGS__))
#define DPS_MU_CASES_45(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_44(__VA_ARGS__))
#define DPS_MU_CASES_46(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_45(__VA_ARGS__))
#define DPS_MU_CASES_47(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_46(__VA_ARGS__))
#define DPS_MU_CASES_48(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_47(__VA_ARGS__))
#define DPS_MU_CASES_49(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_48(__VA_ARGS__))
#define DPS_MU_CASES_50(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_49(__VA_ARGS__))
#define DPS_MU_CASES_51(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_50(__VA_ARGS__))
#define DPS_MU_CASES_52(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_51(__VA_ARGS__))
#define DPS_MU_CASES_53(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_52(__VA_ARGS__))
#define DPS_MU_CASES_54(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_53(__VA_ARGS__))
#define DPS_MU_CASES_55(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_54(__VA_ARGS__))
#define DPS_MU_CASES_56(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_55(__VA_ARGS__))
#define DPS_MU_CASES_57(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_56(__VA_ARGS__))
#define DPS_MU_CASES_58(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_57(__VA_ARGS__))
#define DPS_MU_CASES_59(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_58(__VA_ARGS__))
#define DPS_MU_CASES_60(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_59(__VA_ARGS__))
#define DPS_MU_CASES_61(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_60(__VA_ARGS__))
#define DPS_MU_CASES_62(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_61(__VA_ARGS__))
#define DPS_MU_CASES_63(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_62(__VA_ARGS__))
#define DPS_MU_CASES_64(a, ...) DPS_MU_CASES_1(a) DPS_MU_EXPAND(DPS_MU_CASES_63(__VA_ARGS__))

#endif /* MACRO_UTILS_H */
