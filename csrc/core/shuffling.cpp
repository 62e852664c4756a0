#include "core/shuffling.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/encoding.hpp"
#include "core/exits.hpp"
#include "core/packing.hpp"
#include "core/parallel.hpp"
#include "core/random.hpp"

// Words of k - 1 bases are the nodes of a graph, words of k bases the edges between them, and a sequence is an Euler
// walk: one that uses every edge once. To draw one of all such walks evenly, as Kandel, Matias, Unger and Winkler do
// ("Shuffling biological sequences", 1996): draw for each node but the last the edge by which it is left for the last
// time, such that these edges are a spanning tree that leads to the last node, each tree as likely (Wilson: "Generating
// random spanning trees more quickly than the cover time", 1996); leave each node by its other edges in random order.
// For k = 1 there is one node, and the walk is a random order of the bases.

namespace dnafast {
namespace {

// A call's least work for each thread: some 10 microseconds.
constexpr std::size_t bases_worth_a_thread = 1 << 12;

constexpr std::size_t bytes_at_once = 16 * blocks_at_once;

// Walks done together, a step of each in turn: one alone waits for its own last step most of the time. Measured on an
// AMD EPYC: with 4 a call takes a tenth longer, with 8 or 12 a little.
constexpr std::size_t lanes = 6;

constexpr std::size_t power(std::size_t base, int exponent) {
  return exponent == 0 ? 1 : base * power(base, exponent - 1);
}

// Draws one after the other, where it is not known how many are needed.
class SpareDraws {
 public:
  SpareDraws() = default;
  SpareDraws(std::uint64_t seed, std::uint64_t index) : seed_(seed), index_(index) {}

  template <class Draw>
  Draw next() {
    if (used_ == sizeof words_) {
      words_ = philox4x32({static_cast<std::uint32_t>(index_), static_cast<std::uint32_t>(index_ >> 32), block_++,
                           static_cast<std::uint32_t>(Purpose::last_exit)},
                          {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
      used_ = 0;
    }
    Draw draw;
    std::memcpy(&draw, reinterpret_cast<const std::byte*>(words_.data()) + used_, sizeof draw);
    used_ += sizeof draw;
    return draw;
  }

 private:
  std::uint64_t seed_ = 0;
  std::uint64_t index_ = 0;
  std::uint32_t block_ = 0;
  std::size_t used_ = sizeof words_;
  std::array<std::uint32_t, 4> words_{};
};

// A walk through the graph of one sequence.
template <class Exits, int k>
class EulerWalk {
 public:
  using Draw = typename Exits::Draw;
  using Product = typename Exits::Product;
  // Steps whose draws are made at once.
  static constexpr std::size_t chunk = 8 * bytes_at_once / sizeof(Draw);

  // codes are read here, and overwritten as the walk goes on; length >= k.
  void begin(std::uint8_t* codes, std::size_t length, std::uint64_t index, std::uint64_t seed) {
    codes_ = codes;
    length_ = length;
    index_ = index;
    seed_ = seed;
    spare_ = SpareDraws(seed, index);
    node_ = 0;
    for (std::size_t i = 0; i < k - 1; ++i) node_ = onward(node_, codes[i]);
    std::size_t last_node = node_;
    std::array<std::uint32_t, nodes * Exits::letters> counts{};
    for (std::size_t i = k - 1; i < length; ++i) {
      ++counts[last_node * Exits::letters + codes[i]];
      last_node = onward(last_node, codes[i]);
    }
    for (std::size_t node = 0; node < nodes; ++node) exits_[node] = Exits(&counts[node * Exits::letters]);
    if constexpr (k > 1) reserve_last_exits(last_node);
  }

  std::span<std::uint8_t> codes() const { return {codes_, length_}; }
  std::size_t steps() const { return length_ - (k - 1); }

  // Makes the draws of the chunk that begins with step `first`.
  void draw_chunk(std::size_t first) {
    const std::size_t bytes = std::min(steps() - first, chunk) * sizeof(Draw);
    auto block = static_cast<std::uint32_t>(first * sizeof(Draw) / 16);
    for (std::size_t done = 0; done < bytes; done += bytes_at_once, block += blocks_at_once) {
      std::array<std::uint32_t, bytes_at_once / 4> words;
      keyed_blocks(seed_, block, index_, Purpose::letter, words);
      std::memcpy(reinterpret_cast<std::byte*>(draws_.data()) + done, words.data(), sizeof words);
    }
  }

  // Takes steps [begin, end) of the chunk that begins with step `first`, with each walk in turn.
  template <std::size_t... lane>
  static void advance(EulerWalk* walks, std::size_t first, std::size_t begin, std::size_t end,
                      std::index_sequence<lane...>) {
    std::size_t node[] = {walks[lane].node_...};
    std::uint8_t* const out[] = {walks[lane].codes_ + (k - 1) + first...};
    for (std::size_t i = begin; i < end; ++i) {
      ((node[lane] = walks[lane].step(node[lane], walks[lane].draws_[i], out[lane][i])), ...);
    }
    ((walks[lane].node_ = node[lane]), ...);
  }

 private:
  static constexpr std::size_t nodes = power(Exits::letters, k - 1);
  static constexpr int draw_bits = 8 * sizeof(Draw);

  static std::size_t onward(std::size_t node, std::size_t letter) {
    if constexpr (k <= 2) return k == 1 ? 0 : letter;
    return (node * Exits::letters + letter) % nodes;
  }

  // Draws the tree of last exits and takes them out of what is drawn from on the way.
  void reserve_last_exits(std::size_t last_node) {
    std::array<bool, nodes> in_tree{};
    in_tree[last_node] = true;
    for (std::size_t start = 0; start < nodes; ++start) {
      if (exits_[start].total() == 0) continue;
      for (std::size_t node = start; !in_tree[node]; node = onward(node, last_exit_[node])) {
        const Draw total = exits_[node].total();
        const Product product = unbiased(Product{total} * spare_.template next<Draw>(), total);
        last_exit_[node] = static_cast<std::uint8_t>(exits_[node].letter_at(high_half(product)));
      }
      for (std::size_t node = start; !in_tree[node]; node = onward(node, last_exit_[node])) in_tree[node] = true;
    }
    for (std::size_t node = 0; node < nodes; ++node) {
      if (node != last_node && exits_[node].total() != 0) exits_[node].remove(last_exit_[node]);
    }
  }

  // The product of a total and a draw, whose high half is then any number below the total, each as likely: of the
  // 2^draw_bits draws, as many as the total leaves over are drawn again (Lemire: "Fast random integer generation in an
  // interval", 2019).
  Product unbiased(Product product, Draw total) {
    if (static_cast<Draw>(product) < total) {
      const auto left_over = static_cast<Draw>(static_cast<Draw>(-total) % total);
      while (static_cast<Draw>(product) < left_over) product = Product{total} * spare_.template next<Draw>();
    }
    return product;
  }

  static std::uint64_t high_half(Product product) { return static_cast<std::uint64_t>(product >> draw_bits); }

  // Leaves the node: its next letter, and the node it leads to.
  std::size_t step(std::size_t node, Draw draw, std::uint8_t& next) {
    const Draw total = exits_[node].total();
    Product product = Product{total} * draw;
    // One test for two rare cases.
    if (static_cast<Draw>(product) <= total) [[unlikely]] {
      if (total == 0) {
        next = last_exit_[node];
        return onward(node, next);
      }
      product = unbiased(product, total);
    }
    const std::size_t letter = exits_[node].take(high_half(product));
    next = static_cast<std::uint8_t>(letter);
    return onward(node, letter);
  }

  std::array<Exits, nodes> exits_;
  std::array<std::uint8_t, nodes> last_exit_;
  std::array<Draw, chunk> draws_;
  std::size_t node_;
  std::uint8_t* codes_;
  std::size_t length_;
  std::uint64_t index_;
  std::uint64_t seed_;
  SpareDraws spare_;
};

// Collects walks and does them together.
template <class Exits, int k>
class WalkGroup {
 public:
  WalkGroup(std::uint64_t seed, Symbols symbols) : seed_(seed), symbols_(symbols) {}

  void add(const ShuffledSequence& sequence, std::uint64_t index) {
    walks_.resize(lanes);
    walks_[count_++].begin(sequence.target, sequence.length, index, seed_);
    if (count_ == lanes) finish();
  }

  // Does those that have been added since the last time.
  void finish() {
    constexpr auto one = std::make_index_sequence<1>();
    constexpr auto all = std::make_index_sequence<lanes>();
    const std::span walks(walks_.data(), count_);
    std::size_t longest = 0;
    std::size_t together = count_ == lanes ? SIZE_MAX : 0;
    for (const Walk& walk : walks) {
      longest = std::max(longest, walk.steps());
      together = std::min(together, walk.steps());
    }
    for (std::size_t first = 0; first < longest; first += Walk::chunk) {
      const auto end = [first](std::size_t steps) { return std::min(std::max(steps, first) - first, Walk::chunk); };
      for (Walk& walk : walks) {
        if (first < walk.steps()) walk.draw_chunk(first);
      }
      if (first < together) Walk::advance(walks.data(), first, 0, end(together), all);
      for (Walk& walk : walks) {
        if (end(together) < end(walk.steps())) {
          Walk::advance(&walk, first, end(together), end(walk.steps()), one);
        }
      }
    }
    if (symbols_ == Symbols::letters) {
      for (const Walk& walk : walks) codes_to_letters(walk.codes());
    }
    count_ = 0;
  }

 private:
  using Walk = EulerWalk<Exits, k>;

  std::uint64_t seed_;
  Symbols symbols_;
  std::vector<Walk> walks_;
  std::size_t count_ = 0;
};

// Position of the first byte that is no symbol; length where there is none.
std::size_t find_invalid(const ShuffledSequence& sequence, Symbols symbols) {
  const std::uint8_t* end = sequence.source + sequence.length;
  const std::uint8_t* found = symbols == Symbols::letters
                                  ? std::find_if_not(sequence.source, end, is_nucleotide_letter)
                                  : std::find_if(sequence.source, end, [](std::uint8_t c) { return c > unknown_code; });
  return static_cast<std::size_t>(found - sequence.source);
}

std::string what_is_wrong(const ShuffledSequence& sequence, std::size_t index, Symbols symbols) {
  const std::string name = "sequences[" + std::to_string(index) + "]";
  if (sequence.length > max_shuffled_length) return name + " is longer than 4294967295 bases";
  const std::size_t position = find_invalid(sequence, symbols);
  const std::uint8_t byte = sequence.source[position];
  const std::string what = symbols == Symbols::letters ? describe_character(byte) + " is no nucleotide letter"
                                                       : std::to_string(byte) + " is no base code: these are 0 to 4";
  return name + ", position " + std::to_string(position) + ": " + what;
}

// Shuffles the sequences of `order`; the lowest number of a wrong one is left in first_wrong.
template <int k>
void shuffle_some(std::span<const ShuffledSequence> sequences, std::span<const std::size_t> order, Symbols symbols,
                  std::uint64_t seed, std::atomic<std::size_t>& first_wrong) {
  WalkGroup<PackedExits, k> packed(seed, symbols);
  WalkGroup<WideExits, k> wide(seed, symbols);
  for (const std::size_t index : order) {
    const ShuffledSequence& sequence = sequences[index];
    const std::span codes(sequence.target, sequence.length);
    if (symbols == Symbols::letters) {
      letters_to_codes(sequence.source, sequence.length, sequence.target);
    } else {
      std::copy_n(sequence.source, sequence.length, sequence.target);
    }
    std::uint8_t all_bits = 0;
    for (const std::uint8_t code : codes) all_bits |= code;
    const bool known = all_bits < unknown_code;
    if (sequence.length > max_shuffled_length || (!known && find_invalid(sequence, symbols) < sequence.length)) {
      std::size_t before = first_wrong.load();
      while (index < before && !first_wrong.compare_exchange_weak(before, index)) {
      }
    } else if (sequence.length < k) {
      if (symbols == Symbols::letters) codes_to_letters(codes);
    } else if (known && sequence.length <= PackedExits::most_letters) {
      packed.add(sequence, index);
    } else {
      wide.add(sequence, index);
    }
  }
  packed.finish();
  wide.finish();
}

using ShuffleSome = void (*)(std::span<const ShuffledSequence>, std::span<const std::size_t>, Symbols, std::uint64_t,
                             std::atomic<std::size_t>&);
constexpr std::array<ShuffleSome, max_shuffled_k> shuffle_by_k{shuffle_some<1>, shuffle_some<2>, shuffle_some<3>,
                                                               shuffle_some<4>, shuffle_some<5>, shuffle_some<6>};

}  // namespace

void shuffle_sequences(std::span<const ShuffledSequence> sequences, Symbols symbols, int k, std::uint64_t seed,
                       int threads) {
  if (k < 1 || k > max_shuffled_k) {
    throw std::invalid_argument("k=" + std::to_string(k) + " must lie between 1 and " + std::to_string(max_shuffled_k));
  }
  // Sequences of like length beside each other, so that they are done together to their ends; the longest first, so
  // that no thread begins it last.
  std::vector<std::size_t> order(sequences.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::size_t bases = 0;
  for (const ShuffledSequence& sequence : sequences) bases += sequence.length;
  const auto longer = [&](std::size_t a, std::size_t b) { return sequences[a].length > sequences[b].length; };
  if (!std::is_sorted(order.begin(), order.end(), longer)) std::sort(order.begin(), order.end(), longer);

  const std::size_t groups = (order.size() + lanes - 1) / lanes;
  const std::size_t grain = groups == 0 ? 1 : bases_worth_a_thread * groups / std::max<std::size_t>(bases, 1) + 1;
  std::atomic<std::size_t> first_wrong{SIZE_MAX};
  parallel_for(groups, grain, threads, [&](std::size_t begin, std::size_t end) {
    const std::size_t last = std::min(lanes * end, order.size());
    const auto part = std::span(order).subspan(lanes * begin, last - lanes * begin);
    shuffle_by_k[static_cast<std::size_t>(k - 1)](sequences, part, symbols, seed, first_wrong);
  });
  if (const std::size_t wrong = first_wrong.load(); wrong != SIZE_MAX) {
    throw std::invalid_argument(what_is_wrong(sequences[wrong], wrong, symbols));
  }
}

}  // namespace dnafast
