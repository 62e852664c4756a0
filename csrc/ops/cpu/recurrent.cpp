#include "ops/cpu/recurrent.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "ops/compat.hpp"
#include "ops/cpu/bad_code.hpp"
#include "ops/cpu/buffer.hpp"
#include "ops/cpu/instruction_set.hpp"

namespace dnafast {

#if defined(__x86_64__)
extern const RecurrentKernels<float> rnn_avx2_float, gru_avx2_float, lstm_avx2_float;
extern const RecurrentKernels<float> rnn_avx512_float, gru_avx512_float, lstm_avx512_float;
extern const RecurrentKernels<float> rnn_avx512bf16_float, gru_avx512bf16_float, lstm_avx512bf16_float;
#endif
extern const RecurrentKernels<float> rnn_baseline_float, gru_baseline_float, lstm_baseline_float;
extern const RecurrentKernels<double> rnn_baseline_double, gru_baseline_double, lstm_baseline_double;

namespace {

template <class T>
const RecurrentKernels<T>& of_cell(Cell cell, const RecurrentKernels<T>& rnn, const RecurrentKernels<T>& gru,
                                   const RecurrentKernels<T>& lstm) {
  return cell == Cell::lstm ? lstm : cell == Cell::gru ? gru : rnn;
}

template <class T>
const RecurrentKernels<T>& kernels_here(Cell cell, bool narrow) {
  const InstructionSet set = instruction_set();
  if constexpr (std::is_same_v<T, double>) {
    return of_cell(cell, rnn_baseline_double, gru_baseline_double, lstm_baseline_double);
  } else {
#if defined(__x86_64__)
    if (narrow) return of_cell(cell, rnn_avx512bf16_float, gru_avx512bf16_float, lstm_avx512bf16_float);
    if (set == InstructionSet::avx512) return of_cell(cell, rnn_avx512_float, gru_avx512_float, lstm_avx512_float);
    if (set == InstructionSet::avx2) return of_cell(cell, rnn_avx2_float, gru_avx2_float, lstm_avx2_float);
#endif
    static_cast<void>(set);
    static_cast<void>(narrow);
    return of_cell(cell, rnn_baseline_float, gru_baseline_float, lstm_baseline_float);
  }
}

std::int64_t rounded_up(std::int64_t count, std::int64_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

// Sizes of one direction's arrays for the kernels, in elements.
struct Sizes {
  std::int64_t hidden;  // padded
  std::int64_t inputs;  // padded
  std::int64_t gates;
  std::int64_t sums;  // four for a gru, whose last gate has two halves

  template <class T>
  Sizes(const RecurrentShape& shape, const RecurrentKernels<T>& kernels)
      : hidden(rounded_up(shape.hidden, kernels.padding)),
        inputs(rounded_up(shape.inputs, kernels.padding)),
        gates(shape.gates()),
        sums(shape.cell == Cell::gru ? 4 : shape.gates()) {}

  // Of the gradients of the input's weights.
  std::int64_t input_sums(const RecurrentShape& shape, std::int64_t lanes) const {
    return gates * hidden * (shape.inputs <= recurrent_few_inputs ? recurrent_few_inputs * lanes : inputs);
  }
};

// Weights of all directions, laid out for the kernels.
template <class T>
class PackedWeights {
 public:
  PackedWeights(const RecurrentShape& shape, const RecurrentKernels<T>& kernels, const RecurrentParameters<T>& from,
                bool codes, bool backward)
      : sizes_(shape, kernels),
        input_size_(sizes_.gates * sizes_.hidden * shape.inputs),
        hidden_size_(sizes_.gates * sizes_.hidden * sizes_.hidden),
        bias_size_(sizes_.sums * sizes_.hidden),
        letters_size_(codes && kernels.letters ? sizes_.gates * sizes_.hidden * kernels.lanes : 0),
        input_backward_size_(backward && !codes ? sizes_.gates * sizes_.hidden * sizes_.inputs : 0),
        hidden_backward_size_(backward ? sizes_.gates * sizes_.hidden * sizes_.hidden : 0),
        size_(letters_size_ + input_size_ + hidden_size_ + bias_size_ + input_backward_size_ + hidden_backward_size_),
        values_(shape.directions * size_) {
    std::fill_n(values_.get(), shape.directions * size_, T{0});
    const std::int64_t rows = sizes_.gates * shape.hidden;
    for (std::int64_t direction = 0; direction < shape.directions; ++direction) {
      T* letters = values_.get() + direction * size_;
      T* to = letters + letters_size_;
      const T* input = from.input + direction * rows * shape.inputs;
      const T* hidden = from.hidden + direction * rows * shape.hidden;
      pack_forward(shape, kernels.units, input, shape.inputs, shape.inputs, shape.narrow && !codes, to);
      to += input_size_;
      pack_forward(shape, kernels.units, hidden, shape.hidden, sizes_.hidden, shape.narrow, to);
      to += hidden_size_;
      pack_bias(shape, kernels.units, from, direction, to);
      if (letters_size_ != 0) pack_letters(shape, kernels, input, to, letters);
      to += bias_size_;
      if (!backward) continue;
      if (!codes) pack_backward(shape, kernels.rows, input, shape.inputs, to);
      pack_backward(shape, kernels.rows, hidden, shape.hidden, to + input_backward_size_);
    }
  }

  RecurrentWeights<T> of(std::int64_t direction) const {
    const T* letters = values_.get() + direction * size_;
    const T* input = letters + letters_size_;
    const T* hidden = input + input_size_;
    const T* bias = hidden + hidden_size_;
    const T* input_backward = bias + bias_size_;
    return {input,          hidden,
            bias,           letters_size_ != 0 ? letters : nullptr,
            input_backward, input_backward + input_backward_size_};
  }

 private:
  Sizes sizes_;
  std::int64_t input_size_, hidden_size_, bias_size_, letters_size_, input_backward_size_, hidden_backward_size_, size_;
  Buffer<T> values_;

  // A term of a row of a block, [term][row]; bfloat16 values two terms in one.
  static void put(const T& value, std::int64_t term, std::int64_t row, std::int64_t rows, bool pairs, T* block) {
    if (!pairs) {
      block[term * rows + row] = value;
    } else {
      const char* upper = reinterpret_cast<const char*>(&value + 1) - sizeof(std::uint16_t);
      char* to = reinterpret_cast<char*>(block + term / 2 * rows + row) + term % 2 * sizeof(std::uint16_t);
      std::memcpy(to, upper, sizeof(std::uint16_t));
    }
  }

  // [gate][unit][term] -> [block][term][gate][unit of the block]
  void pack_forward(const RecurrentShape& shape, std::int64_t units, const T* weight, std::int64_t terms,
                    std::int64_t padded_terms, bool pairs, T* to) const {
    const std::int64_t rows = sizes_.gates * units;
    const std::int64_t block = padded_terms * rows / (pairs ? 2 : 1);
    for (std::int64_t gate = 0; gate < sizes_.gates; ++gate) {
      for (std::int64_t unit = 0; unit < shape.hidden; ++unit) {
        for (std::int64_t term = 0; term < terms; ++term) {
          put(*weight++, term, gate * units + unit % units, rows, pairs, to + unit / units * block);
        }
      }
    }
  }

  // [gate][unit][row] -> [block][gate][unit][row of the block]
  void pack_backward(const RecurrentShape& shape, std::int64_t rows, const T* weight, std::int64_t count, T* to) const {
    const std::int64_t block = sizes_.gates * sizes_.hidden * rows / (shape.narrow ? 2 : 1);
    for (std::int64_t gate = 0; gate < sizes_.gates; ++gate) {
      for (std::int64_t unit = 0; unit < shape.hidden; ++unit) {
        for (std::int64_t row = 0; row < count; ++row) {
          put(*weight++, gate * sizes_.hidden + unit, row % rows, rows, shape.narrow, to + row / rows * block);
        }
      }
    }
  }

  void pack_bias(const RecurrentShape& shape, std::int64_t units, const RecurrentParameters<T>& from,
                 std::int64_t direction, T* to) const {
    if (from.input_bias == nullptr) return;
    const std::int64_t offset = direction * sizes_.gates * shape.hidden;
    for (std::int64_t gate = 0; gate < sizes_.gates; ++gate) {
      const bool halved = gate == sizes_.sums - 2 && sizes_.sums != sizes_.gates;
      for (std::int64_t unit = 0; unit < shape.hidden; ++unit) {
        T* block = to + unit / units * sizes_.sums * units + unit % units;
        const T input = from.input_bias[offset + gate * shape.hidden + unit];
        const T hidden = from.hidden_bias[offset + gate * shape.hidden + unit];
        block[gate * units] = halved ? input : input + hidden;
        if (halved) block[(gate + 1) * units] = hidden;
      }
    }
  }

  // [gate][unit][base] and the packed bias -> [block][gate][unit of the block][lane], a lane for each base and N.
  void pack_letters(const RecurrentShape& shape, const RecurrentKernels<T>& kernels, const T* weight, const T* bias,
                    T* to) const {
    for (std::int64_t gate = 0; gate < sizes_.gates; ++gate) {
      for (std::int64_t unit = 0; unit < shape.hidden; ++unit, weight += 4) {
        const std::int64_t block = unit / kernels.units;
        const std::int64_t row = gate * kernels.units + unit % kernels.units;
        T* lanes = to + (block * sizes_.gates * kernels.units + row) * kernels.lanes;
        lanes[4] = bias[block * sizes_.sums * kernels.units + row];
        for (std::int64_t base = 0; base < 4; ++base) lanes[base] = lanes[4] + weight[base];
      }
    }
  }
};

// Sequences in tiles of up to `widest` vectors, as even as can be; enough of them that every thread gets as many.
struct Tiles {
  std::int64_t count;
  std::int64_t slices;
  std::int64_t vectors;  // of all tiles

  template <class T>
  Tiles(const RecurrentShape& shape, const RecurrentKernels<T>& kernels, std::int64_t directions)
      : vectors((shape.sequences + kernels.lanes - 1) / kernels.lanes) {
    constexpr std::int64_t products_worth_a_thread = 1'000'000;
    const std::int64_t products =
        shape.length * shape.gates() * shape.hidden * (shape.hidden + shape.inputs) * kernels.lanes;
    const std::int64_t least_tiles = (vectors + kernels.widest - 1) / kernels.widest;
    slices = slice_count(vectors * directions, 1 + products_worth_a_thread / products);
    const std::int64_t tasks = rounded_up(least_tiles * directions, slices);
    count = std::clamp(tasks / directions, least_tiles, vectors);
    slices = std::min(slices, count * directions);
  }

  std::int64_t begin(std::int64_t tile) const { return vectors * tile / count; }
};

template <class T>
const T* moved(const T* pointer, std::int64_t by) {
  return pointer == nullptr ? nullptr : pointer + by;
}

template <class T>
T* moved(T* pointer, std::int64_t by) {
  return pointer == nullptr ? nullptr : pointer + by;
}

template <class T>
RecurrentTile<T> tile_of(const RecurrentShape& shape, const RecurrentTile<T>& whole, std::int64_t direction,
                         std::int64_t first, std::int64_t sequences) {
  RecurrentTile<T> tile = whole;
  const std::int64_t together = shape.narrow ? 2 : 1;
  const std::int64_t input = first * shape.length * shape.inputs / together;
  const std::int64_t output = (first * shape.length * shape.directions + direction) * shape.hidden / together;
  const std::int64_t state = (direction * shape.sequences + first) * shape.hidden;
  const std::int64_t stretches = (shape.length + recurrent_stretch - 1) / recurrent_stretch;
  const std::int64_t kept = stretches * shape.states() * shape.hidden * shape.sequences;
  tile.sequences = sequences;
  tile.reverse = direction == 1;
  tile.codes = moved(whole.codes, first * shape.length);
  tile.dense = moved(whole.dense, input);
  tile.h0 = moved(whole.h0, state);
  tile.c0 = moved(whole.c0, state);
  tile.output = moved(whole.output, output);
  tile.h_n = moved(whole.h_n, state);
  tile.c_n = moved(whole.c_n, state);
  tile.kept = moved(whole.kept, direction * kept + first);
  tile.output_gradient = moved(whole.output_gradient, output);
  tile.h_n_gradient = moved(whole.h_n_gradient, state);
  tile.c_n_gradient = moved(whole.c_n_gradient, state);
  tile.add_input_gradient = direction == 1;
  tile.input_gradient = moved(whole.input_gradient, input);
  tile.h0_gradient = moved(whole.h0_gradient, state);
  tile.c0_gradient = moved(whole.c0_gradient, state);
  return tile;
}

// Adds up the slices and takes the padding away. [slice][direction] hidden, input, bias as RecurrentSums has them.
template <class T>
void gather(const RecurrentShape& shape, const Sizes& sizes, std::int64_t lanes, std::int64_t slices, std::int64_t size,
            const T* sums, const RecurrentGradients<T>& gradients) {
  const std::int64_t hidden_size = sizes.gates * sizes.hidden * sizes.hidden;
  const std::int64_t input_size = sizes.input_sums(shape, lanes);
  const bool few = shape.inputs <= recurrent_few_inputs;
  for (std::int64_t direction = 0; direction < shape.directions; ++direction) {
    const T* here = sums + direction * size;
    const auto total = [&](std::int64_t at) {
      T sum{0};
      for (std::int64_t slice = 0; slice < slices; ++slice) sum += here[slice * shape.directions * size + at];
      return sum;
    };
    const auto over_lanes = [&](std::int64_t at) {
      T sum{0};
      for (std::int64_t lane = 0; lane < lanes; ++lane) sum += total(at + lane);
      return sum;
    };
    const auto bias = [&](std::int64_t row, std::int64_t unit) {
      return over_lanes(hidden_size + input_size + (row * sizes.hidden + unit) * lanes);
    };
    for (std::int64_t gate = 0; gate < sizes.gates; ++gate) {
      for (std::int64_t unit = 0; unit < shape.hidden; ++unit) {
        const std::int64_t row = gate * sizes.hidden + unit;
        const std::int64_t to = (direction * sizes.gates + gate) * shape.hidden + unit;
        for (std::int64_t i = 0; i < shape.hidden; ++i) {
          gradients.hidden[to * shape.hidden + i] = total(row * sizes.hidden + i);
        }
        for (std::int64_t i = 0; i < shape.inputs; ++i) {
          gradients.input[to * shape.inputs + i] =
              few ? over_lanes(hidden_size + (row * recurrent_few_inputs + i) * lanes)
                  : total(hidden_size + row * sizes.inputs + i);
        }
        gradients.hidden_bias[to] = bias(gate, unit);
        const bool halved = gate == sizes.sums - 2 && sizes.sums != sizes.gates;
        gradients.input_bias[to] = halved ? bias(gate + 1, unit) : gradients.hidden_bias[to];
      }
    }
  }
}

}  // namespace

template <class T>
void recurrent_forward(const RecurrentShape& shape, const RecurrentParameters<T>& parameters,
                       const RecurrentTile<T>& whole) {
  const RecurrentKernels<T>& kernels = kernels_here<T>(shape.cell, shape.narrow);
  const PackedWeights<T> weights(shape, kernels, parameters, whole.codes != nullptr, false);
  const Tiles tiles(shape, kernels, shape.directions);
  BadCode bad;
  parallel_slices(tiles.count * shape.directions, tiles.slices,
                  [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                    const Buffer<T> scratch(kernels.forward_scratch(shape, kernels.widest));
                    for (std::int64_t task = begin; task < end; ++task) {
                      const std::int64_t first = tiles.begin(task / shape.directions);
                      const std::int64_t vectors = tiles.begin(task / shape.directions + 1) - first;
                      const std::int64_t from = first * kernels.lanes;
                      const std::int64_t to = std::min(shape.sequences, from + vectors * kernels.lanes);
                      if (whole.codes != nullptr && !bad.none_in(whole.codes, shape.length, from, to)) continue;
                      const std::int64_t direction = task % shape.directions;
                      kernels.forward[vectors - 1](shape, weights.of(direction),
                                                   tile_of(shape, whole, direction, from, to - from), scratch.get());
                    }
                  });
  if (whole.codes != nullptr) bad.tell("input", whole.codes, shape.length);
}

template <class T>
void recurrent_backward(const RecurrentShape& shape, const RecurrentParameters<T>& parameters,
                        const RecurrentTile<T>& whole, const RecurrentGradients<T>& gradients) {
  const RecurrentKernels<T>& kernels = kernels_here<T>(shape.cell, shape.narrow);
  const PackedWeights<T> weights(shape, kernels, parameters, whole.codes != nullptr, true);
  const Tiles tiles(shape, kernels, 1);
  const Sizes sizes(shape, kernels);
  const std::int64_t hidden_size = sizes.gates * sizes.hidden * sizes.hidden;
  const std::int64_t input_size = sizes.input_sums(shape, kernels.lanes);
  const std::int64_t size = hidden_size + input_size + sizes.sums * sizes.hidden * kernels.lanes;
  const Buffer<T> sums(tiles.slices * shape.directions * size);
  parallel_slices(tiles.count, tiles.slices, [&](std::int64_t slice, std::int64_t begin, std::int64_t end) {
    const Buffer<T> scratch(kernels.backward_scratch(shape, kernels.widest));
    T* here = sums.get() + slice * shape.directions * size;
    std::fill_n(here, shape.directions * size, T{0});
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t vectors = tiles.begin(task + 1) - tiles.begin(task);
      const std::int64_t from = tiles.begin(task) * kernels.lanes;
      const std::int64_t to = std::min(shape.sequences, from + vectors * kernels.lanes);
      for (std::int64_t direction = 0; direction < shape.directions; ++direction) {
        T* hidden = here + direction * size;
        kernels.backward[vectors - 1](shape, weights.of(direction), tile_of(shape, whole, direction, from, to - from),
                                      scratch.get(), {hidden + hidden_size, hidden, hidden + hidden_size + input_size});
      }
    }
  });
  gather(shape, sizes, kernels.lanes, tiles.slices, size, sums.get(), gradients);
}

template void recurrent_forward(const RecurrentShape&, const RecurrentParameters<float>&, const RecurrentTile<float>&);
template void recurrent_forward(const RecurrentShape&, const RecurrentParameters<double>&,
                                const RecurrentTile<double>&);
template void recurrent_backward(const RecurrentShape&, const RecurrentParameters<float>&, const RecurrentTile<float>&,
                                 const RecurrentGradients<float>&);
template void recurrent_backward(const RecurrentShape&, const RecurrentParameters<double>&,
                                 const RecurrentTile<double>&, const RecurrentGradients<double>&);

}  // namespace dnafast
