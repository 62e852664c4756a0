// Tiles of float in [row][lane], tensors of bfloat16 in [channel][row]; for tensors of the tile's own type see
// transpose.hpp. Part of conv1d_kernel.hpp, which says how it is compiled.
//
// Two neighbouring rows are transposed as one, in pairs.

#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cpu/bfloat16.hpp"
#include "ops/cpu/bfloat16_pairs.hpp"
#include "ops/cpu/transpose.hpp"
#include "ops/cpu/vector.hpp"

namespace dnafast {
namespace {

constexpr std::int64_t pair_rows = 2 * VectorOf<float>::lanes;

// rows [count][lane] -> columns[channel * step + row], for the first `channels` lanes.
template <class T>
void store_columns(const Vector<T>* rows, std::int64_t count, std::int64_t channels, Bfloat16* columns,
                   std::int64_t step) {
  static_assert(sizeof(T) == sizeof(float) && sizeof(Bfloat16) == 2);
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  if (count < lanes / 2) {  // too few to earn a square
    for (std::int64_t row = 0; row < count; ++row) {
      const Bits bits = reinterpret_cast<Bits>(pair_of(rows[row], Vector<T>{}));
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        columns[channel * step + row].bits = static_cast<std::uint16_t>(bits[channel]);
      }
    }
    return;
  }
  Vector<T> square[lanes];
  for (std::int64_t row = 0; row < count; row += pair_rows) {
    if (row + pair_rows > count) {
      // The last rows go over some of those before once more, if there are so many.
      row = count > pair_rows ? count - pair_rows : 0;
    }
    const std::int64_t here = least(pair_rows, count - row);
    for (std::int64_t i = 0; i < lanes; ++i) {
      const std::int64_t at = row + 2 * i;
      square[i] = pair_of(at < count ? rows[at] : Vector<T>{}, at + 1 < count ? rows[at + 1] : Vector<T>{});
    }
    transpose<T>(square);
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      Bfloat16* column = columns + channel * step + row;
      if (here == pair_rows) {
        store(column, square[channel]);
      } else {
        __builtin_memcpy(column, &square[channel], static_cast<std::size_t>(here) * sizeof(Bfloat16));
      }
    }
  }
}

// The other way round, for gradients; zero where ReLU let nothing through. Needs room for count rounded up to
// pair_rows. Rows of missing channels hold anything finite or not.
template <class T>
void load_columns(const Bfloat16* columns, const Bfloat16* outputs, std::int64_t step, std::int64_t count,
                  std::int64_t channels, Vector<T>* rows) {
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  const auto pairs_of = [](const Bfloat16* column, std::int64_t here) {
    Vector<T> pairs{};
    if (here == pair_rows) return load<Vector<T>>(column);
    __builtin_memcpy(&pairs, column, static_cast<std::size_t>(here) * sizeof(Bfloat16));
    return pairs;
  };
  Vector<T> square[lanes];
  for (std::int64_t row = 0; row < count; row += pair_rows) {
    const std::int64_t here = least(pair_rows, count - row);
    for (std::int64_t channel = 0; channel < lanes; ++channel) {
      const std::int64_t at = (channel < channels ? channel : 0) * step + row;
      square[channel] = pairs_of(columns + at, here);
      if (outputs != nullptr) {
        const Vector<T> passed = pairs_of(outputs + at, here);
        const Bits low = low_of(passed) <= Vector<T>{} ? Bits{} : Bits{} + 0xffff;
        const Bits high = high_of(passed) <= Vector<T>{} ? Bits{} : Bits{} + 0xffff0000;
        square[channel] = reinterpret_cast<Vector<T>>(reinterpret_cast<Bits>(square[channel]) & (low | high));
      }
    }
    transpose<T>(square);
    for (std::int64_t i = 0; i < lanes; ++i) {
      rows[row + 2 * i] = low_of(square[i]);
      rows[row + 2 * i + 1] = high_of(square[i]);
    }
  }
}

}  // namespace
}  // namespace dnafast
