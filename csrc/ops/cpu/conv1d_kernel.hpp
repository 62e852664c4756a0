// The inner loops of conv1d, compiled once per instruction set: included by conv1d_<set>.cpp, which defines
// DNAFAST_VECTOR_BYTES and DNAFAST_KERNELS (the suffix of the exported tables).
//
// Everything here has internal linkage and calls no inline function of the standard library: the linker would otherwise
// keep one copy for all, perhaps the one that old processors cannot run.

#include <cstddef>
#include <cstdint>

#include "ops/cpu/bfloat16.hpp"
#include "ops/cpu/bfloat16_columns.hpp"
#include "ops/cpu/conv1d.hpp"
#include "ops/cpu/conv1d_tables.hpp"
#include "ops/cpu/transpose.hpp"
#include "ops/cpu/vector.hpp"

namespace dnafast {
namespace {

// ---- forward ----

template <class T>
struct Lookup {
  const T* table;
  const std::uint32_t* offsets;
  std::int64_t words;
  std::int64_t stride;
  std::int64_t step;  // from one word of a window to the next

  Lookup(const Conv1dShape& shape, const WordTable& known, const WordTable& unknown, const T* known_table,
         const T* unknown_table, const WordSequence& sequence, bool is_known)
      : table(is_known ? known_table : unknown_table),
        offsets(is_known ? sequence.known : sequence.unknown),
        words(is_known ? known.words : unknown.words),
        stride(shape.stride),
        step((is_known ? known.word : unknown.word) * shape.dilation) {}

  // Sums of `count` neighbouring positions, side by side to hide the latency of the additions.
  template <int count>
  void sums(std::int64_t position, Vector<T>* sum) const {
    const std::uint32_t* offset = offsets + position * stride;
    for (int i = 0; i < count; ++i) sum[i] = row_at(table, offset[i * stride]);
    for (std::int64_t word = 1; word < words; ++word) {
      offset += step;
      const std::size_t place = static_cast<std::size_t>(word) * vector_bytes;
      for (int i = 0; i < count; ++i) sum[i] += row_at(table, offset[i * stride] + place);
    }
  }
};

template <class T, bool track, bool careful>
struct Maximum {
  Vector<T> value;
  Mask<T> where;

  // A later value wins only where it is greater, or, as in torch, where it is no number.
  void take(const Vector<T>& other, const Mask<T>& other_where) {
    Mask<T> wins = other > value;
    if constexpr (careful) wins |= other != other;
    value = wins ? other : value;
    if constexpr (track) where = wins ? other_where : where;
  }

  // The same for a maximum over positions in any order: of equal values the first position wins.
  void merge(const Maximum& other) {
    Mask<T> wins = other.value > value;
    if constexpr (track) wins |= (other.value == value) & (other.where < where);
    value = wins ? other.value : value;
    if constexpr (track) where = wins ? other.where : where;
  }
};

// Windows that start a word apart share words: along such a chain each word is visited once, its places in the kernel
// lie side by side in the table, and the sums under way stay in registers, one window further with each word. Two
// chains at a time hide the latency of the additions. Measured on Zen 4: a fifth faster than one window after the
// other.
template <class T, bool track, int words>
void take_chains(const Lookup<T>& lookup, std::int64_t begin, std::int64_t end, Maximum<T, track, false>& best) {
  using Index = decltype(Mask<T>{}[0] + 0);
  constexpr int chains = 2;
  const auto at = [&](std::int64_t p) { return &row_at(lookup.table, lookup.offsets[p]); };
  for (std::int64_t start = begin; start < begin + lookup.step; start += chains) {
    const int here = start + 1 < begin + lookup.step ? chains : 1;
    // With an odd number of chains the last one is walked twice over, which changes no maximum.
    const std::int64_t apart = here - 1;
    Vector<T> sum[chains][words];
    Maximum<T, track, false> top[chains];
    for (int chain = 0; chain < chains; ++chain) {
      for (int i = 0; i < words; ++i) sum[chain][i] = Vector<T>{};
      top[chain] = {Vector<T>{} - static_cast<T>(__builtin_inf()), Mask<T>{} + static_cast<Index>(start)};
    }
    const auto advance = [&](std::int64_t p) {
      for (int chain = 0; chain < chains; ++chain) {
        const Vector<T>* row = at(p + chain * apart);
        for (int i = words - 1; i > 0; --i) sum[chain][i] = sum[chain][i - 1] + row[i];
        sum[chain][0] = row[0];
      }
    };
    std::int64_t p = start;
    for (int i = 0; i < words - 1; ++i, p += lookup.step) advance(p);
    std::int64_t window = start;
    for (; window + apart < end; window += lookup.step, p += lookup.step) {
      advance(p);
      for (int chain = 0; chain < chains; ++chain) {
        top[chain].take(sum[chain][words - 1], Mask<T>{} + static_cast<Index>(window + chain * apart));
      }
    }
    if (window < end) {
      Vector<T> last[1];
      lookup.template sums<1>(window, last);
      top[0].take(last[0], Mask<T>{} + static_cast<Index>(window));
    }
    for (int chain = 0; chain < chains; ++chain) best.merge(top[chain]);
  }
}

template <class T, bool track, bool careful>
void take_run(const Lookup<T>& lookup, std::int64_t begin, std::int64_t end, Maximum<T, track, careful>& best) {
  using Index = decltype(Mask<T>{}[0] + 0);
  if constexpr (!careful) {
    // Chains shorter than this do not earn their start.
    if (lookup.stride == 1 && end - begin >= 4 * lookup.words * lookup.step) {
      switch (lookup.words) {
        case 3:
          return take_chains<T, track, 3>(lookup, begin, end, best);
        case 4:
          return take_chains<T, track, 4>(lookup, begin, end, best);
        case 5:
          return take_chains<T, track, 5>(lookup, begin, end, best);
        case 6:
          return take_chains<T, track, 6>(lookup, begin, end, best);
        case 7:
          return take_chains<T, track, 7>(lookup, begin, end, best);
        case 8:
          return take_chains<T, track, 8>(lookup, begin, end, best);
        default:
          break;
      }
    }
  }
  std::int64_t p = begin;
  for (; p + 4 <= end; p += 4) {
    Vector<T> sum[4];
    lookup.template sums<4>(p, sum);
    const Mask<T> at = Mask<T>{} + static_cast<Index>(p);
    Maximum<T, track, careful> front{sum[0], at};
    front.take(sum[1], at + 1);
    Maximum<T, track, careful> back{sum[2], at + 2};
    back.take(sum[3], at + 3);
    front.take(back.value, back.where);
    best.take(front.value, front.where);
  }
  for (; p < end; ++p) {
    Vector<T> sum[1];
    lookup.template sums<1>(p, sum);
    best.take(sum[0], Mask<T>{} + static_cast<Index>(p));
  }
}

template <class T>
void store_run(const Lookup<T>& lookup, std::int64_t begin, std::int64_t end, Vector<T>* rows) {
  std::int64_t p = begin;
  for (; p + 4 <= end; p += 4, rows += 4) lookup.template sums<4>(p, rows);
  for (; p < end; ++p, ++rows) lookup.template sums<1>(p, rows);
}

// ---- forward, one block ----

// Windows so narrow that they are pooled from a tile of sums, which is filled without regard to their borders.
constexpr std::int64_t narrow_window = 16;

template <class T, bool track, bool careful, class MakeLookup>
void pool_narrow(const Conv1dShape& shape, const WordSequence& sequence, const MakeLookup& lookup, std::int64_t first,
                 std::int64_t count, Vector<T>* pooled, Mask<T>* places) {
  using Index = decltype(Mask<T>{}[0] + 0);
  Vector<T> sums[conv1d_tile_rows];
  const std::int64_t windows = conv1d_tile_rows / shape.window;
  for (std::int64_t done = 0; done < count; done += windows) {
    const std::int64_t now = least(windows, count - done);
    const std::int64_t from = (first + done) * shape.window;
    for_runs(sequence, from, from + now * shape.window, [&](std::int64_t begin, std::int64_t end, bool is_known) {
      store_run<T>(lookup(is_known), begin, end, sums + (begin - from));
    });
    const Vector<T>* sum = sums;
    for (std::int64_t i = 0; i < now; ++i) {
      Mask<T> at = Mask<T>{} + static_cast<Index>(from + i * shape.window);
      Maximum<T, track, careful> best{*sum++, at};
      for (std::int64_t r = 1; r < shape.window; ++r) {
        if constexpr (track) at += 1;
        best.take(*sum++, at);
      }
      pooled[done + i] = best.value;
      if constexpr (track) places[done + i] = best.where;
    }
  }
}

template <class T, class Stored, bool track, bool careful>
void forward_block(const Conv1dShape& shape, const WordTable& known, const WordTable& unknown, const T* known_table,
                   const T* unknown_table, const WordSequence& sequence, std::int64_t channels, T* tile, Stored* output,
                   std::int32_t* where) {
  using Index = decltype(Mask<T>{}[0] + 0);
  auto* rows = reinterpret_cast<Vector<T>*>(tile);
  auto* places = reinterpret_cast<Mask<T>*>(rows + conv1d_tile_rows);
  const auto lookup = [&](bool is_known) {
    return Lookup<T>(shape, known, unknown, known_table, unknown_table, sequence, is_known);
  };
  for (std::int64_t first = 0; first < shape.outputs; first += conv1d_tile_rows) {
    const std::int64_t count = least(conv1d_tile_rows, shape.outputs - first);
    if (!shape.pooled) {
      for_runs(sequence, first, first + count, [&](std::int64_t begin, std::int64_t end, bool is_known) {
        store_run<T>(lookup(is_known), begin, end, rows + (begin - first));
      });
    } else if (shape.window <= narrow_window) {
      pool_narrow<T, track, careful>(shape, sequence, lookup, first, count, rows, places);
    } else {
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t from = (first + i) * shape.window;
        Maximum<T, track, careful> best{Vector<T>{} - static_cast<T>(__builtin_inf()),
                                        Mask<T>{} + static_cast<Index>(from)};
        for_runs(sequence, from, from + shape.window, [&](std::int64_t begin, std::int64_t end, bool is_known) {
          take_run<T, track, careful>(lookup(is_known), begin, end, best);
        });
        rows[i] = best.value;
        if constexpr (track) places[i] = best.where;
      }
    }
    if (shape.relu) {
      for (std::int64_t i = 0; i < count; ++i) rows[i] = rows[i] < Vector<T>{} ? Vector<T>{} : rows[i];
    }
    store_columns<T>(rows, count, channels, output + first, shape.outputs);
    if constexpr (track) {
      store_places<T>(places, count, channels, where + first, shape.outputs);
    }
  }
}

template <class T, class Stored>
void forward(const Conv1dShape& shape, const WordTable& known, const WordTable& unknown, const T* known_table,
             const T* unknown_table, const WordSequence& sequence, std::int64_t channels, bool careful, T* tile,
             Stored* output, std::int32_t* where) {
  if (where == nullptr) {
    if (careful) {
      forward_block<T, Stored, false, true>(shape, known, unknown, known_table, unknown_table, sequence, channels, tile,
                                            output, where);
    } else {
      forward_block<T, Stored, false, false>(shape, known, unknown, known_table, unknown_table, sequence, channels,
                                             tile, output, where);
    }
  } else if (careful) {
    forward_block<T, Stored, true, true>(shape, known, unknown, known_table, unknown_table, sequence, channels, tile,
                                         output, where);
  } else {
    forward_block<T, Stored, true, false>(shape, known, unknown, known_table, unknown_table, sequence, channels, tile,
                                          output, where);
  }
}

// ---- backward ----

template <class T>
void add_run(T* table, const std::uint32_t* offsets, const WordTable& words, const Conv1dShape& shape,
             std::int64_t begin, std::int64_t end, const Vector<T>* rows) {
  const std::int64_t step = words.word * shape.dilation;
  for (std::int64_t p = begin; p < end; ++p, ++rows) {
    const std::uint32_t* offset = offsets + p * shape.stride;
    const Vector<T> row = *rows;
    for (std::int64_t word = 0; word < words.words; ++word, offset += step) {
      row_at(table, *offset + static_cast<std::size_t>(word) * vector_bytes) += row;
    }
  }
}

template <class T, class Stored>
void backward(const Conv1dShape& shape, const WordTable& known, const WordTable& unknown, T* known_table,
              T* unknown_table, const WordSequence& sequence, std::int64_t channels, T* tile, const Stored* gradient,
              const Stored* output, const std::int32_t* where) {
  using Index = decltype(Mask<T>{}[0] + 0);
  static_assert(conv1d_tile_rows % pair_rows == 0, "a tile has room for what load_columns writes");
  const std::int64_t windows = shape.window < conv1d_tile_rows ? conv1d_tile_rows / shape.window : 1;
  auto* rows = reinterpret_cast<Vector<T>*>(tile);
  auto* gradients = rows + conv1d_tile_rows;
  auto* places = reinterpret_cast<Mask<T>*>(gradients + conv1d_tile_rows);
  for (std::int64_t first = 0; first < shape.outputs; first += windows) {
    const std::int64_t count = least(windows, shape.outputs - first);
    const std::int64_t begin = first * shape.window;
    const std::int64_t end = begin + count * shape.window;
    const Stored* passed = shape.relu ? output + first : nullptr;
    if (!shape.pooled) {
      load_columns<T>(gradient + first, passed, shape.outputs, count, channels, rows);
    } else {
      // Each output's gradient goes to the one position of its window that was the maximum.
      load_columns<T>(gradient + first, passed, shape.outputs, count, channels, gradients);
      load_places<T>(where + first, shape.outputs, count, channels, places);
      Vector<T>* row = rows;
      for (std::int64_t i = 0; i < count; ++i) {
        Mask<T> at = Mask<T>{} + static_cast<Index>(begin + i * shape.window);
        for (std::int64_t r = 0; r < shape.window; ++r, at += 1) {
          *row++ = places[i] == at ? gradients[i] : Vector<T>{};
        }
      }
    }
    for_runs(sequence, begin, end, [&](std::int64_t from, std::int64_t to, bool is_known) {
      if (is_known) {
        add_run<T>(known_table, sequence.known, known, shape, from, to, rows + (from - begin));
      } else {
        add_run<T>(unknown_table, sequence.unknown, unknown, shape, from, to, rows + (from - begin));
      }
    });
  }
}

template <class T, class Stored>
constexpr Conv1dKernels<T, Stored> kernels() {
  return {VectorOf<T>::lanes, &build<T>, &fold<T>, &prepare<T>, &forward<T, Stored>, &backward<T, Stored>};
}

}  // namespace

extern const Conv1dKernels<float> DNAFAST_KERNELS(float);
extern const Conv1dKernels<double> DNAFAST_KERNELS(double);
extern const Conv1dKernels<float, Bfloat16> DNAFAST_KERNELS(bfloat16);
const Conv1dKernels<float> DNAFAST_KERNELS(float) = kernels<float, float>();
const Conv1dKernels<double> DNAFAST_KERNELS(double) = kernels<double, double>();
const Conv1dKernels<float, Bfloat16> DNAFAST_KERNELS(bfloat16) = kernels<float, Bfloat16>();

}  // namespace dnafast
