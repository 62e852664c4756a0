#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "core/genome.hpp"

namespace dnafast {

// A window's place: contig and start in one number that sorts by contig, then start.
using Place = std::uint64_t;

inline Place place_of(std::uint32_t contig, std::int64_t start) {
  return std::uint64_t{contig} << 32 | static_cast<std::uint32_t>(start);
}
inline std::uint32_t contig_of(Place place) { return static_cast<std::uint32_t>(place >> 32); }
inline std::int64_t start_of(Place place) { return static_cast<std::uint32_t>(place); }

// [start, end) of one contig, counted in bases or in starts of windows.
struct Stretch {
  std::int64_t start;
  std::int64_t end;
};

// Columns of a table of intervals on a genome; contig is an index into the genome's contigs.
struct IntervalTable {
  std::span<const std::int32_t> contig;
  std::span<const std::int64_t> start;
  std::span<const std::int64_t> end;
};

// Every start at which a window of `length` lies inside its contig (and `within`), touches no forbidden interval and
// holds at most max_unknown unknown bases of any one block; numbered from 0 in the order of the genome.
class AllowedStarts {
 public:
  AllowedStarts(const Genome& genome, std::int64_t length, std::int64_t max_unknown,
                std::span<const IntervalTable> forbidden, const std::optional<IntervalTable>& within);

  std::uint64_t size() const { return size_; }

  // The start of a number below size().
  Place operator[](std::uint64_t number) const;

  // Numbers of the starts on a contig: [first, second).
  std::pair<std::uint64_t, std::uint64_t> numbers_on(std::size_t contig) const;

  // Calls visit(contig, starts) for each stretch of the starts with numbers in [begin, end).
  template <typename Visit>
  void for_each_stretch(std::uint64_t begin, std::uint64_t end, Visit visit) const {
    for (std::size_t i = begin < end ? stretch_of(begin) : 0; begin < end; ++i) {
      const std::uint64_t last = i + 1 < before_.size() ? std::min(end, before_[i + 1]) : end;
      const std::int64_t start = stretches_[i].start + static_cast<std::int64_t>(begin - before_[i]);
      visit(contig_[i], Stretch{start, start + static_cast<std::int64_t>(last - begin)});
      begin = last;
    }
  }

 private:
  void add(std::uint32_t contig, const Stretch& stretch);
  void build_index();
  std::size_t stretch_of(std::uint64_t number) const;

  std::vector<Stretch> stretches_;
  std::vector<std::uint32_t> contig_;  // of each stretch
  std::vector<std::uint64_t> before_;  // starts in the stretches before it
  std::vector<std::uint64_t> first_;   // number of the first start of each contig
  std::vector<std::uint32_t> bucket_;  // stretch that holds the first number of each bucket, and one more
  int bucket_shift_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace dnafast
