// Two vectors of float in one: two values, rounded to bfloat16, in the bits of each lane, that of the first in the
// lower half. Part of the kernels (conv1d_kernel.hpp, recurrent_kernel.hpp), which say how they are compiled, and what
// DNAFAST_NARROW is.

#pragma once

#include <cstdint>

#include "ops/cpu/several.hpp"
#include "ops/cpu/vector.hpp"

#if defined(DNAFAST_NARROW)
#include <immintrin.h>
#endif

namespace dnafast {
namespace {

typedef std::uint32_t Bits __attribute__((vector_size(DNAFAST_VECTOR_BYTES)));

#if defined(DNAFAST_NARROW)

DNAFAST_INLINE Vector<float> pair_of(const Vector<float>& low, const Vector<float>& high) {
  const auto apart = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));  // all low ones, then all high ones
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return reinterpret_cast<Vector<float>>(_mm512_mask_permutexvar_epi16(apart, ~__mmask32{0}, order, apart));
}

#else

// To the nearest in the upper half of each lane, ties to even. What is no number would be lost to the carry only where
// all its lowest bits are set, as no arithmetic on values of 16 bits leaves them.
DNAFAST_INLINE Bits rounded(const Vector<float>& values) {
  const Bits bits = reinterpret_cast<Bits>(values);
  return bits + 0x7fff + ((bits >> 16) & 1);
}

DNAFAST_INLINE Vector<float> pair_of(const Vector<float>& low, const Vector<float>& high) {
  return reinterpret_cast<Vector<float>>((rounded(low) >> 16) | (rounded(high) & 0xffff0000));
}

#endif

DNAFAST_INLINE Vector<float> low_of(const Vector<float>& pair) {
  return reinterpret_cast<Vector<float>>(reinterpret_cast<Bits>(pair) << 16);
}

DNAFAST_INLINE Vector<float> high_of(const Vector<float>& pair) {
  return reinterpret_cast<Vector<float>>(reinterpret_cast<Bits>(pair) & 0xffff0000);
}

}  // namespace
}  // namespace dnafast
