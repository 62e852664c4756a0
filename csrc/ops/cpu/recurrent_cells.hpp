// What becomes of a unit's sums, and of its gradients, in each cell. Part of recurrent_kernel.hpp, which says how it is
// compiled.
//
// A block is a few neighbouring units; its arrays are [unit][vector], planes of rows lie `plane` vectors apart.
// advance() makes the next state from the sums of a block. Where it saves, it leaves the rows from which retreat()
// makes the gradients of the sums, in their place: gates as in torch, for a gru r, z, the hidden half of n, the input
// half.

#pragma once

#include <cstdint>

#include "ops/cpu/activation.hpp"
#include "ops/cpu/recurrent.hpp"
#include "ops/cpu/vector.hpp"

namespace dnafast {
namespace {

template <class T>
struct BlockState {
  const Vector<T>* h;
  const Vector<T>* c;
  Vector<T>* h_next;
  Vector<T>* c_next;
  Vector<T>* saved;
  std::int64_t plane;
};

// Of one unit and vector. dh comes as the gradient of h and leaves as what goes on to the h before by itself.
template <class T>
struct UnitGradient {
  Vector<T>* saved;
  std::int64_t plane;
  const Vector<T>* h;
  const Vector<T>* c;
  Vector<T>* dh;
  Vector<T>* dc;
};

struct Rnn {
  static constexpr int gates = 1;
  static constexpr int sums = 1;
  static constexpr int saved = 1;
  static constexpr int states = 1;

  template <class T, int units, int vectors, bool save>
  static inline __attribute__((always_inline)) void advance(const RecurrentShape& shape,
                                                            const Vector<T> (&sum)[sums * units][vectors],
                                                            const BlockState<T>& at) {
    for (int unit = 0; unit < units; ++unit) {
      for (int v = 0; v < vectors; ++v) {
        const Vector<T> s = sum[unit][v];
        // A comparison with what is no number is false: it stays, as in torch.
        const Vector<T> h = shape.relu ? (s < Vector<T>{} ? Vector<T>{} : s) : tanh_of<T>(s);
        at.h_next[unit * vectors + v] = h;
        if constexpr (save) at.saved[unit * vectors + v] = h;
      }
    }
  }

  template <class T>
  static inline __attribute__((always_inline)) void retreat(const RecurrentShape& shape, const UnitGradient<T>& at) {
    const Vector<T> h = at.saved[0];
    const Vector<T> passed = *at.dh;
    at.saved[0] = shape.relu ? (h > Vector<T>{} ? passed : Vector<T>{}) : passed * (T{1} - h * h);
    *at.dh = Vector<T>{};
  }
};

struct Gru {
  static constexpr int gates = 3;
  static constexpr int sums = 4;
  static constexpr int saved = 4;
  static constexpr int states = 1;

  template <class T, int units, int vectors, bool save>
  static inline __attribute__((always_inline)) void advance(const RecurrentShape&,
                                                            const Vector<T> (&sum)[sums * units][vectors],
                                                            const BlockState<T>& at) {
    for (int unit = 0; unit < units; ++unit) {
      for (int v = 0; v < vectors; ++v) {
        const int i = unit * vectors + v;
        const Vector<T> hidden = sum[3 * units + unit][v];
        const Vector<T> r = sigmoid<T>(sum[unit][v]);
        const Vector<T> z = sigmoid<T>(sum[units + unit][v]);
        const Vector<T> n = tanh_of<T>(sum[2 * units + unit][v] + r * hidden);
        at.h_next[i] = n + z * (at.h[i] - n);
        if constexpr (save) {
          at.saved[i] = r;
          at.saved[at.plane + i] = z;
          at.saved[2 * at.plane + i] = hidden;
          at.saved[3 * at.plane + i] = n;
        }
      }
    }
  }

  template <class T>
  static inline __attribute__((always_inline)) void retreat(const RecurrentShape&, const UnitGradient<T>& at) {
    const Vector<T> r = at.saved[0];
    const Vector<T> z = at.saved[at.plane];
    const Vector<T> hidden = at.saved[2 * at.plane];
    const Vector<T> n = at.saved[3 * at.plane];
    const Vector<T> dh = *at.dh;
    const Vector<T> dn = dh * (T{1} - z) * (T{1} - n * n);
    at.saved[0] = dn * hidden * r * (T{1} - r);
    at.saved[at.plane] = dh * (*at.h - n) * z * (T{1} - z);
    at.saved[2 * at.plane] = dn * r;
    at.saved[3 * at.plane] = dn;
    *at.dh = dh * z;
  }
};

struct Lstm {
  static constexpr int gates = 4;
  static constexpr int sums = 4;
  static constexpr int saved = 5;  // the gates, and tanh(c)
  static constexpr int states = 2;

  template <class T, int units, int vectors, bool save>
  static inline __attribute__((always_inline)) void advance(const RecurrentShape&,
                                                            const Vector<T> (&sum)[sums * units][vectors],
                                                            const BlockState<T>& at) {
    for (int unit = 0; unit < units; ++unit) {
      for (int v = 0; v < vectors; ++v) {
        const int at_unit = unit * vectors + v;
        const Vector<T> i = sigmoid<T>(sum[unit][v]);
        const Vector<T> f = sigmoid<T>(sum[units + unit][v]);
        const Vector<T> g = tanh_of<T>(sum[2 * units + unit][v]);
        const Vector<T> o = sigmoid<T>(sum[3 * units + unit][v]);
        const Vector<T> c = f * at.c[at_unit] + i * g;
        const Vector<T> bent = tanh_of<T>(c);
        at.c_next[at_unit] = c;
        at.h_next[at_unit] = o * bent;
        if constexpr (save) {
          at.saved[at_unit] = i;
          at.saved[at.plane + at_unit] = f;
          at.saved[2 * at.plane + at_unit] = g;
          at.saved[3 * at.plane + at_unit] = o;
          at.saved[4 * at.plane + at_unit] = bent;
        }
      }
    }
  }

  template <class T>
  static inline __attribute__((always_inline)) void retreat(const RecurrentShape&, const UnitGradient<T>& at) {
    const Vector<T> i = at.saved[0];
    const Vector<T> f = at.saved[at.plane];
    const Vector<T> g = at.saved[2 * at.plane];
    const Vector<T> o = at.saved[3 * at.plane];
    const Vector<T> bent = at.saved[4 * at.plane];
    const Vector<T> dh = *at.dh;
    const Vector<T> dc = *at.dc + dh * o * (T{1} - bent * bent);
    at.saved[0] = dc * g * i * (T{1} - i);
    at.saved[at.plane] = dc * *at.c * f * (T{1} - f);
    at.saved[2 * at.plane] = dc * i * (T{1} - g * g);
    at.saved[3 * at.plane] = dh * bent * o * (T{1} - o);
    *at.dc = dc * f;
    *at.dh = Vector<T>{};
  }
};

}  // namespace
}  // namespace dnafast
