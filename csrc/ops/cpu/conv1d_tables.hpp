// Tables of words and the words of a sequence. Part of the kernels of conv1d_kernel.hpp, which says how it is compiled.

#pragma once

#include <cstdint>

#include "ops/cpu/conv1d.hpp"
#include "ops/cpu/vector.hpp"

namespace dnafast {
namespace {

// ---- tables ----

template <class T>
void build(const WordTable& shape, std::int64_t width, const T* kernel, const T* bias, T* table) {
  const auto* bases = reinterpret_cast<const Vector<T>*>(kernel);
  auto* rows = reinterpret_cast<Vector<T>*>(table);
  for (std::int64_t place = 0; place < shape.words; ++place) {
    rows[place] = place == 0 ? *reinterpret_cast<const Vector<T>*>(bias) : Vector<T>{};
    std::int64_t prefixes = 1;
    // Each step appends one base to every prefix, in place: from the last to the first, so that none is overwritten
    // early.
    for (std::int64_t t = 0; t < shape.word; ++t, prefixes *= shape.radix) {
      const std::int64_t k = place * shape.word + t;
      for (std::int64_t prefix = prefixes - 1; prefix >= 0; --prefix) {
        const Vector<T> sum = rows[prefix * shape.words + place];
        for (std::int64_t base = shape.radix - 1; base >= 0; --base) {
          const bool adds = base < 4 && k < width;
          rows[(prefix * shape.radix + base) * shape.words + place] = adds ? sum + bases[k * 4 + base] : sum;
        }
      }
    }
  }
}

template <class T>
void fold(const WordTable& shape, std::int64_t width, T* table, T* kernel_gradient, T* bias_gradient) {
  auto* bases = reinterpret_cast<Vector<T>*>(kernel_gradient);
  auto* rows = reinterpret_cast<Vector<T>*>(table);
  for (std::int64_t place = 0; place < shape.words; ++place) {
    std::int64_t prefixes = shape.rows;
    for (std::int64_t t = shape.word - 1; t >= 0; --t) {
      prefixes /= shape.radix;
      const std::int64_t k = place * shape.word + t;
      for (std::int64_t prefix = 0; prefix < prefixes; ++prefix) {
        Vector<T> sum{};
        for (std::int64_t base = 0; base < shape.radix; ++base) {
          const Vector<T> row = rows[(prefix * shape.radix + base) * shape.words + place];
          sum += row;
          if (base < 4 && k < width) bases[k * 4 + base] += row;
        }
        rows[prefix * shape.words + place] = sum;
      }
    }
    if (place == 0) *reinterpret_cast<Vector<T>*>(bias_gradient) += rows[0];
  }
}

// ---- sequences ----

// One pass over the sequence per base of the word, each a loop that the compiler turns into vectors.
void offsets_of(const WordTable& table, std::int64_t length, std::int64_t dilation, std::uint32_t row_bytes,
                const std::uint8_t* extended, std::uint32_t* offsets) {
  const auto radix = static_cast<std::uint32_t>(table.radix);
  // With four letters an unknown reads as any of them: such words are looked up only where nothing comes of it.
  const std::uint8_t letters = table.radix == 4 ? 3 : 7;
  for (std::int64_t i = 0; i < length; ++i) offsets[i] = extended[i] & letters;
  for (std::int64_t t = 1; t < table.word; ++t) {
    const std::uint8_t* code = extended + t * dilation;
    for (std::int64_t i = 0; i < length; ++i) offsets[i] = offsets[i] * radix + (code[i] & letters);
  }
  for (std::int64_t i = 0; i < length; ++i) offsets[i] *= row_bytes;
}

template <class T>
bool prepare(const Conv1dShape& shape, const WordTable& known, const WordTable& unknown, const std::uint8_t* codes,
             std::uint8_t* extended, std::uint32_t* known_offsets, std::uint32_t* unknown_offsets,
             std::uint8_t* touched) {
  const std::int64_t length = shape.extended;
  const std::int64_t overhang = (known.word > unknown.word ? known.word : unknown.word) * shape.dilation;
  for (std::int64_t i = 0; i < shape.padding; ++i) extended[i] = extended[length - 1 - i] = 4;
  std::uint8_t* inner = extended + shape.padding;
  std::uint8_t any = shape.padding > 0 ? 4 : 0;
  for (std::int64_t i = 0; i < shape.length; ++i) {
    const std::uint8_t code = codes[i] > 4 ? 4 : codes[i];
    inner[i] = code;
    any |= code;
  }
  for (std::int64_t i = length; i < length + overhang; ++i) extended[i] = 0;

  const auto known_row = static_cast<std::uint32_t>(known.words * vector_bytes);
  offsets_of(known, length, shape.dilation, known_row, extended, known_offsets);
  if (known.radix == 5 || any < 4) return false;
  const auto unknown_row = static_cast<std::uint32_t>(unknown.words * vector_bytes);
  offsets_of(unknown, length, shape.dilation, unknown_row, extended, unknown_offsets);
  for (std::int64_t p = 0; p < shape.positions; ++p) touched[p] = 0;
  for (std::int64_t k = 0; k < shape.width; ++k) {
    const std::uint8_t* code = extended + k * shape.dilation;
    if (shape.stride == 1) {
      for (std::int64_t p = 0; p < shape.positions; ++p) touched[p] |= code[p] >> 2;
    } else {
      for (std::int64_t p = 0; p < shape.positions; ++p) touched[p] |= code[p * shape.stride] >> 2;
    }
  }
  return true;
}

// Calls body(first, last, known) for each run of positions within [begin, end) that all are, or all are not, touched.
template <class Body>
void for_runs(const WordSequence& sequence, std::int64_t begin, std::int64_t end, const Body& body) {
  if (sequence.touched == nullptr) {
    if (begin < end) body(begin, end, true);
    return;
  }
  while (begin < end) {
    std::int64_t last = begin + 1;
    while (last < end && sequence.touched[last] == sequence.touched[begin]) ++last;
    body(begin, last, sequence.touched[begin] == 0);
    begin = last;
  }
}

}  // namespace
}  // namespace dnafast
