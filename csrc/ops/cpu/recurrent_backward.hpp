// The gradients of a tile of sequences, stretch by stretch from the end. Part of recurrent_kernel.hpp, which says how
// it is compiled.

#pragma once

#include <cstdint>

#include "ops/cpu/recurrent.hpp"
#include "ops/cpu/recurrent_cells.hpp"
#include "ops/cpu/recurrent_forward.hpp"
#include "ops/cpu/several.hpp"
#include "ops/cpu/transpose.hpp"
#include "ops/cpu/vector.hpp"

namespace dnafast {
namespace {

// [row][lane] += the products, over all sequences of a few positions, of a gradient [row][sequence] and a value
// [sequence][lane]; narrow, over pairs of sequences.
template <class T>
struct OuterProduct {
  const T* gradients;  // of the first position
  std::int64_t gradient_step;
  const T* values;
  std::int64_t value_step;
  std::int64_t positions;
  std::int64_t sequences;
  std::int64_t width;    // of a row of gradients
  std::int64_t columns;  // of a row of values, and of the sum
};

template <class T, int rows, int columns>
void add_products(const OuterProduct<T>& of, const T* gradients, const T* values, T* sums) {
  Vector<T> sum[rows][columns];
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) sum[row][column] = Vector<T>{};
  }
  for (std::int64_t position = 0; position < of.positions; ++position) {
    const T* gradient = gradients + position * of.gradient_step;
    const T* value = values + position * of.value_step;
    for (std::int64_t i = 0; i < of.sequences; ++i, ++gradient, value += of.columns) {
      Vector<T> right[columns];
#pragma GCC unroll 4
      for (int column = 0; column < columns; ++column) {
        right[column] = *reinterpret_cast<const Vector<T>*>(value + column * VectorOf<T>::lanes);
      }
#pragma GCC unroll 8
      for (int row = 0; row < rows; ++row) {
        const T& left = gradient[row * of.width];
#pragma GCC unroll 4
        for (int column = 0; column < columns; ++column) {
          sum[row][column] = add_product<T>(sum[row][column], left, right[column]);
        }
      }
    }
  }
  for (int row = 0; row < rows; ++row) {
    auto* total = reinterpret_cast<Vector<T>*>(sums + row * of.columns);
    for (int column = 0; column < columns; ++column) total[column] += sum[row][column];
  }
}

// `rows` is a multiple of eight.
template <class T>
void add_outer_product(const OuterProduct<T>& of, std::int64_t rows, T* sums) {
  constexpr int most = many_registers ? 4 : 2;
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  const std::int64_t even = of.columns / (most * lanes) * most * lanes;
  for (std::int64_t row = 0; row < rows; row += 4) {
    for (std::int64_t column = 0; column < even; column += most * lanes) {
      add_products<T, 4, most>(of, of.gradients + row * of.width, of.values + column, sums + row * of.columns + column);
    }
  }
  for (std::int64_t column = even; column < of.columns; column += lanes) {
    for (std::int64_t row = 0; row < rows; row += 8) {
      add_products<T, 8, 1>(of, of.gradients + row * of.width, of.values + column, sums + row * of.columns + column);
    }
  }
}

// [row][input][lane] += gradients [row][vector] times few inputs [input][vector], over some positions.
template <class T, int vectors>
void add_few_inputs(const Vector<T>* gradients, std::int64_t gradient_step, const Vector<T>* inputs,
                    std::int64_t positions, std::int64_t rows, Vector<T>* sums) {
  constexpr int together = many_registers ? 4 : 2;
  constexpr int few = recurrent_few_inputs;
  for (std::int64_t row = 0; row < rows; row += together) {
    Vector<T> sum[together][few];
    for (int i = 0; i < together; ++i) {
      for (int input = 0; input < few; ++input) sum[i][input] = Vector<T>{};
    }
    for (std::int64_t position = 0; position < positions; ++position) {
      const Vector<T>* gradient = gradients + position * gradient_step + row * vectors;
      const Vector<T>* values = inputs + position * few * vectors;
      for (int v = 0; v < vectors; ++v) {
#pragma GCC unroll 4
        for (int i = 0; i < together; ++i) {
          const Vector<T> left = gradient[i * vectors + v];
#pragma GCC unroll 4
          for (int input = 0; input < few; ++input) sum[i][input] += left * values[input * vectors + v];
        }
      }
    }
    for (int i = 0; i < together; ++i) {
      for (int input = 0; input < few; ++input) sums[(row + i) * few + input] += sum[i][input];
    }
  }
}

template <int vectors>
constexpr int vectors_of_pairs = (vectors + 1) / 2;

// The scratch memory of a tile.
template <class T, class C, int vectors>
struct BackwardSpace {
  std::int64_t hidden;  // padded
  std::int64_t inputs;  // padded
  std::int64_t plane;   // of saved rows, in vectors
  bool few;             // inputs
  Vector<T>* input;     // [input][vector] of a position; of few, [position of the stretch][four inputs][vector]
  Vector<T>* h;         // [position of the stretch, and one more][unit][vector]
  Vector<T>* c;
  Vector<T>* saved;  // [position][row][unit][vector]
  T* input_rows;     // [position][sequence][input]; narrow: of these two, two sequences in one
  T* hidden_rows;    // [position][sequence][unit]: the state before
  Vector<T>* dh;
  Vector<T>* dh_before;
  Vector<T>* dc;
  Vector<T>* loaded;
  Vector<T>* dx;
  Vector<T>* pairs = nullptr;       // narrow: what is multiplied next
  Vector<T>* lane_pairs = nullptr;  // narrow: [unit][pair of lanes] of the state before, as many as fill vectors
  T* gradients = nullptr;           // narrow: [position][row][unit][pair of lanes]

  static std::int64_t size(const RecurrentShape& shape) {
    return BackwardSpace(shape, nullptr).taken_ * VectorOf<T>::lanes;
  }

  BackwardSpace(const RecurrentShape& shape, T* scratch)
      : hidden(RecurrentSizes<T, C>::padded(shape.hidden)),
        inputs(RecurrentSizes<T, C>::padded(shape.inputs)),
        plane(hidden * vectors),
        few(shape.inputs <= recurrent_few_inputs),
        begin_(reinterpret_cast<Vector<T>*>(scratch)) {
    constexpr std::int64_t stretch = recurrent_stretch;
    input = take((few ? stretch * recurrent_few_inputs : shape.inputs) * vectors);
    h = take((stretch + 1) * plane);
    c = take(C::states == 2 ? (stretch + 1) * plane : 0);
    saved = take(stretch * C::saved * plane);
    input_rows = reinterpret_cast<T*>(take(few ? 0 : stretch * vectors * inputs));
    hidden_rows = reinterpret_cast<T*>(take(stretch * plane));
    dh = take(plane);
    dh_before = take(plane);
    dc = take(plane);
    loaded = take((hidden > inputs ? hidden : inputs) * vectors);
    dx = take(inputs * vectors);
    if constexpr (narrow) {
      pairs = take((C::sums * hidden > inputs ? C::sums * hidden : inputs) / 2 * vectors);
      lane_pairs = take(hidden * vectors_of_pairs<vectors>);
      gradients = reinterpret_cast<T*>(take(stretch * C::sums * plane / 2));
    }
  }

 private:
  Vector<T>* begin_;
  std::int64_t taken_ = 0;

  Vector<T>* take(std::int64_t count) {
    Vector<T>* from = begin_ == nullptr ? nullptr : begin_ + taken_;
    taken_ += count;
    return from;
  }
};

template <class T, class C>
std::int64_t backward_scratch(const RecurrentShape& shape, std::int64_t vectors) {
  return vectors == 1   ? BackwardSpace<T, C, 1>::size(shape)
         : vectors == 2 ? BackwardSpace<T, C, 2>::size(shape)
                        : BackwardSpace<T, C, 3>::size(shape);
}

// The gradient of a state or an output: zero in lanes without a sequence, which otherwise would count as one.
template <class T, int vectors>
void load_gradient(const T* rows, std::int64_t step, std::int64_t columns, std::int64_t sequences, Vector<T>* values) {
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  load_rows<T, vectors>(rows, step, columns, sequences, values);
  for (std::int64_t i = sequences; i < vectors * lanes; ++i) {
    for (std::int64_t column = 0; column < columns; ++column) values[column * vectors + i / lanes][i % lanes] = T{0};
  }
}

// Adds what was loaded, narrow pairs of rows, to so many rows.
template <class T, int vectors>
void add(const Vector<T>* loaded, std::int64_t count, Vector<T>* sums) {
#if defined(DNAFAST_NARROW)
  add_pairs<vectors>(loaded, count, sums);
#else
  for (std::int64_t i = 0; i < count * vectors; ++i) sums[i] += loaded[i];
#endif
}

// rows[r] (+)= the sum over terms of weights[term][r] * values[term], in blocks of rows; narrow, of pairs of terms.
template <class T, int rows, int vectors>
void multiply_rows(const T* weights, std::int64_t count, std::int64_t terms, const Vector<T>* values,
                   std::int64_t more_terms, const Vector<T>* more_values, const Vector<T>* plus, Vector<T>* result) {
  for (std::int64_t row = 0; row < count; row += rows) {
    Several<T, vectors> sum[rows];
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      sum[i] = plus == nullptr ? Several<T, vectors>{} : load_several<T, vectors>(plus + (row + i) * vectors);
    }
    multiply<T, rows, vectors>(sum, weights, terms, values);
    weights += terms * rows;
    if (more_terms != 0) {
      multiply<T, rows, vectors>(sum, weights, more_terms, more_values);
      weights += more_terms * rows;
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) store_several(result + (row + i) * vectors, sum[i]);
  }
}

// From the gradients of a state to those of its sums, whose totals go to the biases.
template <class T, class C, int vectors>
void retreat(const RecurrentShape& shape, const BackwardSpace<T, C, vectors>& space, std::int64_t step,
             Vector<T>* bias) {
  Vector<T>* saved = space.saved + step * C::saved * space.plane;
  const Vector<T>* h = space.h + step * space.plane;
  const Vector<T>* c = space.c + step * space.plane;
  for (std::int64_t unit = 0; unit < shape.hidden; ++unit) {
    const std::int64_t i = unit * vectors;
    C::template retreat<vectors, T>(shape, {saved + i, space.plane, h + i, c + i, space.dh + i, space.dc + i});
    for (int row = 0; row < C::sums; ++row) {
      Vector<T> total = saved[row * space.plane + unit * vectors];
      for (int v = 1; v < vectors; ++v) total += saved[row * space.plane + unit * vectors + v];
      bias[row * space.hidden + unit] += total;
    }
  }
}

// The state before a step and its dense input, a row for each sequence, narrow for each pair of them.
template <class T, class C, int vectors>
void store_values(const RecurrentShape& shape, const RecurrentTile<T>& tile, const BackwardSpace<T, C, vectors>& space,
                  std::int64_t step, std::int64_t position) {
  constexpr std::int64_t rows = vectors * VectorOf<T>::lanes / terms_together;
  const Vector<T>* h = space.h + step * space.plane;
  T* hidden = space.hidden_rows + step * rows * space.hidden;
  T* inputs = space.input_rows + step * rows * space.inputs;
#if defined(DNAFAST_NARROW)
  constexpr int wide = vectors_of_pairs<vectors>;
  pack_lanes<vectors>(h, space.hidden, reinterpret_cast<T*>(space.lane_pairs), wide * VectorOf<T>::lanes);
  store_rows<T, wide>(space.lane_pairs, space.hidden, rows, hidden, space.hidden);
  if (space.few) return;
  for (std::int64_t first = 0; first < tile.sequences; first += 2, inputs += space.inputs) {
    const T* low = tile.dense + (first * shape.length + position) * shape.inputs / 2;
    const T* high = first + 1 < tile.sequences ? low + shape.length * shape.inputs / 2 : low;
    zip_rows(low, high, shape.inputs, inputs);
  }
#else
  static_cast<void>(tile);
  static_cast<void>(position);
  store_rows<T, vectors>(h, space.hidden, rows, hidden, space.hidden);
  if (!space.few) store_rows<T, vectors>(space.input, shape.inputs, rows, inputs, space.inputs);
#endif
}

// Runs a stretch again from its kept state, with all that the way back needs.
template <class T, class C, int vectors>
void rerun(const RecurrentShape& shape, const RecurrentWeights<T>& weights, const RecurrentTile<T>& tile,
           const BackwardSpace<T, C, vectors>& space, std::int64_t first, std::int64_t count) {
  const std::int64_t kept_plane = shape.hidden * shape.sequences;
  const T* kept = tile.kept + first / recurrent_stretch * C::states * kept_plane;
  const auto restore = [&](const T* rows, Vector<T>* state) {
    for (std::int64_t unit = 0; unit < shape.hidden; ++unit, rows += shape.sequences) {
      for (int v = 0; v < vectors; ++v) state[unit * vectors + v] = Vector<T>{};
      __builtin_memcpy(state + unit * vectors, rows, static_cast<std::size_t>(tile.sequences) * sizeof(T));
    }
  };
  restore(kept, space.h);
  if constexpr (C::states == 2) restore(kept + kept_plane, space.c);
  const bool looked_up = has_lookup<T> && weights.letters != nullptr;
  for (std::int64_t step = 0; step < count; ++step) {
    const std::int64_t position = tile.reverse ? shape.length - 1 - (first + step) : first + step;
    const Vector<T>* h = space.h + step * space.plane;
    const Vector<T>* c = space.c + step * space.plane;
    Vector<T>* input = space.few ? space.input + step * recurrent_few_inputs * vectors : space.input;
    load_input<T, vectors>(shape, tile, position, input);
    store_values<T, C, vectors>(shape, tile, space, step, position);
    Mask<T> letters[vectors];
    if (looked_up) {
      load_letters<T, vectors>(tile.codes + position, shape.length, tile.sequences, letters);
    }
    const Vector<T>* state = multiplied<T, vectors>(h, space.hidden, space.pairs);
    advance<T, C, vectors, true>(shape, weights, {input, looked_up ? letters : nullptr, state},
                                 {h, c, space.h + (step + 1) * space.plane, space.c + (step + 1) * space.plane,
                                  space.saved + step * C::saved * space.plane, space.plane});
  }
}

template <class T, class C, int vectors>
void backward(const RecurrentShape& shape, const RecurrentWeights<T>& weights, const RecurrentTile<T>& tile, T* scratch,
              const RecurrentSums<T>& sums) {
  constexpr int rows = RecurrentSizes<T, C>::rows;
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  BackwardSpace<T, C, vectors> space(shape, scratch);
  const std::int64_t hidden_terms = shape.hidden / terms_together;
  const std::int64_t input_terms = shape.inputs / terms_together;
  const std::int64_t width = shape.directions * hidden_terms;
  // Padding stays zero throughout.
  fill_zero<T>(reinterpret_cast<Vector<T>*>(scratch), BackwardSpace<T, C, vectors>::size(shape) / lanes);
  if (tile.h_n_gradient != nullptr) {
    load_gradient<T, vectors>(tile.h_n_gradient, shape.hidden, shape.hidden, tile.sequences, space.dh);
  }
  if (tile.c_n_gradient != nullptr) {
    load_gradient<T, vectors>(tile.c_n_gradient, shape.hidden, shape.hidden, tile.sequences, space.dc);
  }
  // Terms of the sums that the input goes into: all gates, but for a gru without the hidden half of n.
  constexpr int shared_gates = C::sums == C::gates ? C::gates : C::gates - 1;
  const std::int64_t own = (C::gates - shared_gates) * space.hidden;
  for (std::int64_t first = (shape.length - 1) / recurrent_stretch * recurrent_stretch; first >= 0;
       first -= recurrent_stretch) {
    const std::int64_t count = least(recurrent_stretch, shape.length - first);
    rerun<T, C, vectors>(shape, weights, tile, space, first, count);
    for (std::int64_t step = count - 1; step >= 0; --step) {
      const std::int64_t position = tile.reverse ? shape.length - 1 - (first + step) : first + step;
      if (tile.output_gradient != nullptr) {
        load_gradient<T, vectors>(tile.output_gradient + position * width, shape.length * width, hidden_terms,
                                  tile.sequences, space.loaded);
        add<T, vectors>(space.loaded, shape.hidden, space.dh);
        const std::int64_t next = tile.reverse ? position + 1 : position - 1;
        if (next >= 0 && next < shape.length) {
          fetch_rows<T, false>(tile.output_gradient + next * width, shape.length * width, hidden_terms, tile.sequences);
        }
      }
      retreat<T, C, vectors>(shape, space, step, reinterpret_cast<Vector<T>*>(sums.bias));
      const Vector<T>* saved = space.saved + step * C::saved * space.plane;
      const Vector<T>* gradient = multiplied<T, vectors>(saved, C::sums * space.hidden, space.pairs);
#if defined(DNAFAST_NARROW)
      pack_lanes<vectors>(saved, C::sums * space.hidden, space.gradients + step * C::sums * space.plane * lanes / 2);
#endif
      multiply_rows<T, rows, vectors>(weights.hidden_backward, shape.hidden, C::gates * space.hidden / terms_together,
                                      gradient, 0, nullptr, space.dh, space.dh_before);
      Vector<T>* before = space.dh_before;
      space.dh_before = space.dh;
      space.dh = before;
      if (tile.input_gradient != nullptr) {
        T* to = tile.input_gradient + position * input_terms;
        const std::int64_t sequence = shape.length * input_terms;
        multiply_rows<T, rows, vectors>(weights.input_backward, shape.inputs,
                                        shared_gates * space.hidden / terms_together, gradient, own / terms_together,
                                        gradient + C::gates * space.plane / terms_together, nullptr, space.dx);
        if (tile.add_input_gradient) {
          load_rows<T, vectors>(to, sequence, input_terms, tile.sequences, space.loaded);
          add<T, vectors>(space.loaded, shape.inputs, space.dx);
        }
        store_rows<T, vectors>(multiplied<T, vectors>(space.dx, shape.inputs, space.pairs), input_terms, tile.sequences,
                               to, sequence);
      }
    }
    const T* gradients = narrow ? space.gradients : reinterpret_cast<const T*>(space.saved);
    const std::int64_t step = (narrow ? C::sums : C::saved) * space.plane * lanes / terms_together;
    const std::int64_t sequences = (tile.sequences + terms_together - 1) / terms_together;
    constexpr std::int64_t most = vectors * lanes / terms_together;
    add_outer_product<T>(
        {gradients, step, space.hidden_rows, most * space.hidden, count, sequences, most, space.hidden},
        C::gates * space.hidden, sums.hidden);
    if (space.few) {
      auto* few = reinterpret_cast<Vector<T>*>(sums.input);
      const std::int64_t apart = C::saved * space.plane;
      add_few_inputs<T, vectors>(space.saved, apart, space.input, count, shared_gates * space.hidden, few);
      if (own != 0) {
        add_few_inputs<T, vectors>(space.saved + C::gates * space.plane, apart, space.input, count, own,
                                   few + shared_gates * space.hidden * recurrent_few_inputs);
      }
      continue;
    }
    OuterProduct<T> input{gradients, step, space.input_rows, most * space.inputs, count, sequences, most, space.inputs};
    add_outer_product<T>(input, shared_gates * space.hidden, sums.input);
    if (own != 0) {
      input.gradients += C::gates * space.plane * lanes / terms_together;
      add_outer_product<T>(input, own, sums.input + shared_gates * space.hidden * space.inputs);
    }
  }
  store_rows<T, vectors>(space.dh, shape.hidden, tile.sequences, tile.h0_gradient, shape.hidden);
  if constexpr (C::states == 2) {
    store_rows<T, vectors>(space.dc, shape.hidden, tile.sequences, tile.c0_gradient, shape.hidden);
  }
}

}  // namespace
}  // namespace dnafast
