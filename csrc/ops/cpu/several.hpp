// A few vectors that take the same way side by side, so that none waits for the other. Part of recurrent_kernel.hpp,
// which says how it is compiled.

#pragma once

#include "ops/cpu/vector.hpp"

namespace dnafast {
namespace {

#define DNAFAST_INLINE inline __attribute__((always_inline))

template <class T, int count>
struct Several {
  Vector<T> at[count];
};

template <class T, int count>
DNAFAST_INLINE Several<T, count> load_several(const Vector<T>* from) {
  Several<T, count> result;
#pragma GCC unroll 8
  for (int i = 0; i < count; ++i) result.at[i] = from[i];
  return result;
}

template <class T, int count>
DNAFAST_INLINE void store_several(Vector<T>* to, const Several<T, count>& values) {
#pragma GCC unroll 8
  for (int i = 0; i < count; ++i) to[i] = values.at[i];
}

template <class T, int count, class Function>
DNAFAST_INLINE Several<T, count> each_of(const Several<T, count>& a, const Function& function) {
  Several<T, count> result;
#pragma GCC unroll 8
  for (int i = 0; i < count; ++i) result.at[i] = function(a.at[i]);
  return result;
}

#define DNAFAST_SEVERAL_OPERATOR(op)                                                                     \
  template <class T, int count>                                                                          \
  DNAFAST_INLINE Several<T, count> operator op(const Several<T, count>& a, const Several<T, count>& b) { \
    Several<T, count> result;                                                                            \
    _Pragma("GCC unroll 8") for (int i = 0; i < count; ++i) result.at[i] = a.at[i] op b.at[i];           \
    return result;                                                                                       \
  }                                                                                                      \
  template <class T, int count>                                                                          \
  DNAFAST_INLINE Several<T, count> operator op(const Several<T, count>& a, T b) {                        \
    Several<T, count> result;                                                                            \
    _Pragma("GCC unroll 8") for (int i = 0; i < count; ++i) result.at[i] = a.at[i] op b;                 \
    return result;                                                                                       \
  }                                                                                                      \
  template <class T, int count>                                                                          \
  DNAFAST_INLINE Several<T, count> operator op(T a, const Several<T, count>& b) {                        \
    Several<T, count> result;                                                                            \
    _Pragma("GCC unroll 8") for (int i = 0; i < count; ++i) result.at[i] = a op b.at[i];                 \
    return result;                                                                                       \
  }

DNAFAST_SEVERAL_OPERATOR(+)
DNAFAST_SEVERAL_OPERATOR(-)
DNAFAST_SEVERAL_OPERATOR(*)
DNAFAST_SEVERAL_OPERATOR(/)

}  // namespace
}  // namespace dnafast
