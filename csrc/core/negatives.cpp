#include "core/negatives.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include "core/parallel.hpp"
#include "core/random.hpp"
#include "core/scan.hpp"

namespace dnafast {
namespace {

// The windows' ends, for positives that are given by their starts.
std::vector<std::int64_t> ends_of(const NegativeRequest& request) {
  std::vector<std::int64_t> ends(request.positive_start.begin(), request.positive_start.end());
  for (std::int64_t& end : ends) end += request.length;
  return ends;
}

AllowedStarts allowed_starts(const Genome& genome, const NegativeRequest& request) {
  const std::vector<std::int64_t> ends = ends_of(request);
  const IntervalTable forbidden[] = {request.excluded, {request.positive_contig, request.positive_start, ends}};
  return {genome, request.length, request.max_unknown, forbidden, request.within};
}

class Sampler {
 public:
  Sampler(const Genome& genome, const NegativeRequest& request)
      : contigs_(genome.contigs()),
        request_(request),
        allowed_(allowed_starts(genome, request)),
        bins_(request.match_gc ? gc_bins : 1),
        cells_((request.match_gc ? contigs_.size() : 1) * bins_),
        missing_(bins_),
        spares_(bins_) {
    set_quotas();
  }

  NegativeSample run() {
    const bool tried_all = try_candidates();
    if (!tried_all) search_own_contigs();
    fill_from_other_contigs(tried_all);
    return result();
  }

 private:
  // Windows of one kind: of one contig and one bin, or of any where nothing is matched.
  struct Cell {
    std::uint64_t wanted = 0;
    std::uint64_t found = 0;
    std::uint64_t missing() const { return wanted - found; }
  };

  static constexpr std::size_t no_cell = ~std::size_t{0};
  static constexpr std::size_t block_size = 1 << 14;
  static constexpr std::uint64_t task_size = 1 << 20;

  std::size_t first_cell(std::uint32_t contig) const { return request_.match_gc ? contig * bins_ : 0; }

  // The cell of a window of which [start, end) lies inside the contig; no_cell where it holds too many unknown bases.
  std::size_t cell_at(std::uint32_t contig, std::int64_t start, std::int64_t end, std::int64_t max_unknown) const {
    if (!request_.match_gc && max_unknown == 0) return 0;
    const Content content = content_of(contigs_[contig], start, end);
    if (content.unknown > max_unknown) return no_cell;
    if (!request_.match_gc) return 0;
    return first_cell(contig) + gc_bin(content.gc, end - start - content.unknown);
  }

  // Quotas: ratio times the positives of each cell, rounded so that every bin, and the whole, is right within one.
  void set_quotas() {
    std::vector<std::atomic<std::uint64_t>> positives(cells_.size());
    if (!request_.match_gc) positives[0] = request_.positive_contig.size();
    const std::size_t counted = request_.match_gc ? request_.positive_contig.size() : 0;
    parallel_for(counted, 1024, request_.threads, [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin; row < end; ++row) {
        const auto contig = static_cast<std::uint32_t>(request_.positive_contig[row]);
        const std::int64_t length = contigs_[contig].length;
        const std::int64_t first = std::clamp<std::int64_t>(request_.positive_start[row], 0, length);
        const std::int64_t last = std::clamp(request_.positive_start[row] + request_.length, first, length);
        positives[cell_at(contig, first, last, request_.length)].fetch_add(1, std::memory_order_relaxed);
      }
    });
    std::uint64_t seen = 0;
    for (std::size_t bin = 0; bin < bins_; ++bin) {
      for (std::size_t cell = bin; cell < cells_.size(); cell += bins_) {
        const std::uint64_t before = scaled(seen);
        seen += positives[cell].load();
        cells_[cell].wanted = scaled(seen) - before;
        missing_[bin] += cells_[cell].wanted;
      }
    }
    wanted_ = scaled(seen);
    wanted_in_bin_ = missing_;
  }

  std::uint64_t scaled(std::uint64_t positives) const {
    return static_cast<std::uint64_t>(std::floor(request_.ratio * static_cast<double>(positives) + 0.5));
  }

  void take(std::size_t cell, Place place) {
    taken_.push_back(place);
    ++cells_[cell].found;
    --missing_[cell % bins_];
  }

  // Tries allowed starts in the order of the permutation. True where all of them were tried.
  bool try_candidates() {
    const Permutation order(allowed_.size(), request_.seed, 0, Purpose::candidates);
    std::vector<Place> places(block_size);
    std::vector<std::size_t> cells(block_size);
    std::uint64_t tried = 0;
    while (tried < allowed_.size() && taken_.size() < wanted_) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(block_size, allowed_.size() - tried));
      parallel_for(count, 512, request_.threads, [&](std::size_t begin, std::size_t end) {
        // Windows lie anywhere in the genome: their memory is on its way while the next places are drawn.
        for (std::size_t i = begin; i < end; i += ahead) {
          const std::size_t stop = std::min(end, i + ahead);
          for (std::size_t j = i; j < stop; ++j) {
            places[j] = allowed_[order(tried + j)];
            prefetch(places[j]);
          }
          for (std::size_t j = i; j < stop; ++j) {
            const std::int64_t start = start_of(places[j]);
            cells[j] = cell_at(contig_of(places[j]), start, start + request_.length, request_.max_unknown);
          }
        }
      });
      const std::size_t taken_before = taken_.size();
      for (std::size_t i = 0; i < count && taken_.size() < wanted_; ++i) {
        if (cells[i] == no_cell) continue;
        const std::size_t bin = cells[i] % bins_;
        if (cells_[cells[i]].missing() > 0) {
          take(cells[i], places[i]);
        } else if (spares_[bin].size() < wanted_in_bin_[bin]) {
          spares_[bin].push_back(places[i]);
        }
      }
      tried += count;
      const double share = static_cast<double>(taken_.size() - taken_before) / static_cast<double>(count);
      if (pass_is_cheaper(share)) break;
    }
    return tried == allowed_.size();
  }

  // Whether a pass over the genome finds what is missing sooner than further tries, of which this share succeeds.
  // Measured in nanoseconds: a try waits for memory, a step of the pass skips what is far from every wanted bin.
  bool pass_is_cheaper(double share) const {
    constexpr double try_cost = 250;
    constexpr double step_cost = 0.25;
    constexpr double hit_cost = 16;
    const auto missing = static_cast<double>(wanted_ - taken_.size());
    const double pass = static_cast<double>(allowed_.size()) * (step_cost + share * hit_cost);
    return missing * try_cost > share * pass;
  }

  static constexpr std::size_t ahead = 16;

  void prefetch(Place place) const {
    if (!request_.match_gc) return;
    const std::uint8_t* packed = contigs_[contig_of(place)].packed + start_of(place) / 4;
    for (std::int64_t byte = 0; byte < std::min<std::int64_t>(request_.length / 4, 1024); byte += 64) {
      __builtin_prefetch(packed + byte);
    }
  }

  // Fills the cells that are still short from their own contigs.
  void search_own_contigs() {
    std::vector<std::size_t> target(cells_.size(), no_cell);
    std::vector<std::uint64_t> capacity;
    std::vector<std::size_t> cell_of_target;
    for (std::size_t cell = 0; cell < cells_.size(); ++cell) {
      if (cells_[cell].missing() == 0) continue;
      target[cell] = capacity.size();
      capacity.push_back(cells_[cell].missing());
      cell_of_target.push_back(cell);
    }
    const std::vector<Lowest> found = search(target, capacity, Purpose::candidate_rank);
    for (std::size_t t = 0; t < found.size(); ++t) {
      for (const Ranked& ranked : found[t].places()) take(cell_of_target[t], ranked.place);
    }
  }

  // Fills what is still missing in a bin with windows of that bin from any contig.
  void fill_from_other_contigs(bool tried_all) {
    std::vector<std::uint64_t> extra(bins_);  // windows found for each bin
    std::vector<std::size_t> target(cells_.size(), no_cell);
    std::vector<std::uint64_t> capacity;
    std::vector<std::size_t> bin_of_target;
    for (std::size_t bin = 0; bin < bins_; ++bin) {
      extra[bin] = std::min<std::uint64_t>(missing_[bin], spares_[bin].size());
      taken_.insert(taken_.end(), spares_[bin].begin(), spares_[bin].begin() + static_cast<std::ptrdiff_t>(extra[bin]));
      if (tried_all || extra[bin] == missing_[bin]) continue;
      // A cell that is still short was searched: its contig has no more.
      for (std::size_t cell = bin; cell < cells_.size(); cell += bins_) {
        if (cells_[cell].missing() == 0) target[cell] = capacity.size();
      }
      capacity.push_back(missing_[bin] - extra[bin]);
      bin_of_target.push_back(bin);
    }
    const std::vector<Lowest> found = search(target, capacity, Purpose::spare_rank);
    for (std::size_t t = 0; t < found.size(); ++t) {
      for (const Ranked& ranked : found[t].places()) taken_.push_back(ranked.place);
      extra[bin_of_target[t]] += found[t].places().size();
    }
    for (std::size_t cell = 0; cell < cells_.size(); ++cell) {
      const std::uint64_t count = std::min(extra[cell % bins_], cells_[cell].missing());
      extra[cell % bins_] -= count;
      cells_[cell].found += count;
      from_other_contigs_ += count;
    }
  }

  // One pass over the contigs whose cells have a target: for each target, the `capacity` places of lowest rank that
  // are not taken yet.
  std::vector<Lowest> search(const std::vector<std::size_t>& target, const std::vector<std::uint64_t>& capacity,
                             Purpose purpose) {
    std::vector<Lowest> best;
    for (const std::uint64_t count : capacity) best.emplace_back(count);
    if (best.empty()) return best;
    std::sort(taken_.begin(), taken_.end());

    struct Task {
      std::uint32_t contig;
      std::uint64_t begin;
      std::uint64_t end;
    };
    std::vector<Task> tasks;
    for (std::uint32_t contig = 0; contig < contigs_.size(); ++contig) {
      const auto own = target.begin() + static_cast<std::ptrdiff_t>(first_cell(contig));
      if (std::all_of(own, own + static_cast<std::ptrdiff_t>(bins_), [](std::size_t t) { return t == no_cell; })) {
        continue;
      }
      const auto [begin, end] = allowed_.numbers_on(contig);
      for (std::uint64_t first = begin; first < end; first += task_size) {
        tasks.push_back({contig, first, std::min(end, first + task_size)});
      }
    }
    std::mutex merging;
    parallel_for(tasks.size(), 1, request_.threads, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const Task& task = tasks[i];
        const std::size_t* own = target.data() + first_cell(task.contig);
        std::vector<Lowest> bins;
        for (std::size_t bin = 0; bin < bins_; ++bin) bins.emplace_back(own[bin] == no_cell ? 0 : capacity[own[bin]]);
        Scan scan(contigs_[task.contig], task.contig, request_, purpose, taken_, bins);
        allowed_.for_each_stretch(task.begin, task.end, [&](std::uint32_t, Stretch starts) { scan.run(starts); });
        const std::lock_guard lock(merging);
        for (std::size_t bin = 0; bin < bins_; ++bin) {
          for (const Ranked& ranked : bins[bin].places()) best[own[bin]].offer(ranked);
        }
      }
    });
    return best;
  }

  NegativeSample result() {
    std::sort(taken_.begin(), taken_.end());
    NegativeSample sample;
    sample.wanted = wanted_;
    sample.from_other_contigs = from_other_contigs_;
    for (const Place place : taken_) {
      sample.contig.push_back(static_cast<std::int32_t>(contig_of(place)));
      sample.start.push_back(start_of(place));
    }
    sample.strand = strands(taken_.size());
    for (std::size_t cell = 0; cell < cells_.size(); ++cell) {
      if (cells_[cell].missing() == 0) continue;
      const auto contig = request_.match_gc ? static_cast<std::int32_t>(cell / bins_) : -1;
      const auto bin = request_.match_gc ? static_cast<std::int32_t>(cell % bins_) : -1;
      sample.shortfall.push_back({contig, bin, cells_[cell].wanted, cells_[cell].found});
    }
    return sample;
  }

  // Strands in the positives' proportions, dealt by a permutation.
  std::vector<std::int8_t> strands(std::size_t count) const {
    const auto positives = static_cast<double>(request_.positive_strand.size());
    const auto share = [&](std::int8_t strand) {
      const auto n = std::count(request_.positive_strand.begin(), request_.positive_strand.end(), strand);
      return static_cast<double>(n) / positives;
    };
    const double forward_share = share(1);
    const auto total = static_cast<double>(count);
    const auto forward = static_cast<std::uint64_t>(std::floor(total * forward_share + 0.5));
    const auto either = static_cast<std::uint64_t>(std::floor(total * (forward_share + share(-1)) + 0.5));
    const Permutation deal(count, request_.seed, 0, Purpose::negative_strand);
    std::vector<std::int8_t> strand(count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t card = deal(i);
      strand[i] = static_cast<std::int8_t>(card < forward ? 1 : card < either ? -1 : 0);
    }
    return strand;
  }

  const std::span<const Contig> contigs_;
  const NegativeRequest& request_;
  const AllowedStarts allowed_;
  const std::size_t bins_;
  std::vector<Cell> cells_;             // by contig, then bin
  std::vector<std::uint64_t> missing_;  // of each bin
  std::vector<std::uint64_t> wanted_in_bin_;
  std::vector<std::vector<Place>> spares_;  // of each bin: tried where their own cell was full
  std::vector<Place> taken_;
  std::uint64_t wanted_ = 0;
  std::uint64_t from_other_contigs_ = 0;
};

}  // namespace

NegativeSample sample_negatives(const Genome& genome, const NegativeRequest& request) {
  genome.check();
  return Sampler(genome, request).run();
}

}  // namespace dnafast
