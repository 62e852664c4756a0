// Tiles are [row][lane], tensors [channel][row]. Part of the kernels (conv1d_kernel.hpp, recurrent_kernel.hpp), which
// say how they are compiled.

#pragma once

#include <cstdint>

#include "ops/cpu/vector.hpp"

namespace dnafast {
namespace {

#if defined(__clang__)
template <class V, class Lanes>
V shuffle(const V& a, const V& b, const Lanes& lanes) {
  V result;
  constexpr int count = sizeof(V) / sizeof(a[0]);
  for (int i = 0; i < count; ++i) result[i] = lanes[i] < count ? a[lanes[i]] : b[lanes[i] - count];
  return result;
}
#else
template <class V, class Lanes>
V shuffle(const V& a, const V& b, const Lanes& lanes) {
  return __builtin_shuffle(a, b, lanes);
}
#endif

// A square of as many vectors as a vector has lanes, by swapping ever larger blocks off the diagonal.
template <class T>
void transpose(Vector<T>* square) {
  constexpr int lanes = VectorOf<T>::lanes;
#pragma GCC unroll 8
  for (int span = 1; span < lanes; span *= 2) {
    Mask<T> upper{};
    Mask<T> lower{};
    for (int lane = 0; lane < lanes; ++lane) {
      upper[lane] = (lane & span) ? lanes + lane - span : lane;
      lower[lane] = (lane & span) ? lanes + lane : lane + span;
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
      if (i & span) continue;
      const Vector<T> a = square[i];
      const Vector<T> b = square[i + span];
      square[i] = shuffle(a, b, upper);
      square[i + span] = shuffle(a, b, lower);
    }
  }
}

template <class V, class T>
V load(const T* from) {
  V value;
  __builtin_memcpy(&value, from, sizeof(V));
  return value;
}

template <class V, class T>
void store(T* to, const V& value) {
  __builtin_memcpy(to, &value, sizeof(V));
}

// rows [count][lane], `every` vectors apart -> columns[channel * step + row], for the first `channels` lanes.
template <class T>
void store_columns(const Vector<T>* rows, std::int64_t count, std::int64_t channels, T* columns, std::int64_t step,
                   std::int64_t every = 1) {
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  std::int64_t row = 0;
  for (; row + lanes <= count; row += lanes) {
    Vector<T> square[lanes];
    for (std::int64_t i = 0; i < lanes; ++i) square[i] = rows[(row + i) * every];
    transpose<T>(square);
    if (channels == lanes) {  // a loop that is unrolled keeps the square in registers
#pragma GCC unroll 16
      for (std::int64_t channel = 0; channel < lanes; ++channel) store(columns + channel * step + row, square[channel]);
      continue;
    }
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      store(columns + channel * step + row, square[channel]);
    }
  }
  for (; row < count; ++row) {
    for (std::int64_t channel = 0; channel < channels; ++channel)
      columns[channel * step + row] = rows[row * every][channel];
  }
}

// The same for positions, whose lanes are as wide as a value's.
template <class T>
void store_places(const Mask<T>* rows, std::int64_t count, std::int64_t channels, std::int32_t* columns,
                  std::int64_t step) {
  if constexpr (sizeof(T) == sizeof(std::int32_t)) {
    // Transposing moves bits and looks at none.
    store_columns<T>(reinterpret_cast<const Vector<T>*>(rows), count, channels, reinterpret_cast<T*>(columns), step);
  } else {
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      for (std::int64_t row = 0; row < count; ++row) {
        columns[channel * step + row] = static_cast<std::int32_t>(rows[row][channel]);
      }
    }
  }
}

// The other way round, for gradients; zero where ReLU let nothing through. Rows of missing channels hold anything
// finite or not: what is added up there is never read.
template <class T>
void load_columns(const T* columns, const T* outputs, std::int64_t step, std::int64_t count, std::int64_t channels,
                  Vector<T>* rows, std::int64_t every = 1) {
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  std::int64_t row = 0;
  for (; row + lanes <= count; row += lanes) {
    Vector<T> square[lanes];
    if (channels == lanes && outputs == nullptr) {  // a loop that is unrolled keeps the square in registers
#pragma GCC unroll 16
      for (std::int64_t channel = 0; channel < lanes; ++channel) {
        square[channel] = load<Vector<T>>(columns + channel * step + row);
      }
      transpose<T>(square);
#pragma GCC unroll 16
      for (std::int64_t i = 0; i < lanes; ++i) rows[(row + i) * every] = square[i];
      continue;
    }
    for (std::int64_t channel = 0; channel < lanes; ++channel) {
      const std::int64_t at = (channel < channels ? channel : 0) * step + row;
      square[channel] = load<Vector<T>>(columns + at);
      if (outputs != nullptr) {
        square[channel] = load<Vector<T>>(outputs + at) <= Vector<T>{} ? Vector<T>{} : square[channel];
      }
    }
    transpose<T>(square);
    for (std::int64_t i = 0; i < lanes; ++i) rows[(row + i) * every] = square[i];
  }
  for (; row < count; ++row) {
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      const std::int64_t at = channel * step + row;
      rows[row * every][channel] = outputs != nullptr && outputs[at] <= 0 ? T{0} : columns[at];
    }
    for (std::int64_t channel = channels; channel < lanes; ++channel) rows[row * every][channel] = T{0};
  }
}

template <class T>
void load_places(const std::int32_t* columns, std::int64_t step, std::int64_t count, std::int64_t channels,
                 Mask<T>* rows) {
  if constexpr (sizeof(T) == sizeof(std::int32_t)) {
    load_columns<T>(reinterpret_cast<const T*>(columns), nullptr, step, count, channels,
                    reinterpret_cast<Vector<T>*>(rows));
  } else {
    for (std::int64_t row = 0; row < count; ++row) {
      for (std::int64_t lane = 0; lane < VectorOf<T>::lanes; ++lane) {
        rows[row][lane] = columns[(lane < channels ? lane : 0) * step + row];
      }
    }
  }
}

}  // namespace
}  // namespace dnafast
