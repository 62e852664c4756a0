// What sigmoid and tanh of vectors are made of. Part of recurrent_kernel.hpp, which says how it is compiled.
//
// Divisions are dear, so that a cell puts several into one: sigmoid(x) = 1 / (1 + e) with e = exp(-x), and tanh(x) =
// e / (e + 2) with e = expm1(2 x), which keeps its relative accuracy near zero. In float32 tanh differs from the true
// value by less than 3e-7 of it; so does the sigmoid, but with AVX-512 by up to 6e-7 of it at -10 and 2e-6 at its
// reach: beyond, it stays as it is there, below 1e-12. What is no number stays none.

#pragma once

#include <cstdint>

#include "ops/cpu/several.hpp"
#include "ops/cpu/vector.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace dnafast {
namespace {

template <class T>
struct Reach;

// Products of the exponentials of two sigmoids and a tanh stay finite.
template <>
struct Reach<float> {
  static constexpr float sigmoid = 28;
  static constexpr float tanh = 10;  // from where on it is 1
};

template <>
struct Reach<double> {
  static constexpr double sigmoid = 250;
  static constexpr double tanh = 20;
};

// |x| at most `reach`. Written so that what is no number stays none.
template <class T, int count>
DNAFAST_INLINE Several<T, count> within(const Several<T, count>& x, T reach) {
  const Vector<T> high = Vector<T>{} + reach;
  const Vector<T> low = Vector<T>{} - reach;
  return each_of(x, [&](const Vector<T>& value) -> Vector<T> {
#if defined(__SSE2__)
    // The compiler makes comparisons and selections of the plain form, twice as many instructions.
    if constexpr (sizeof(T) == sizeof(float)) {
#if DNAFAST_VECTOR_BYTES == 32
      return _mm256_min_ps(high, _mm256_max_ps(low, value));
#elif DNAFAST_VECTOR_BYTES == 16
      return _mm_min_ps(high, _mm_max_ps(low, value));
#endif
    }
#endif
    const Vector<T> raised = value < low ? low : value;
    return raised > high ? high : raised;
  });
}

constexpr float log2_e = 1.44269504089f;

// x = whole * log(2) + rest with |rest| <= log(2) / 2, and 2 to the power of whole; for |x| < 87.
template <int count>
struct Reduced {
  Several<float, count> rest;
  Several<float, count> power;
};

template <int count>
DNAFAST_INLINE Reduced<count> reduced(const Several<float, count>& x) {
  constexpr float ln2_high = 0.693359375f;  // few bits, so that its products are exact
  constexpr float ln2_low = -2.12194440e-4f;
  constexpr float rounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  const Several<float, count> shifted = x * log2_e + rounder;
  const Several<float, count> whole = shifted - rounder;
  const Several<float, count> rest = x - whole * ln2_high;
  // The whole number, in the lowest bits of what was rounded, becomes the exponent of a power of two.
  const auto power = each_of(shifted, [](const Vector<float>& value) {
    return reinterpret_cast<Vector<float>>((reinterpret_cast<Mask<float>>(value) << 23) + 0x3f800000);
  });
  return {rest - whole * ln2_low, power};
}

// The polynomials were fitted to the least maximum of the relative error: 1.1e-7 of exp, 1.4e-8 of expm1.
template <int count>
DNAFAST_INLINE Several<float, count> exp_of(const Several<float, count>& x) {
  const auto [r, power] = reduced(x);
  Several<float, count> p = r * 0.008312501013f + 0.041890330613f;
  p = p * r + 0.166671156883f;
  p = p * r + 0.499992311001f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  return power * p;
}

template <int count>
DNAFAST_INLINE Several<float, count> expm1_of(const Several<float, count>& x) {
  const auto [r, power] = reduced(x);
  Several<float, count> p = r * 0.0013882514322f + 0.0083665475249f;
  p = p * r + 0.0416672006249f;
  p = p * r + 0.1666654348373f;
  p = p * r + 0.4999999701977f;
  return power * ((p * r) * r + r) + (power - 1.0f);
}

template <class Function>
inline Vector<double> lane_by_lane(Vector<double> x, const Function& function) {
  for (std::int64_t lane = 0; lane < VectorOf<double>::lanes; ++lane) x[lane] = function(x[lane]);
  return x;
}

template <int count>
inline Several<double, count> exp_of(const Several<double, count>& x) {
  return each_of(x, [](const Vector<double>& value) {
    return lane_by_lane(value, [](double one) { return __builtin_exp(one); });
  });
}

template <int count>
inline Several<double, count> expm1_of(const Several<double, count>& x) {
  return each_of(x, [](const Vector<double>& value) {
    return lane_by_lane(value, [](double one) { return __builtin_expm1(one); });
  });
}

// e of the sigmoid: exp(-x).
template <class T, int count>
DNAFAST_INLINE Several<T, count> sigmoid_term(const Several<T, count>& x) {
  return exp_of(within(x, Reach<T>::sigmoid) * T{-1});
}

// e of tanh: expm1(2 x).
template <class T, int count>
DNAFAST_INLINE Several<T, count> tanh_term(const Several<T, count>& x) {
  return expm1_of(within(x, Reach<T>::tanh) * T{2});
}

#if DNAFAST_VECTOR_BYTES == 64

// AVX-512 has instructions for what is left over a whole number and for a power of two, both of which know what to do
// with values that are large or no number: powers of two in place of e take a third of the instructions away. The
// polynomials are 2^r and (2^r - 1) / r, fitted as above.
DNAFAST_INLINE Vector<float> at_most(const Vector<float>& high, const Vector<float>& value) {
  return _mm512_mask_min_ps(value, 0xffff, high, value);  // of two the second, if one is no number
}

template <int count>
DNAFAST_INLINE Several<float, count> sigmoid_term(const Several<float, count>& x) {
  return each_of(x, [](const Vector<float>& value) -> Vector<float> {
    const Vector<float> y = at_most(broadcast(Reach<float>::sigmoid * log2_e), value * -log2_e);
    const Vector<float> r = _mm512_mask_reduce_ps(y, 0xffff, y, 1);  // over the next lower whole number
    Vector<float> p = r * 0.00187757580f + 0.00898934420f;
    p = p * r + 0.0558263124f;
    p = p * r + 0.2401536201f;
    p = p * r + 0.6931530726f;
    p = p * r + 0.9999999251f;
    return _mm512_mask_scalef_ps(p, 0xffff, p, y);
  });
}

template <int count>
DNAFAST_INLINE Several<float, count> tanh_term(const Several<float, count>& x) {
  return each_of(x, [](const Vector<float>& value) -> Vector<float> {
    const Vector<float> one = broadcast(1.0f);
    const Vector<float> y = at_most(broadcast(Reach<float>::tanh * 2 * log2_e), value * (2 * log2_e));
    const Vector<float> r = _mm512_mask_reduce_ps(y, 0xffff, y, 0);  // over the nearest whole number
    const Vector<float> power = _mm512_mask_scalef_ps(one, 0xffff, one, y - r);
    Vector<float> p = r * 0.000153964607f + 0.00133867017f;
    p = p * r + 0.00961825236f;
    p = p * r + 0.0555036984f;
    p = p * r + 0.240226493f;
    p = p * r + 0.693147181f;
    return power * (p * r) + (power - 1.0f);
  });
}

#endif

}  // namespace
}  // namespace dnafast
