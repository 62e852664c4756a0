// Products in bfloat16, two at once, where the kernel is compiled for it; sums, and all that becomes of them, stay in
// float32. Part of recurrent_kernel.hpp, which says how it is compiled.

#pragma once

#include <cstdint>

#include "ops/cpu/bfloat16_pairs.hpp"
#include "ops/cpu/several.hpp"
#include "ops/cpu/vector.hpp"

#if defined(DNAFAST_NARROW)
#include <immintrin.h>
#endif

namespace dnafast {
namespace {

#if defined(DNAFAST_NARROW)

constexpr bool narrow = true;
constexpr std::int64_t terms_together = 2;

// [row][vector] -> [pair of rows][vector]
template <int vectors>
void pack_pairs(const Vector<float>* values, std::int64_t count, Vector<float>* pairs) {
  for (std::int64_t pair = 0; pair < count / 2; ++pair) {
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) {
      pairs[pair * vectors + v] = pair_of(values[2 * pair * vectors + v], values[(2 * pair + 1) * vectors + v]);
    }
  }
}

// sums[row] += the rows that pairs of them hold.
template <int vectors>
void add_pairs(const Vector<float>* pairs, std::int64_t count, Vector<float>* sums) {
  for (std::int64_t pair = 0; pair < count / 2; ++pair) {
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) {
      sums[2 * pair * vectors + v] += low_of(pairs[pair * vectors + v]);
      sums[(2 * pair + 1) * vectors + v] += high_of(pairs[pair * vectors + v]);
    }
  }
}

// [row][vector] -> [row][pair of lanes], a row after the other, or `step` pairs apart.
template <int vectors>
void pack_lanes(const Vector<float>* values, std::int64_t rows, float* pairs,
                std::int64_t step = vectors * VectorOf<float>::lanes / 2) {
  for (std::int64_t row = 0; row < rows; ++row, pairs += step) {
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) {
      const __m256bh half = _mm512_cvtneps_pbh(values[row * vectors + v]);
      __builtin_memcpy(pairs + v * VectorOf<float>::lanes / 2, &half, sizeof(half));
    }
  }
}

// Two rows of bfloat16 -> for each column a pair.
inline void zip_rows(const float* low, const float* high, std::int64_t columns, float* pairs) {
  for (std::int64_t column = 0; column < columns; ++column) {
    const auto value = [column](const float* row) {
      std::uint16_t bits;
      __builtin_memcpy(&bits, reinterpret_cast<const char*>(row) + 2 * column, sizeof(bits));
      return static_cast<std::uint32_t>(bits);
    };
    const std::uint32_t both = value(low) | value(high) << 16;
    __builtin_memcpy(pairs + column, &both, sizeof(both));
  }
}

// sum + the product of a value in all lanes and a vector; of both halves of pairs.
template <class T>
DNAFAST_INLINE Vector<T> add_product(const Vector<T>& sum, const T& value, const Vector<T>& vector) {
  std::int32_t bits;  // whatever number they would be
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(Mask<float>{} + bits), reinterpret_cast<__m512bh>(vector));
}

#else

constexpr bool narrow = false;
constexpr std::int64_t terms_together = 1;

template <class T>
DNAFAST_INLINE Vector<T> add_product(const Vector<T>& sum, const T& value, const Vector<T>& vector) {
  return sum + value * vector;
}

#endif

}  // namespace
}  // namespace dnafast
