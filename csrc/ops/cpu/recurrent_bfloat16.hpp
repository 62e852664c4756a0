// Products of the state and its weights in bfloat16, two at once, where the kernel is compiled for it; sums, and all
// that becomes of them, stay in float32. Part of recurrent_kernel.hpp, which says how it is compiled.

#pragma once

#include <cstdint>

#include "ops/cpu/several.hpp"
#include "ops/cpu/vector.hpp"

#if defined(DNAFAST_NARROW)
#include <immintrin.h>
#endif

namespace dnafast {
namespace {

#if defined(DNAFAST_NARROW)

// Neighbouring values, rounded, in one: that of the lower index in the lower half.
constexpr std::int64_t terms_together = 2;

DNAFAST_INLINE Mask<float> rounded(const Vector<float>& value) {
  const auto bits = reinterpret_cast<Mask<float>>(value);
  // To the nearest, ties to even; what is no number keeps a digit.
  const Mask<float> nearest = bits + 0x7fff + ((bits >> 16) & 1);
  return value == value ? nearest : bits | 0x400000;
}

template <int vectors>
void pack_pairs(const Vector<float>* values, std::int64_t count, Vector<float>* pairs) {
  for (std::int64_t pair = 0; pair < count / 2; ++pair) {
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) {
      const Mask<float> low = rounded(values[2 * pair * vectors + v]);
      const Mask<float> high = rounded(values[(2 * pair + 1) * vectors + v]);
      pairs[pair * vectors + v] = reinterpret_cast<Vector<float>>(((low >> 16) & 0xffff) | (high & ~0xffff));
    }
  }
}

// A pair of weights in all lanes, whatever number its bits would be.
DNAFAST_INLINE Mask<float> broadcast_bits(const float* pair) {
  std::int32_t bits;
  __builtin_memcpy(&bits, pair, sizeof(bits));
  return Mask<float>{} + bits;
}

// sum[row] += weights[pair][row] * pairs[pair], both products of a pair.
template <int rows, int vectors>
DNAFAST_INLINE void multiply_pairs(Several<float, vectors> (&sum)[rows], const float* weights, std::int64_t count,
                                   const Vector<float>* pairs) {
  for (std::int64_t pair = 0; pair < count; ++pair, weights += rows, pairs += vectors) {
    const auto value = load_several<float, vectors>(pairs);
#pragma GCC unroll 8
    for (int row = 0; row < rows; ++row) {
      const auto weight = reinterpret_cast<__m512bh>(broadcast_bits(weights + row));
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) {
        sum[row].at[v] = _mm512_dpbf16_ps(sum[row].at[v], weight, reinterpret_cast<__m512bh>(value.at[v]));
      }
    }
  }
}

#else

constexpr std::int64_t terms_together = 1;

template <int vectors, class V>
void pack_pairs(const V*, std::int64_t, const V*) {}

#endif

}  // namespace
}  // namespace dnafast
