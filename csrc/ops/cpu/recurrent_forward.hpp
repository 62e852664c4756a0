// A tile of sequences through all positions. Part of recurrent_kernel.hpp, which says how it is compiled.
//
// States and inputs of a position are [unit][vector].

#pragma once

#include <cstdint>

#include "ops/cpu/recurrent.hpp"
#include "ops/cpu/recurrent_cells.hpp"
#include "ops/cpu/transpose.hpp"
#include "ops/cpu/vector.hpp"

namespace dnafast {
namespace {

#if defined(__aarch64__)
constexpr bool many_registers = true;
#else
constexpr bool many_registers = vector_bytes == 64;
#endif

// Blocks as large as the sums of three vectors of sequences still find room in the registers.
template <class T, class C>
struct RecurrentSizes {
  static constexpr int rows = many_registers ? 8 : 4;
  static constexpr int units = C::gates == 1 ? rows : rows / 4;
  static constexpr std::int64_t padding = VectorOf<T>::lanes < 8 ? 8 : VectorOf<T>::lanes;

  static std::int64_t padded(std::int64_t count) { return (count + padding - 1) / padding * padding; }
};

// sum[row] += weights[term][row] * terms[term]
template <class T, int rows, int vectors>
inline __attribute__((always_inline)) void multiply(Vector<T> (&sum)[rows][vectors], const T* weights,
                                                    std::int64_t terms, const Vector<T>* values) {
  for (std::int64_t term = 0; term < terms; ++term, weights += rows, values += vectors) {
    Vector<T> value[vectors];
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) value[v] = values[v];
#pragma GCC unroll 8
    for (int row = 0; row < rows; ++row) {
      const Vector<T> weight = Vector<T>{} + weights[row];
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) sum[row][v] += weight * value[v];
    }
  }
}

template <class T, class C, int vectors, bool save>
void advance(const RecurrentShape& shape, const RecurrentWeights<T>& weights, const Vector<T>* input,
             const BlockState<T>& from) {
  constexpr int units = RecurrentSizes<T, C>::units;
  constexpr int rows = C::gates * units;
  const std::int64_t padded = RecurrentSizes<T, C>::padded(shape.hidden);
  BlockState<T> at = from;
  const T* input_weight = weights.input;
  const T* hidden_weight = weights.hidden;
  const T* bias = weights.bias;
  for (std::int64_t unit = 0; unit < shape.hidden; unit += units) {
    Vector<T> sum[C::sums * units][vectors];
#pragma GCC unroll 8
    for (int row = 0; row < C::sums * units; ++row) {
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) sum[row][v] = Vector<T>{} + bias[row];
    }
    if constexpr (C::sums == C::gates) {
      multiply<T, rows, vectors>(sum, input_weight, shape.inputs, input);
      multiply<T, rows, vectors>(sum, hidden_weight, padded, from.h);
    } else {
      // Of the last gate the input's half and the hidden half are kept apart.
      Vector<T> half[rows][vectors];
      for (int row = 0; row < rows; ++row) {
        for (int v = 0; v < vectors; ++v) half[row][v] = sum[row][v];
      }
      multiply<T, rows, vectors>(half, input_weight, shape.inputs, input);
      for (int unit_here = 0; unit_here < units; ++unit_here) {
        for (int v = 0; v < vectors; ++v) {
          sum[rows - units + unit_here][v] = half[rows - units + unit_here][v];
          half[rows - units + unit_here][v] = sum[rows + unit_here][v];
        }
      }
      multiply<T, rows, vectors>(half, hidden_weight, padded, from.h);
      for (int row = 0; row < rows - units; ++row) {
        for (int v = 0; v < vectors; ++v) sum[row][v] = half[row][v];
      }
      for (int unit_here = 0; unit_here < units; ++unit_here) {
        for (int v = 0; v < vectors; ++v) sum[rows + unit_here][v] = half[rows - units + unit_here][v];
      }
    }
    C::template advance<T, units, vectors, save>(shape, sum, at);
    input_weight += shape.inputs * rows;
    hidden_weight += padded * rows;
    bias += C::sums * units;
    at.h += units * vectors;
    at.h_next += units * vectors;
    if constexpr (C::states == 2) {
      at.c += units * vectors;
      at.c_next += units * vectors;
    }
    if constexpr (save) at.saved += units * vectors;
  }
}

template <class T>
void fill_zero(Vector<T>* values, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) values[i] = Vector<T>{};
}

// Rows of a tensor, one a sequence and `step` apart -> [column][vector]. Lanes without a sequence hold those of
// another.
template <class T, int vectors>
void load_rows(const T* rows, std::int64_t step, std::int64_t columns, std::int64_t sequences, Vector<T>* values) {
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  for (int v = 0; v < vectors; ++v) {
    load_columns<T>(rows + v * lanes * step, nullptr, step, columns, least(lanes, sequences - v * lanes), values + v,
                    vectors);
  }
}

template <class T, int vectors>
void store_rows(const Vector<T>* values, std::int64_t columns, std::int64_t sequences, T* rows, std::int64_t step) {
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  for (int v = 0; v < vectors; ++v) {
    store_columns<T>(values + v, columns, least(lanes, sequences - v * lanes), rows + v * lanes * step, step, vectors);
  }
}

// Base codes of one position -> their rows of zeros and ones; lanes without a sequence get an unknown base.
template <class T, int vectors>
void load_letters(const std::uint8_t* codes, std::int64_t step, std::int64_t sequences, Vector<T>* values) {
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  typedef std::uint8_t Bytes __attribute__((vector_size(lanes)));
  std::uint8_t letters[vectors * lanes];
  for (std::int64_t i = 0; i < vectors * lanes; ++i) letters[i] = i < sequences ? codes[i * step] : std::uint8_t{4};
  for (int v = 0; v < vectors; ++v) {
    const auto letter = __builtin_convertvector(load<Bytes>(letters + v * lanes), Mask<T>);
    for (int base = 0; base < 4; ++base) {
      values[base * vectors + v] = letter == base ? Vector<T>{} + T{1} : Vector<T>{};
    }
  }
}

template <class T, int vectors>
void load_input(const RecurrentShape& shape, const RecurrentTile<T>& tile, std::int64_t position, Vector<T>* values) {
  if (tile.codes != nullptr) {
    load_letters<T, vectors>(tile.codes + position, shape.length, tile.sequences, values);
  } else {
    load_rows<T, vectors>(tile.dense + position * shape.inputs, shape.length * shape.inputs, shape.inputs,
                          tile.sequences, values);
  }
}

// An initial state, or zeros.
template <class T, int vectors>
void load_state(const RecurrentShape& shape, const RecurrentTile<T>& tile, const T* rows, std::int64_t padded,
                Vector<T>* state) {
  fill_zero<T>(state, padded * vectors);
  if (rows != nullptr) load_rows<T, vectors>(rows, shape.hidden, shape.hidden, tile.sequences, state);
}

template <class T, int vectors>
void keep(const RecurrentShape& shape, const RecurrentTile<T>& tile, const Vector<T>* state, T* kept) {
  for (std::int64_t unit = 0; unit < shape.hidden; ++unit, kept += shape.sequences) {
    __builtin_memcpy(kept, state + unit * vectors, static_cast<std::size_t>(tile.sequences) * sizeof(T));
  }
}

template <class T, class C>
std::int64_t forward_scratch(const RecurrentShape& shape, std::int64_t vectors) {
  const std::int64_t states = 3;  // h twice, c
  return (shape.inputs + states * RecurrentSizes<T, C>::padded(shape.hidden)) * vectors * VectorOf<T>::lanes;
}

template <class T, class C, int vectors>
void forward(const RecurrentShape& shape, const RecurrentWeights<T>& weights, const RecurrentTile<T>& tile,
             T* scratch) {
  const std::int64_t padded = RecurrentSizes<T, C>::padded(shape.hidden);
  const std::int64_t width = shape.directions * shape.hidden;
  auto* input = reinterpret_cast<Vector<T>*>(scratch);
  Vector<T>* h = input + shape.inputs * vectors;
  Vector<T>* h_next = h + padded * vectors;
  Vector<T>* c = h_next + padded * vectors;
  load_state<T, vectors>(shape, tile, tile.h0, padded, h);
  fill_zero<T>(h_next, padded * vectors);
  if constexpr (C::states == 2) load_state<T, vectors>(shape, tile, tile.c0, padded, c);
  for (std::int64_t step = 0; step < shape.length; ++step) {
    const std::int64_t position = tile.reverse ? shape.length - 1 - step : step;
    if (tile.kept != nullptr && step % recurrent_stretch == 0) {
      const std::int64_t plane = shape.hidden * shape.sequences;
      T* kept = tile.kept + step / recurrent_stretch * C::states * plane;
      keep<T, vectors>(shape, tile, h, kept);
      if constexpr (C::states == 2) keep<T, vectors>(shape, tile, c, kept + plane);
    }
    load_input<T, vectors>(shape, tile, position, input);
    advance<T, C, vectors, false>(shape, weights, input, {h, c, h_next, c, nullptr, 0});
    Vector<T>* before = h;
    h = h_next;
    h_next = before;
    store_rows<T, vectors>(h, shape.hidden, tile.sequences, tile.output + position * width, shape.length * width);
  }
  store_rows<T, vectors>(h, shape.hidden, tile.sequences, tile.h_n, shape.hidden);
  if constexpr (C::states == 2) store_rows<T, vectors>(c, shape.hidden, tile.sequences, tile.c_n, shape.hidden);
}

}  // namespace
}  // namespace dnafast
