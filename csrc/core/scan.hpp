#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/allowed.hpp"
#include "core/genome.hpp"
#include "core/negatives.hpp"
#include "core/random.hpp"

namespace dnafast {

// Bases of a stretch by kind.
struct Content {
  std::int64_t gc;       // G and C
  std::int64_t unknown;  // N
};

// What [start, end), inside the contig, holds.
Content content_of(const Contig& contig, std::int64_t start, std::int64_t end);

// The bin of a window with so many bases G or C among the known ones; 0 where none is known.
inline std::size_t gc_bin(std::int64_t gc, std::int64_t known) {
  return known > 0 ? static_cast<std::size_t>(std::min<std::int64_t>(gc * gc_bins / known, gc_bins - 1)) : 0;
}

struct Ranked {
  std::uint64_t rank;
  Place place;
  auto operator<=>(const Ranked&) const = default;
};

// The `capacity` lowest-ranked places of those it is offered, whatever the order of the offers.
class Lowest {
 public:
  explicit Lowest(std::uint64_t capacity) : capacity_(capacity) {}

  bool wanted() const { return capacity_ > 0; }
  const std::vector<Ranked>& places() const { return heap_; }

  void offer(const Ranked& ranked) {
    if (heap_.size() == capacity_) {
      if (!(ranked < heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.pop_back();
    }
    heap_.push_back(ranked);
    std::push_heap(heap_.begin(), heap_.end());
  }

 private:
  std::uint64_t capacity_;
  std::vector<Ranked> heap_;
};

// Looks at the window at every start of a stretch of one contig and offers it to its bin, where that bin is wanted.
class Scan {
 public:
  // Ranks are drawn for the purpose; places in `taken` (sorted) are left out.
  Scan(const Contig& contig, std::uint32_t index, const NegativeRequest& request, Purpose purpose,
       const std::vector<Place>& taken, std::vector<Lowest>& bins);

  void run(Stretch starts);

 private:
  Lowest& bin(std::int64_t gc, std::int64_t known) { return bins_[request_.match_gc ? gc_bin(gc, known) : 0]; }
  std::int64_t is_gc(std::int64_t position) const { return contig_.packed[position >> 2] >> (2 * (~position & 3)) & 1; }
  void run_known(Stretch starts);
  void run_mixed(Stretch starts, const Interval& block);
  void offer(Lowest& own, std::int64_t start);

  const Contig& contig_;
  const std::uint32_t index_;
  const NegativeRequest& request_;
  const Purpose purpose_;
  const std::vector<Place>& taken_;
  std::vector<Lowest>& bins_;
  std::vector<std::int64_t> steps_;  // by count of G+C: starts that can be passed over
};

}  // namespace dnafast
