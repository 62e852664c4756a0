#include "ops/cpu/conv1d.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "ops/compat.hpp"
#include "ops/cpu/bad_code.hpp"
#include "ops/cpu/buffer.hpp"
#include "ops/cpu/instruction_set.hpp"

namespace dnafast {

#if defined(__x86_64__)
extern const Conv1dKernels<float> conv1d_avx2_float, conv1d_avx512_float;
extern const Conv1dKernels<double> conv1d_avx2_double, conv1d_avx512_double;
extern const Conv1dKernels<float, Bfloat16> conv1d_avx2_bfloat16, conv1d_avx512_bfloat16;
#endif
extern const Conv1dKernels<float> conv1d_baseline_float;
extern const Conv1dKernels<double> conv1d_baseline_double;
extern const Conv1dKernels<float, Bfloat16> conv1d_baseline_bfloat16;

namespace {

// That of the three which fits the types.
template <class T, class Stored>
const Conv1dKernels<T, Stored>& one_of(const Conv1dKernels<float>& of_float, const Conv1dKernels<double>& of_double,
                                       const Conv1dKernels<float, Bfloat16>& of_bfloat16) {
  if constexpr (std::is_same_v<Stored, Bfloat16>) {
    return of_bfloat16;
  } else if constexpr (std::is_same_v<T, float>) {
    return of_float;
  } else {
    return of_double;
  }
}

template <class T, class Stored>
const Conv1dKernels<T, Stored>& kernels_here() {
#if defined(__x86_64__)
  switch (instruction_set()) {
    case InstructionSet::avx512:
      return one_of<T, Stored>(conv1d_avx512_float, conv1d_avx512_double, conv1d_avx512_bfloat16);
    case InstructionSet::avx2:
      return one_of<T, Stored>(conv1d_avx2_float, conv1d_avx2_double, conv1d_avx2_bfloat16);
    case InstructionSet::baseline:
      break;
  }
#else
  instruction_set();  // tells of a DNAFAST_ISA that names what is not here
#endif
  return one_of<T, Stored>(conv1d_baseline_float, conv1d_baseline_double, conv1d_baseline_bfloat16);
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  std::int64_t value = 1;
  for (; exponent > 0; --exponent) value *= base;
  return value;
}

WordTable word_table(std::int64_t radix, std::int64_t word, std::int64_t width) {
  return {radix, word, (width + word - 1) / word, power(radix, word)};
}

std::int64_t cache_bytes() {
  static const std::int64_t bytes = [] {
    std::int64_t found = 0;
#if defined(_SC_LEVEL2_CACHE_SIZE)
    found = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return found > 0 ? found : std::int64_t{512} << 10;
  }();
  return bytes;
}

// Both tables of a call. With the word of one base a single table of five letters serves every window.
struct Words {
  WordTable known;
  WordTable unknown;
  bool single() const { return known.radix == 5; }
};

// Look-ups get fewer and tables larger with the length of the word: the cheapest sum of both, by a rough model.
// Building a row costs about 1.5 look-ups (twice that with the backward pass, which also folds); a table beyond the
// inner cache makes a look-up half as dear again (measured on Zen 4), one beyond the second cache several times.
Words choose_words(const Conv1dShape& shape, std::int64_t vector_bytes, double row_cost) {
  const double positions = static_cast<double>(shape.sequences) * static_cast<double>(shape.positions);
  Words best{word_table(5, 1, shape.width), word_table(5, 1, shape.width)};
  double least = positions * static_cast<double>(shape.width);
  for (std::int64_t word = 2; word <= std::min<std::int64_t>(4, shape.width); ++word) {
    const WordTable table = word_table(4, word, shape.width);
    const std::int64_t bytes = table.rows * table.words * vector_bytes;
    const double penalty = bytes > cache_bytes() * 3 / 4 ? 4.0 : bytes > (32 << 10) ? 1.3 : 1.0;
    const double cost = positions * static_cast<double>(table.words) * penalty +
                        row_cost * static_cast<double>(table.rows * table.words);
    if (cost < least) {
      least = cost;
      best = {table, word_table(5, std::min<std::int64_t>(2, shape.width), shape.width)};
    }
  }
  return best;
}

// Channels in blocks of as many as a vector has lanes; what is missing in the last block is zero.
template <class T>
struct Blocks {
  std::int64_t lanes, count, kernel_size, known_size, unknown_size;

  Blocks(const Conv1dShape& shape, const Words& words, std::int64_t lanes_)
      : lanes(lanes_),
        count((shape.channels + lanes - 1) / lanes),
        kernel_size(shape.width * 4 * lanes),
        known_size(words.known.rows * words.known.words * lanes),
        unknown_size(words.single() ? 0 : words.unknown.rows * words.unknown.words * lanes) {}

  std::int64_t channels_of(const Conv1dShape& shape, std::int64_t block) const {
    return std::min(lanes, shape.channels - block * lanes);
  }
};

// What one thread needs to take a few sequences at a time through all blocks.
template <class T, class Stored>
class Workspace {
 public:
  Workspace(const Conv1dShape& shape, const Words& words, const Conv1dKernels<T, Stored>& kernels)
      : shape_(shape),
        words_(words),
        kernels_(kernels),
        group_(std::clamp<std::int64_t>((64 << 10) / (shape.extended * 4), 1, 16)),
        extended_(shape.extended + 4 * shape.dilation),
        known_(group_ * shape.extended),
        unknown_(words.single() ? 0 : group_ * shape.extended),
        touched_(words.single() ? 0 : group_ * shape.positions),
        tile_(conv1d_tiles * conv1d_tile_rows * kernels.lanes) {}

  std::int64_t group() const { return group_; }
  T* tile() const { return tile_.get(); }

  WordSequence prepare(std::int64_t slot, const std::uint8_t* codes) const {
    std::uint32_t* known = known_.get() + slot * shape_.extended;
    std::uint32_t* unknown = words_.single() ? nullptr : unknown_.get() + slot * shape_.extended;
    std::uint8_t* touched = words_.single() ? nullptr : touched_.get() + slot * shape_.positions;
    const bool any =
        kernels_.prepare(shape_, words_.known, words_.unknown, codes, extended_.get(), known, unknown, touched);
    return {known, unknown, any ? touched : nullptr};
  }

 private:
  const Conv1dShape& shape_;
  const Words& words_;
  const Conv1dKernels<T, Stored>& kernels_;
  std::int64_t group_;
  Buffer<std::uint8_t> extended_;
  Buffer<std::uint32_t> known_, unknown_;
  Buffer<std::uint8_t> touched_;
  Buffer<T> tile_;
};

// Slices of the batch: as many as threads, but none with less work than starting a thread is worth (about 20 µs).
std::int64_t batch_slices(const Conv1dShape& shape, const Words& words, std::int64_t blocks) {
  constexpr std::int64_t lookups_worth_a_thread = 50'000;
  const std::int64_t lookups = std::max<std::int64_t>(shape.positions * words.known.words * blocks, 1);
  return slice_count(shape.sequences, 1 + lookups_worth_a_thread / lookups);
}

// [channel][base][k] -> [block][k][base][lane]
template <class T>
void lay_out_kernel(const Conv1dShape& shape, const Blocks<T>& blocks, const T* weight, const T* bias, T* kernel,
                    T* block_bias) {
  std::fill_n(kernel, blocks.count * blocks.kernel_size, T{0});
  std::fill_n(block_bias, blocks.count * blocks.lanes, T{0});
  for (std::int64_t channel = 0; channel < shape.channels; ++channel) {
    T* lane = kernel + channel / blocks.lanes * blocks.kernel_size + channel % blocks.lanes;
    for (std::int64_t base = 0; base < 4; ++base) {
      for (std::int64_t k = 0; k < shape.width; ++k) lane[(k * 4 + base) * blocks.lanes] = *weight++;
    }
  }
  if (bias != nullptr) std::copy_n(bias, shape.channels, block_bias);
}

template <class T>
bool all_finite(const T* values, std::int64_t count) {
  return std::all_of(values, values + count, [](T value) { return std::isfinite(value); });
}

// A maximum over a wide window leaves few gradients: each is added to the kernel base by base, in scalar code, from the
// codes alone. Kept per slice as [channel][k][five letters], the bias as the last column of a channel.
template <class T, class Stored>
void backward_sparse(const Conv1dShape& shape, const std::uint8_t* codes, const Stored* gradient, const Stored* output,
                     const std::int32_t* where, T* weight_gradient, T* bias_gradient) {
  const std::int64_t slices = slice_count(shape.sequences, 1 + 20'000 / (shape.channels * shape.outputs * shape.width));
  const std::int64_t row = shape.width * 5 + 1;
  const std::int64_t size = shape.channels * row;
  std::vector<T> sums(static_cast<std::size_t>(slices * size));
  parallel_slices(shape.sequences, slices, [&](std::int64_t slice, std::int64_t begin, std::int64_t end) {
    std::vector<std::uint8_t> extended(static_cast<std::size_t>(shape.extended), std::uint8_t{4});
    for (std::int64_t n = begin; n < end; ++n) {
      const std::uint8_t* sequence = codes + n * shape.length;
      std::transform(sequence, sequence + shape.length, extended.begin() + shape.padding,
                     [](std::uint8_t code) { return std::min<std::uint8_t>(code, 4); });
      for (std::int64_t channel = 0; channel < shape.channels; ++channel) {
        T* sum = sums.data() + slice * size + channel * row;
        const std::int64_t first = (n * shape.channels + channel) * shape.outputs;
        for (std::int64_t i = first; i < first + shape.outputs; ++i) {
          if (shape.relu && value_of(output[i]) <= 0) continue;
          const T value = value_of(gradient[i]);
          const std::uint8_t* code = extended.data() + where[i] * shape.stride;
          for (std::int64_t k = 0; k < shape.width; ++k, code += shape.dilation) sum[k * 5 + *code] += value;
          sum[row - 1] += value;
        }
      }
    }
  });
  for (std::int64_t channel = 0; channel < shape.channels; ++channel) {
    T* gradients = weight_gradient + channel * 4 * shape.width;
    std::fill_n(gradients, 4 * shape.width, T{0});
    bias_gradient[channel] = T{0};
    for (std::int64_t slice = 0; slice < slices; ++slice) {
      const T* sum = sums.data() + slice * size + channel * row;
      for (std::int64_t k = 0; k < shape.width; ++k) {
        for (std::int64_t base = 0; base < 4; ++base) gradients[base * shape.width + k] += sum[k * 5 + base];
      }
      bias_gradient[channel] += sum[row - 1];
    }
  }
}

// Every position has a gradient: the transpose of the forward pass, through the tables.
template <class T, class Stored>
void backward_dense(const Conv1dShape& shape, const Words& words, const Conv1dKernels<T, Stored>& kernels,
                    const std::uint8_t* codes, const Stored* gradient, const Stored* output, const std::int32_t* where,
                    T* weight_gradient, T* bias_gradient) {
  const Blocks<T> blocks(shape, words, kernels.lanes);
  const std::int64_t slices = batch_slices(shape, words, blocks.count);
  const std::int64_t tables_size = blocks.known_size + blocks.unknown_size;
  const std::int64_t sums_size = blocks.count * (blocks.kernel_size + blocks.lanes);
  const Buffer<T> tables(slices * blocks.count * tables_size);
  const Buffer<T> sums(slices * sums_size);
  parallel_slices(shape.sequences, slices, [&](std::int64_t slice, std::int64_t begin, std::int64_t end) {
    const Workspace<T, Stored> space(shape, words, kernels);
    std::vector<WordSequence> sequences(static_cast<std::size_t>(space.group()));
    T* slice_tables = tables.get() + slice * blocks.count * tables_size;
    T* slice_sums = sums.get() + slice * sums_size;
    std::fill_n(slice_tables, blocks.count * tables_size, T{0});
    std::fill_n(slice_sums, sums_size, T{0});
    for (std::int64_t first = begin; first < end; first += space.group()) {
      const std::int64_t count = std::min(space.group(), end - first);
      for (std::int64_t i = 0; i < count; ++i) sequences[i] = space.prepare(i, codes + (first + i) * shape.length);
      for (std::int64_t block = 0; block < blocks.count; ++block) {
        T* known = slice_tables + block * tables_size;
        for (std::int64_t i = 0; i < count; ++i) {
          const std::int64_t at = ((first + i) * shape.channels + block * blocks.lanes) * shape.outputs;
          kernels.backward(shape, words.known, words.unknown, known, known + blocks.known_size, sequences[i],
                           blocks.channels_of(shape, block), space.tile(), gradient + at,
                           output == nullptr ? nullptr : output + at, where == nullptr ? nullptr : where + at);
        }
      }
    }
    for (std::int64_t block = 0; block < blocks.count; ++block) {
      T* known = slice_tables + block * tables_size;
      T* kernel_sum = slice_sums + block * (blocks.kernel_size + blocks.lanes);
      T* bias_sum = kernel_sum + blocks.kernel_size;
      kernels.fold(words.known, shape.width, known, kernel_sum, bias_sum);
      if (!words.single()) kernels.fold(words.unknown, shape.width, known + blocks.known_size, kernel_sum, bias_sum);
    }
  });
  for (std::int64_t channel = 0; channel < shape.channels; ++channel) {
    const std::int64_t block = channel / blocks.lanes;
    const T* lane = sums.get() + block * (blocks.kernel_size + blocks.lanes) + channel % blocks.lanes;
    const auto total = [&](std::int64_t offset) {
      T sum{0};
      for (std::int64_t slice = 0; slice < slices; ++slice) sum += lane[slice * sums_size + offset];
      return sum;
    };
    for (std::int64_t base = 0; base < 4; ++base) {
      for (std::int64_t k = 0; k < shape.width; ++k) *weight_gradient++ = total((k * 4 + base) * blocks.lanes);
    }
    bias_gradient[channel] = total(blocks.kernel_size);
  }
}

}  // namespace

template <class T, class Stored>
void conv1d_forward(const Conv1dShape& shape, const std::uint8_t* codes, const T* weight, const T* bias, Stored* output,
                    std::int32_t* where) {
  const Conv1dKernels<T, Stored>& kernels = kernels_here<T, Stored>();
  const Words words = choose_words(shape, kernels.lanes * static_cast<std::int64_t>(sizeof(T)), 1.5);
  const Blocks<T> blocks(shape, words, kernels.lanes);
  const std::int64_t slices = batch_slices(shape, words, blocks.count);

  const Buffer<T> kernel(blocks.count * blocks.kernel_size);
  const Buffer<T> block_bias(blocks.count * blocks.lanes);
  lay_out_kernel(shape, blocks, weight, bias, kernel.get(), block_bias.get());
  const bool careful = !all_finite(kernel.get(), blocks.count * blocks.kernel_size) ||
                       !all_finite(block_bias.get(), blocks.count * blocks.lanes);

  const std::int64_t tables_size = blocks.known_size + blocks.unknown_size;
  const Buffer<T> tables(blocks.count * tables_size);
  constexpr std::int64_t values_worth_a_thread = 400'000;
  parallel_slices(blocks.count, slice_count(blocks.count, 1 + values_worth_a_thread / tables_size),
                  [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                    for (std::int64_t block = begin; block < end; ++block) {
                      const T* bases = kernel.get() + block * blocks.kernel_size;
                      const T* lane_bias = block_bias.get() + block * blocks.lanes;
                      T* known = tables.get() + block * tables_size;
                      kernels.build(words.known, shape.width, bases, lane_bias, known);
                      if (words.single()) continue;
                      kernels.build(words.unknown, shape.width, bases, lane_bias, known + blocks.known_size);
                    }
                  });

  BadCode bad;
  parallel_slices(shape.sequences, slices, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    if (!bad.none_in(codes, shape.length, begin, end)) return;
    const Workspace<T, Stored> space(shape, words, kernels);
    std::vector<WordSequence> sequences(static_cast<std::size_t>(space.group()));
    for (std::int64_t first = begin; first < end; first += space.group()) {
      const std::int64_t count = std::min(space.group(), end - first);
      for (std::int64_t i = 0; i < count; ++i) sequences[i] = space.prepare(i, codes + (first + i) * shape.length);
      for (std::int64_t block = 0; block < blocks.count; ++block) {
        const T* known = tables.get() + block * tables_size;
        for (std::int64_t i = 0; i < count; ++i) {
          const std::int64_t at = ((first + i) * shape.channels + block * blocks.lanes) * shape.outputs;
          kernels.forward(shape, words.known, words.unknown, known, known + blocks.known_size, sequences[i],
                          blocks.channels_of(shape, block), careful, space.tile(), output + at,
                          where == nullptr ? nullptr : where + at);
        }
      }
    }
  });
  bad.tell("codes", codes, shape.length);
}

template <class T, class Stored>
void conv1d_backward(const Conv1dShape& shape, const std::uint8_t* codes, const Stored* gradient, const Stored* output,
                     const std::int32_t* where, T* weight_gradient, T* bias_gradient) {
  const Conv1dKernels<T, Stored>& kernels = kernels_here<T, Stored>();
  const Words words = choose_words(shape, kernels.lanes * static_cast<std::int64_t>(sizeof(T)), 3.0);
  // Per output and channel: `width` scalar additions, or a read and a write of every word of its window, `lanes` at
  // once.
  const bool sparse = shape.pooled && 2 * words.known.words * shape.window > shape.width * kernels.lanes;
  if (sparse || shape.window > conv1d_tile_rows) {
    backward_sparse(shape, codes, gradient, output, where, weight_gradient, bias_gradient);
  } else {
    backward_dense(shape, words, kernels, codes, gradient, output, where, weight_gradient, bias_gradient);
  }
}

#define DNAFAST_CONV1D(T, Stored)                                                                                    \
  template void conv1d_forward(const Conv1dShape&, const std::uint8_t*, const T*, const T*, Stored*, std::int32_t*); \
  template void conv1d_backward(const Conv1dShape&, const std::uint8_t*, const Stored*, const Stored*,               \
                                const std::int32_t*, T*, T*);

DNAFAST_CONV1D(float, float)
DNAFAST_CONV1D(double, double)
DNAFAST_CONV1D(float, Bfloat16)

}  // namespace dnafast
