// A tile of sequences through all positions. Part of recurrent_kernel.hpp, which says how it is compiled.
//
// States and inputs of a position are [unit][vector].

#pragma once

#include <cstdint>

#include "ops/cpu/recurrent.hpp"
#include "ops/cpu/recurrent_bfloat16.hpp"
#include "ops/cpu/recurrent_cells.hpp"
#include "ops/cpu/several.hpp"
#include "ops/cpu/transpose.hpp"
#include "ops/cpu/vector.hpp"

#if DNAFAST_VECTOR_BYTES >= 32
#include <immintrin.h>
#endif

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

// Vectors of AVX2 and AVX-512 have room for five letters, and an instruction that picks among them.
#if DNAFAST_VECTOR_BYTES >= 32
template <class T>
constexpr bool has_lookup = sizeof(T) == sizeof(float);

DNAFAST_INLINE Vector<float> look_up(const Vector<float>& table, const Mask<float>& letters) {
#if DNAFAST_VECTOR_BYTES == 64
  return _mm512_mask_permutexvar_ps(table, 0xffff, reinterpret_cast<__m512i>(letters), table);
#else
  return _mm256_permutevar8x32_ps(table, reinterpret_cast<__m256i>(letters));
#endif
}
#else
template <class T>
constexpr bool has_lookup = false;
#endif

// What a position multiplies: its input, rows or, where they are looked up, the base codes; and the state before.
template <class T>
struct PositionTerms {
  const Vector<T>* rows;
  const Mask<T>* letters;
  const Vector<T>* state;
};

// sum[row] += weights[term][row] * values[term]
template <class T, int rows, int vectors>
DNAFAST_INLINE void multiply(Several<T, vectors> (&sum)[rows], const T* weights, std::int64_t terms,
                             const Vector<T>* values) {
  for (std::int64_t term = 0; term < terms; ++term, weights += rows, values += vectors) {
    const auto value = load_several<T, vectors>(values);
#pragma GCC unroll 8
    for (int row = 0; row < rows; ++row) {
#pragma GCC unroll 3
      for (int v = 0; v < vectors; ++v) {
        sum[row].at[v] = add_product<T>(sum[row].at[v], weights[row], value.at[v]);
      }
    }
  }
}

template <class C, bool save, class T>
DNAFAST_INLINE void move_on(UnitState<T>& at, std::int64_t vectors) {
  at.h += vectors;
  at.h_next += vectors;
  if constexpr (C::states == 2) {
    at.c += vectors;
    at.c_next += vectors;
  }
  if constexpr (save) at.saved += vectors;
}

// One unit, and on to the next.
template <class T, class C, int vectors, bool save>
DNAFAST_INLINE void advance_unit(const RecurrentShape& shape, const Several<T, vectors> (&sum)[C::sums],
                                 UnitState<T>& at) {
  if constexpr (many_registers) {
    C::template advance<save>(shape, sum, at);
    move_on<C, save>(at, vectors);
  } else {
    // Vectors side by side would not find room in the registers.
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) {
      Several<T, 1> one[C::sums];
#pragma GCC unroll 4
      for (int row = 0; row < C::sums; ++row) one[row].at[0] = sum[row].at[v];
      C::template advance<save>(shape, one, at);
      move_on<C, save>(at, 1);
    }
  }
}

// The bias and the input of all sums of a block.
template <class T, int rows, int vectors>
DNAFAST_INLINE void start_sums(const RecurrentShape& shape, const PositionTerms<T>& input, const T* bias,
                               const T* weights, const Vector<T>* letters, Several<T, vectors> (&sum)[rows]) {
  if constexpr (has_lookup<T>) {
    if (input.letters != nullptr) {
#pragma GCC unroll 8
      for (int row = 0; row < rows; ++row) {
#pragma GCC unroll 3
        for (int v = 0; v < vectors; ++v) sum[row].at[v] = look_up(letters[row], input.letters[v]);
      }
      return;
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < rows; ++row) {
#pragma GCC unroll 3
    for (int v = 0; v < vectors; ++v) sum[row].at[v] = broadcast(bias[row]);
  }
  multiply<T, rows, vectors>(sum, weights, shape.inputs / terms_together, input.rows);
}

template <class T, class C, int vectors, bool save>
void advance(const RecurrentShape& shape, const RecurrentWeights<T>& weights, const PositionTerms<T>& input,
             const UnitState<T>& from) {
  constexpr int units = RecurrentSizes<T, C>::units;
  constexpr int rows = C::gates * units;
  const std::int64_t padded = RecurrentSizes<T, C>::padded(shape.hidden);
  UnitState<T> at = from;
  const T* input_weight = weights.input;
  const T* hidden_weight = weights.hidden;
  const T* bias = weights.bias;
  const auto* letters = reinterpret_cast<const Vector<T>*>(weights.letters);
  for (std::int64_t first = 0; first < shape.hidden; first += units) {
    Several<T, vectors> sum[rows];
    start_sums<T, rows, vectors>(shape, input, bias, input_weight, letters, sum);
    // Of the last gate of a gru, the input's half is kept apart from the hidden half.
    Several<T, vectors> apart[units];
    if constexpr (C::sums != C::gates) {
#pragma GCC unroll 8
      for (int unit = 0; unit < units; ++unit) {
        apart[unit] = sum[rows - units + unit];
#pragma GCC unroll 3
        for (int v = 0; v < vectors; ++v) sum[rows - units + unit].at[v] = broadcast(bias[rows + unit]);
      }
    }
    multiply<T, rows, vectors>(sum, hidden_weight, padded / terms_together, input.state);
#pragma GCC unroll 8
    for (int unit = 0; unit < units; ++unit) {
      Several<T, vectors> of_unit[C::sums];
#pragma GCC unroll 8
      for (int gate = 0; gate < C::gates; ++gate) of_unit[gate] = sum[gate * units + unit];
      if constexpr (C::sums != C::gates) {
        of_unit[C::gates] = of_unit[C::gates - 1];
        of_unit[C::gates - 1] = apart[unit];
      }
      advance_unit<T, C, vectors, save>(shape, of_unit, at);
    }
    input_weight += shape.inputs / terms_together * rows;
    hidden_weight += padded / terms_together * rows;
    bias += C::sums * units;
    if (letters != nullptr) letters += rows;
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

// Rows that are read or written after the next multiplications: fetched from memory meanwhile.
template <class T, bool to_write>
void fetch_rows(const T* rows, std::int64_t step, std::int64_t columns, std::int64_t sequences) {
  constexpr std::int64_t line = 64 / static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t i = 0; i < sequences; ++i, rows += step) {
    for (std::int64_t column = 0; column < columns; column += line) __builtin_prefetch(rows + column, to_write);
  }
}

// Base codes of one position, one sequence `step` after the other; lanes without a sequence get an unknown base.
template <class T, int vectors>
void load_letters(const std::uint8_t* codes, std::int64_t step, std::int64_t sequences, Mask<T>* letters) {
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  typedef std::uint8_t Bytes __attribute__((vector_size(lanes)));
  std::uint8_t bytes[vectors * lanes];
  for (std::int64_t i = 0; i < vectors * lanes; ++i) bytes[i] = i < sequences ? codes[i * step] : std::uint8_t{4};
  for (int v = 0; v < vectors; ++v) {
    letters[v] = __builtin_convertvector(load<Bytes>(bytes + v * lanes), Mask<T>);
  }
}

// Features of one position -> rows, narrow pairs of them; base codes -> four rows of zeros and ones.
template <class T, int vectors>
void load_input(const RecurrentShape& shape, const RecurrentTile<T>& tile, std::int64_t position, Vector<T>* rows) {
  if (tile.codes == nullptr) {
    const std::int64_t columns = shape.inputs / terms_together;
    load_rows<T, vectors>(tile.dense + position * columns, shape.length * columns, columns, tile.sequences, rows);
    return;
  }
  Mask<T> letters[vectors];
  load_letters<T, vectors>(tile.codes + position, shape.length, tile.sequences, letters);
  for (int base = 0; base < 4; ++base) {
    for (int v = 0; v < vectors; ++v) {
      rows[base * vectors + v] = letters[v] == base ? Vector<T>{} + T{1} : Vector<T>{};
    }
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

// The state as it is multiplied: as it is, or narrow, written to `pairs`.
template <class T, int vectors>
const Vector<T>* multiplied(const Vector<T>* state, std::int64_t padded, Vector<T>* pairs) {
#if defined(DNAFAST_NARROW)
  pack_pairs<vectors>(state, padded, pairs);
  return pairs;
#else
  static_cast<void>(padded);
  static_cast<void>(pairs);
  return state;
#endif
}

template <class T, class C>
std::int64_t forward_scratch(const RecurrentShape& shape, std::int64_t vectors) {
  const std::int64_t states = 4;  // h twice, c, and pairs of h
  return (shape.inputs + states * RecurrentSizes<T, C>::padded(shape.hidden)) * vectors * VectorOf<T>::lanes;
}

template <class T, class C, int vectors>
void forward(const RecurrentShape& shape, const RecurrentWeights<T>& weights, const RecurrentTile<T>& tile,
             T* scratch) {
  const std::int64_t padded = RecurrentSizes<T, C>::padded(shape.hidden);
  const std::int64_t hidden_terms = shape.hidden / terms_together;
  const std::int64_t width = shape.directions * hidden_terms;
  auto* input = reinterpret_cast<Vector<T>*>(scratch);
  Vector<T>* h = input + shape.inputs * vectors;
  Vector<T>* h_next = h + padded * vectors;
  Vector<T>* c = h_next + padded * vectors;
  load_state<T, vectors>(shape, tile, tile.h0, padded, h);
  fill_zero<T>(h_next, padded * vectors);
  if constexpr (C::states == 2) load_state<T, vectors>(shape, tile, tile.c0, padded, c);
  Vector<T>* pairs = c + padded * vectors;
  const Vector<T>* state = multiplied<T, vectors>(h, padded, pairs);
  Mask<T> letters[vectors];
  for (std::int64_t step = 0; step < shape.length; ++step) {
    const std::int64_t position = tile.reverse ? shape.length - 1 - step : step;
    if (tile.kept != nullptr && step % recurrent_stretch == 0) {
      const std::int64_t plane = shape.hidden * shape.sequences;
      T* kept = tile.kept + step / recurrent_stretch * C::states * plane;
      keep<T, vectors>(shape, tile, h, kept);
      if constexpr (C::states == 2) keep<T, vectors>(shape, tile, c, kept + plane);
    }
    const bool looked_up = has_lookup<T> && weights.letters != nullptr;
    if (looked_up) {
      load_letters<T, vectors>(tile.codes + position, shape.length, tile.sequences, letters);
    } else {
      load_input<T, vectors>(shape, tile, position, input);
    }
    T* output = tile.output + position * width;
    const std::int64_t sequence = shape.length * width;
    fetch_rows<T, true>(output, sequence, hidden_terms, tile.sequences);
    advance<T, C, vectors, false>(shape, weights, {input, looked_up ? letters : nullptr, state},
                                  {h, c, h_next, c, nullptr, 0});
    Vector<T>* before = h;
    h = h_next;
    h_next = before;
    state = multiplied<T, vectors>(h, padded, pairs);
    store_rows<T, vectors>(state, hidden_terms, tile.sequences, output, sequence);
  }
  store_rows<T, vectors>(h, shape.hidden, tile.sequences, tile.h_n, shape.hidden);
  if constexpr (C::states == 2) store_rows<T, vectors>(c, shape.hidden, tile.sequences, tile.c_n, shape.hidden);
}

}  // namespace
}  // namespace dnafast
