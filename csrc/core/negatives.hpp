#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/allowed.hpp"
#include "core/genome.hpp"

namespace dnafast {

// Bins of G+C content, 2 % wide.
inline constexpr std::int32_t gc_bins = 50;

struct NegativeRequest {
  std::int64_t length = 0;  // bases in a window
  std::span<const std::int32_t> positive_contig;
  std::span<const std::int64_t> positive_start;
  std::span<const std::int8_t> positive_strand;
  IntervalTable excluded;
  std::optional<IntervalTable> within;
  bool match_gc = true;
  double ratio = 1.0;
  std::int64_t max_unknown = 0;  // unknown bases allowed in a window
  std::uint64_t seed = 0;
  int threads = 1;
};

// One kind of window of which fewer were found than wanted; contig and bin are -1 where the request does not match
// them.
struct Shortfall {
  std::int32_t contig;
  std::int32_t bin;
  std::uint64_t wanted;
  std::uint64_t found;
};

struct NegativeSample {
  std::vector<std::int32_t> contig;  // ascending by contig, then start
  std::vector<std::int64_t> start;
  std::vector<std::int8_t> strand;
  std::vector<Shortfall> shortfall;
  std::uint64_t wanted = 0;
  std::uint64_t from_other_contigs = 0;
};

// Distinct windows inside the contigs (and `within`) that touch no positive window and no excluded interval.
//
// Every allowed start is a number below their count. A keyed permutation says in which order they are tried against the
// quota of each (contig, G+C bin); when tries succeed so seldom that reading the genome once is cheaper, what is still
// missing is looked for in one pass over it, which finds all there is. A quota that its contig cannot fill is filled
// with windows of the same bin from other contigs; what then is missing, the genome does not hold.
NegativeSample sample_negatives(const Genome& genome, const NegativeRequest& request);

}  // namespace dnafast
