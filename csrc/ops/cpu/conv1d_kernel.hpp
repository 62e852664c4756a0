// The inner loops of conv1d, compiled once per instruction set: included by conv1d_<set>.cpp, which defines
// DNAFAST_VECTOR_BYTES and DNAFAST_KERNELS (the suffix of the exported tables).
//
// Everything here has internal linkage and calls no inline function of the standard library: the linker would otherwise
// keep one copy for all, perhaps the one that old processors cannot run.

#include <cstddef>
#include <cstdint>

#include "ops/cpu/conv1d.hpp"

namespace dnafast {
namespace {

constexpr std::int64_t vector_bytes = DNAFAST_VECTOR_BYTES;

template <class T>
struct VectorOf {
  static constexpr std::int64_t lanes = vector_bytes / static_cast<std::int64_t>(sizeof(T));
  typedef T Type __attribute__((vector_size(DNAFAST_VECTOR_BYTES)));
};

template <class T>
using Vector = typename VectorOf<T>::Type;

template <class T>
using Mask = decltype(Vector<T>{} > Vector<T>{});

inline std::int64_t least(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

template <class T>
const Vector<T>& row_at(const T* table, std::size_t byte_offset) {
  return *reinterpret_cast<const Vector<T>*>(reinterpret_cast<const char*>(table) + byte_offset);
}

template <class T>
Vector<T>& row_at(T* table, std::size_t byte_offset) {
  return *reinterpret_cast<Vector<T>*>(reinterpret_cast<char*>(table) + byte_offset);
}

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

// ---- transposition: tiles are [row][lane], tensors [channel][row] ----

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

// rows [count][lane] -> columns[channel * step + row], for the first `channels` lanes.
template <class T>
void store_columns(const Vector<T>* rows, std::int64_t count, std::int64_t channels, T* columns, std::int64_t step) {
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  std::int64_t row = 0;
  for (; row + lanes <= count; row += lanes) {
    Vector<T> square[lanes];
    for (std::int64_t i = 0; i < lanes; ++i) square[i] = rows[row + i];
    transpose<T>(square);
    for (std::int64_t channel = 0; channel < channels; ++channel)
      store(columns + channel * step + row, square[channel]);
  }
  for (; row < count; ++row) {
    for (std::int64_t channel = 0; channel < channels; ++channel) columns[channel * step + row] = rows[row][channel];
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
                  Vector<T>* rows) {
  constexpr std::int64_t lanes = VectorOf<T>::lanes;
  std::int64_t row = 0;
  for (; row + lanes <= count; row += lanes) {
    Vector<T> square[lanes];
    for (std::int64_t channel = 0; channel < lanes; ++channel) {
      const std::int64_t at = (channel < channels ? channel : 0) * step + row;
      square[channel] = load<Vector<T>>(columns + at);
      if (outputs != nullptr) {
        square[channel] = load<Vector<T>>(outputs + at) <= Vector<T>{} ? Vector<T>{} : square[channel];
      }
    }
    transpose<T>(square);
    for (std::int64_t i = 0; i < lanes; ++i) rows[row + i] = square[i];
  }
  for (; row < count; ++row) {
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      const std::int64_t at = channel * step + row;
      rows[row][channel] = outputs != nullptr && outputs[at] <= 0 ? T{0} : columns[at];
    }
    for (std::int64_t channel = channels; channel < lanes; ++channel) rows[row][channel] = T{0};
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

template <class T, bool track, bool careful>
void forward_block(const Conv1dShape& shape, const WordTable& known, const WordTable& unknown, const T* known_table,
                   const T* unknown_table, const WordSequence& sequence, std::int64_t channels, T* tile, T* output,
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

template <class T>
void forward(const Conv1dShape& shape, const WordTable& known, const WordTable& unknown, const T* known_table,
             const T* unknown_table, const WordSequence& sequence, std::int64_t channels, bool careful, T* tile,
             T* output, std::int32_t* where) {
  if (where == nullptr) {
    if (careful) {
      forward_block<T, false, true>(shape, known, unknown, known_table, unknown_table, sequence, channels, tile, output,
                                    where);
    } else {
      forward_block<T, false, false>(shape, known, unknown, known_table, unknown_table, sequence, channels, tile,
                                     output, where);
    }
  } else if (careful) {
    forward_block<T, true, true>(shape, known, unknown, known_table, unknown_table, sequence, channels, tile, output,
                                 where);
  } else {
    forward_block<T, true, false>(shape, known, unknown, known_table, unknown_table, sequence, channels, tile, output,
                                  where);
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

template <class T>
void backward(const Conv1dShape& shape, const WordTable& known, const WordTable& unknown, T* known_table,
              T* unknown_table, const WordSequence& sequence, std::int64_t channels, T* tile, const T* gradient,
              const T* output, const std::int32_t* where) {
  using Index = decltype(Mask<T>{}[0] + 0);
  const std::int64_t windows = shape.window < conv1d_tile_rows ? conv1d_tile_rows / shape.window : 1;
  auto* rows = reinterpret_cast<Vector<T>*>(tile);
  auto* gradients = rows + conv1d_tile_rows;
  auto* places = reinterpret_cast<Mask<T>*>(gradients + conv1d_tile_rows);
  for (std::int64_t first = 0; first < shape.outputs; first += windows) {
    const std::int64_t count = least(windows, shape.outputs - first);
    const std::int64_t begin = first * shape.window;
    const std::int64_t end = begin + count * shape.window;
    const T* passed = shape.relu ? output + first : nullptr;
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

template <class T>
constexpr Conv1dKernels<T> kernels() {
  return {VectorOf<T>::lanes, &build<T>, &fold<T>, &prepare<T>, &forward<T>, &backward<T>};
}

}  // namespace

extern const Conv1dKernels<float> DNAFAST_KERNELS(float);
extern const Conv1dKernels<double> DNAFAST_KERNELS(double);
const Conv1dKernels<float> DNAFAST_KERNELS(float) = kernels<float>();
const Conv1dKernels<double> DNAFAST_KERNELS(double) = kernels<double>();

}  // namespace dnafast
