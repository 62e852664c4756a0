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
#include "ops/cpu/several.hpp"
#include "ops/cpu/vector.hpp"

namespace dnafast {
namespace {

template <class T>
struct UnitState {
  const Vector<T>* h;
  const Vector<T>* c;
  Vector<T>* h_next;
  Vector<T>* c_next;
  Vector<T>* saved;
  std::int64_t plane;
};

// dh comes as the gradient of h and leaves as what goes on to the h before by itself.
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

  template <bool save, class T, int count>
  static DNAFAST_INLINE void advance(const RecurrentShape& shape, const Several<T, count> (&sum)[sums],
                                     const UnitState<T>& at) {
    Several<T, count> h;
    if (shape.relu) {
      // A comparison with what is no number is false: it stays, as in torch.
      h = each_of(sum[0], [](const Vector<T>& s) { return s < Vector<T>{} ? Vector<T>{} : s; });
    } else {
      const Several<T, count> term = tanh_term(sum[0]);
      h = term / (term + T{2});
    }
    store_several(at.h_next, h);
    if constexpr (save) store_several(at.saved, h);
  }

  template <int count, class T>
  static DNAFAST_INLINE void retreat(const RecurrentShape& shape, const UnitGradient<T>& at) {
    for (int i = 0; i < count; ++i) {
      const Vector<T> h = at.saved[i];
      const Vector<T> dh = at.dh[i];
      at.saved[i] = shape.relu ? (h > Vector<T>{} ? dh : Vector<T>{}) : dh * (T{1} - h * h);
      at.dh[i] = Vector<T>{};
    }
  }
};

struct Gru {
  static constexpr int gates = 3;
  static constexpr int sums = 4;  // r, z, the input half of n, the hidden half
  static constexpr int saved = 4;
  static constexpr int states = 1;

  template <bool save, class T, int count>
  static DNAFAST_INLINE void advance(const RecurrentShape&, const Several<T, count> (&sum)[sums],
                                     const UnitState<T>& at) {
    const Several<T, count> r = T{1} / (sigmoid_term(sum[0]) + T{1});
    const Several<T, count> z_term = sigmoid_term(sum[1]);
    const Several<T, count> n_term = tanh_term(sum[2] + r * sum[3]);
    // (1 - z) n + z h, with one division
    const Several<T, count> n_below = n_term + T{2};
    const Several<T, count> z_below = z_term + T{1};
    const Several<T, count> h = load_several<T, count>(at.h);
    store_several(at.h_next, (z_term * n_term + n_below * h) / (z_below * n_below));
    if constexpr (save) {
      store_several(at.saved, r);
      store_several(at.saved + at.plane, T{1} / z_below);
      store_several(at.saved + 2 * at.plane, sum[3]);
      store_several(at.saved + 3 * at.plane, n_term / n_below);
    }
  }

  template <int count, class T>
  static DNAFAST_INLINE void retreat(const RecurrentShape&, const UnitGradient<T>& at) {
    for (int i = 0; i < count; ++i) {
      const Vector<T> r = at.saved[i];
      const Vector<T> z = at.saved[at.plane + i];
      const Vector<T> hidden = at.saved[2 * at.plane + i];
      const Vector<T> n = at.saved[3 * at.plane + i];
      const Vector<T> dh = at.dh[i];
      const Vector<T> dn = dh * (T{1} - z) * (T{1} - n * n);
      at.saved[i] = dn * hidden * r * (T{1} - r);
      at.saved[at.plane + i] = dh * (at.h[i] - n) * z * (T{1} - z);
      at.saved[2 * at.plane + i] = dn * r;
      at.saved[3 * at.plane + i] = dn;
      at.dh[i] = dh * z;
    }
  }
};

struct Lstm {
  static constexpr int gates = 4;
  static constexpr int sums = 4;
  static constexpr int saved = 5;  // the gates, and tanh(c)
  static constexpr int states = 2;

  template <bool save, class T, int count>
  static DNAFAST_INLINE void advance(const RecurrentShape&, const Several<T, count> (&sum)[sums],
                                     const UnitState<T>& at) {
    const Several<T, count> i_below = sigmoid_term(sum[0]) + T{1};
    const Several<T, count> f_below = sigmoid_term(sum[1]) + T{1};
    const Several<T, count> g_term = tanh_term(sum[2]);
    const Several<T, count> g_below = g_term + T{2};
    // f c + i g, with one division
    const Several<T, count> ig_below = i_below * g_below;
    const Several<T, count> c = (load_several<T, count>(at.c) * ig_below + g_term * f_below) / (f_below * ig_below);
    const Several<T, count> o_below = sigmoid_term(sum[3]) + T{1};
    const Several<T, count> c_term = tanh_term(c);
    const Several<T, count> c_below = c_term + T{2};
    store_several(at.c_next, c);
    store_several(at.h_next, c_term / (o_below * c_below));
    if constexpr (save) {
      store_several(at.saved, T{1} / i_below);
      store_several(at.saved + at.plane, T{1} / f_below);
      store_several(at.saved + 2 * at.plane, g_term / g_below);
      store_several(at.saved + 3 * at.plane, T{1} / o_below);
      store_several(at.saved + 4 * at.plane, c_term / c_below);
    }
  }

  template <int count, class T>
  static DNAFAST_INLINE void retreat(const RecurrentShape&, const UnitGradient<T>& at) {
    for (int at_vector = 0; at_vector < count; ++at_vector) {
      Vector<T>* saved = at.saved + at_vector;
      const Vector<T> i = saved[0];
      const Vector<T> f = saved[at.plane];
      const Vector<T> g = saved[2 * at.plane];
      const Vector<T> o = saved[3 * at.plane];
      const Vector<T> bent = saved[4 * at.plane];
      const Vector<T> dh = at.dh[at_vector];
      const Vector<T> dc = at.dc[at_vector] + dh * o * (T{1} - bent * bent);
      saved[0] = dc * g * i * (T{1} - i);
      saved[at.plane] = dc * at.c[at_vector] * f * (T{1} - f);
      saved[2 * at.plane] = dc * i * (T{1} - g * g);
      saved[3 * at.plane] = dh * bent * o * (T{1} - o);
      at.dc[at_vector] = dc * f;
      at.dh[at_vector] = Vector<T>{};
    }
  }
};

}  // namespace
}  // namespace dnafast
