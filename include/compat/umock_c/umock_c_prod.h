/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Declares a function so that a unit test can put another definition of this macro in its place:
 *
 *     MOCKABLE_FUNCTION(modifiers, result, name, type1, argument1, type2, argument2, ...)
 *
 * stands for "result modifiers name(type1 argument1, type2 argument2, ...);" with its semicolon,
 * for up to 10 arguments. No include guard: the macro is defined anew on each inclusion.
 */
#ifndef DPS_MOCKABLE_DETAILS
#define DPS_MOCKABLE_DETAILS

/* Some preprocessors pass __VA_ARGS__ on as one argument unless it is expanded once more. */
#define DPS_MOCKABLE_EXPAND(x) x
#define DPS_MOCKABLE_JOIN(a, b) DPS_MOCKABLE_JOIN_NOW(a, b)
#define DPS_MOCKABLE_JOIN_NOW(a, b) a##b

/* How many of the arguments after the name there are, plus the name itself. */
#define DPS_MOCKABLE_PICK(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, count, ...) count
#define DPS_MOCKABLE_COUNT(...) DPS_MOCKABLE_EXPAND(DPS_MOCKABLE_PICK(__VA_ARGS__, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0))

#define DPS_MOCKABLE_1(name) name(void)
#define DPS_MOCKABLE_3(name, t1, a1) name(t1 a1)
#define DPS_MOCKABLE_5(name, t1, a1, t2, a2) name(t1 a1, t2 a2)
#define DPS_MOCKABLE_7(name, t1, a1, t2, a2, t3, a3) name(t1 a1, t2 a2, t3 a3)
#define DPS_MOCKABLE_9(name, t1, a1, t2, a2, t3, a3, t4, a4) name(t1 a1, t2 a2, t3 a3, t4 a4)
#define DPS_MOCKABLE_11(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5)
#define DPS_MOCKABLE_13(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6) name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6)
#define DPS_MOCKABLE_15(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6, t7, a7) name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6, t7 a7)
#define DPS_MOCKABLE_17(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6, t7, a7, t8, a8) name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6, t7 a7, t8 a8)
#define DPS_MOCKABLE_19(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6, t7, a7, t8, a8, t9, a9) name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6, t7 a7, t8 a8, t9 a9)
#define DPS_MOCKABLE_21(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6, t7, a7, t8, a8, t9, a9, t10, a10) name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6, t7 a7, t8 a8, t9 a9, t10 a10)

#endif /* DPS_MOCKABLE_DETAILS */

#ifdef MOCKABLE_FUNCTION
#undef MOCKABLE_FUNCTION
#endif
/* The arguments after the result are the variable ones, so that there is always at least one. */
#define MOCKABLE_FUNCTION(modifiers, result, ...) \
    result modifiers DPS_MOCKABLE_EXPAND(DPS_MOCKABLE_JOIN(DPS_MOCKABLE_, DPS_MOCKABLE_COUNT(__VA_ARGS__))(__VA_ARGS__));
