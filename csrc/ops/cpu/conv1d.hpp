// Convolution over base codes as table look-up.
//
// A one-hot column picks one row of the kernel, so a convolution over one-hot is a sum of `width` rows. Rows of
// neighbouring bases are added up beforehand: a table holds, for every word of a few bases, the sum of their rows, and
// a position costs width / word look-ups. Lanes run over channels; a block of channels as wide as a vector has its own
// table, small enough for the inner caches. Windows that touch an unknown base or the padding use a second table with
// five letters, the fifth adding nothing. The backward pass is the transpose: gradients are added into the table's
// rows, and the table is folded at the end.
#pragma once

#include <cstdint>

#include "ops/cpu/bfloat16.hpp"

namespace dnafast {

struct Conv1dShape {
  std::int64_t sequences;
  std::int64_t length;
  std::int64_t channels;
  std::int64_t width;
  std::int64_t stride;
  std::int64_t padding;
  std::int64_t dilation;
  bool relu;
  bool pooled;
  std::int64_t positions;  // of the convolution, before pooling
  std::int64_t window;     // positions under one output: 1, the pooling width, or all of them
  std::int64_t outputs;    // per sequence and channel
  std::int64_t extended;   // length with the padding
};

// The shape of one table: radix^word rows of `words` vectors each, one for each place of a word in the kernel.
struct WordTable {
  std::int64_t radix;
  std::int64_t word;
  std::int64_t words;
  std::int64_t rows;
};

// One sequence, ready for look-up: byte offsets of the table row at each position of the padded sequence.
struct WordSequence {
  const std::uint32_t* known;
  const std::uint32_t* unknown;
  const std::uint8_t* touched;  // per position of the convolution: 1 where its window holds an unknown; null: none does
};

// What is compiled once per instruction set. Tables are [row][word][lane], kernels [width][4][lane]; outputs and their
// gradients are stored as they are computed, or in bfloat16.
template <class T, class Stored = T>
struct Conv1dKernels {
  std::int64_t lanes;

  void (*build)(const WordTable& shape, std::int64_t width, const T* kernel, const T* bias, T* table);

  // Adds the table's rows up to the gradients of the kernel [width][4][lane] and of the bias [lane]; spoils the table.
  void (*fold)(const WordTable& shape, std::int64_t width, T* table, T* kernel_gradient, T* bias_gradient);

  // Fills extended (the padded sequence plus room for a word), the offsets and touched; returns whether any window is
  // touched.
  bool (*prepare)(const Conv1dShape& shape, const WordTable& known, const WordTable& unknown, const std::uint8_t* codes,
                  std::uint8_t* extended, std::uint32_t* known_offsets, std::uint32_t* unknown_offsets,
                  std::uint8_t* touched);

  // One sequence, one block of channels: output and, unless null, where (both [channel][output]).
  void (*forward)(const Conv1dShape& shape, const WordTable& known, const WordTable& unknown, const T* known_table,
                  const T* unknown_table, const WordSequence& sequence, std::int64_t channels, bool careful, T* tile,
                  Stored* output, std::int32_t* where);

  // The transpose: adds the gradient of one sequence and block into the tables' rows.
  void (*backward)(const Conv1dShape& shape, const WordTable& known, const WordTable& unknown, T* known_table,
                   T* unknown_table, const WordSequence& sequence, std::int64_t channels, T* tile,
                   const Stored* gradient, const Stored* output, const std::int32_t* where);
};

// The scratch memory of forward and backward: tiles of as many rows, one each for positions, outputs and places.
inline constexpr std::int64_t conv1d_tile_rows = 64;
inline constexpr std::int64_t conv1d_tiles = 3;

// output (sequences, channels, outputs); where: the position of each maximum, or null.
// Throws std::invalid_argument where a code is above 4.
template <class T, class Stored>
void conv1d_forward(const Conv1dShape& shape, const std::uint8_t* codes, const T* weight, const T* bias, Stored* output,
                    std::int32_t* where);

// weight_gradient (channels, 4, width) and bias_gradient (channels) are overwritten.
template <class T, class Stored>
void conv1d_backward(const Conv1dShape& shape, const std::uint8_t* codes, const Stored* gradient, const Stored* output,
                     const std::int32_t* where, T* weight_gradient, T* bias_gradient);

}  // namespace dnafast
