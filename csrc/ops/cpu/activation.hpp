// Sigmoid and tanh of vectors. Part of recurrent_kernel.hpp, which says how it is compiled.
//
// Both come from expm1, which keeps its relative accuracy near zero: tanh(x) = e / (e + 2) with e = expm1(2 x), and
// sigmoid(x) = 1 / (2 + e) with e = expm1(-x). In float32 they differ from the true value by less than 3e-7 of it (the
// sigmoid down to -60, where it stays at 1e-26); what is no number stays none.

#pragma once

#include <cstdint>

#include "ops/cpu/vector.hpp"

namespace dnafast {
namespace {

template <class T>
inline __attribute__((always_inline)) Vector<T> clamped(const Vector<T>& x, T lowest, T highest) {
  const Vector<T> low = Vector<T>{} + lowest;
  const Vector<T> high = Vector<T>{} + highest;
  const Vector<T> raised = x < low ? low : x;
  return raised > high ? high : raised;
}

// For |x| < 87. The polynomial was fitted to (expm1(r) - r) / r² on |r| <= log(2) / 2, relative error 1.4e-8.
inline __attribute__((always_inline)) Vector<float> expm1_of(const Vector<float>& x) {
  constexpr float log2_e = 1.44269504089f;
  constexpr float ln2_high = 0.693359375f;  // few bits, so that its products are exact
  constexpr float ln2_low = -2.12194440e-4f;
  constexpr float rounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  const Vector<float> shifted = x * log2_e + rounder;
  const Vector<float> whole = shifted - rounder;
  Vector<float> r = x - whole * ln2_high;
  r = r - whole * ln2_low;
  Vector<float> q = Vector<float>{} + 0.0013882514322f;
  q = q * r + 0.0083665475249f;
  q = q * r + 0.0416672006249f;
  q = q * r + 0.1666654348373f;
  q = q * r + 0.4999999701977f;
  const Vector<float> small = (q * r) * r + r;
  // The whole number, in the lowest bits of what was rounded, becomes the exponent of a power of two.
  const auto power = reinterpret_cast<Vector<float>>((reinterpret_cast<Mask<float>>(shifted) << 23) + 0x3f800000);
  return power * small + (power - 1.0f);
}

inline Vector<double> expm1_of(const Vector<double>& x) {
  Vector<double> result = x;
  for (std::int64_t lane = 0; lane < VectorOf<double>::lanes; ++lane) result[lane] = __builtin_expm1(x[lane]);
  return result;
}

// Twice the value beyond which tanh is 1.
template <class T>
constexpr T tanh_reach = sizeof(T) == sizeof(float) ? T{20} : T{40};

template <class T>
inline __attribute__((always_inline)) Vector<T> sigmoid(const Vector<T>& x) {
  return T{1} / (expm1_of(clamped<T>(-x, T{-60}, T{60})) + T{2});
}

template <class T>
inline __attribute__((always_inline)) Vector<T> tanh_of(const Vector<T>& x) {
  const Vector<T> e = expm1_of(clamped<T>(x + x, -tanh_reach<T>, tanh_reach<T>));
  return e / (e + T{2});
}

}  // namespace
}  // namespace dnafast
